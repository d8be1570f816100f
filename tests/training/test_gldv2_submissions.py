import pytest

from training.gldv2_metrics import Recognition
from training.gldv2_submissions import (
    SubmissionError,
    read_recognition_solution,
    read_recognition_submission,
    read_retrieval_solution,
    read_retrieval_submission,
)

_RECOGNITION = "id,landmarks,Usage\np1,5 7,Public\np2,,Public\np3,9,Private\nx1,None,Ignored\n"
_RETRIEVAL = "id,images,Usage\np1,i1 i2,Public\np3,i3,Private\nx1,None,Ignored\n"


@pytest.fixture
def write(tmp_path):
    def write_file(text, name="file.csv"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write_file


@pytest.fixture
def recognition(write):
    return read_recognition_solution(write(_RECOGNITION, "solution.csv"))


@pytest.fixture
def retrieval(write):
    return read_retrieval_solution(write(_RETRIEVAL, "solution.csv"))


def test_solutions_are_read_in_parts(recognition, retrieval):
    assert recognition.public == {"p1": {5, 7}, "p2": set()}
    assert recognition.private == {"p3": {9}}
    assert recognition.ignored == retrieval.ignored == {"x1"}
    assert retrieval.public == {"p1": {"i1", "i2"}}
    assert retrieval.private == {"p3": {"i3"}}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("p1,5,Secret\n", "row 2.*'Secret'"),
        ("p1,5,Public\np1,6,Private\n", "row 3.*repeated"),
        ("p1,five,Public\n", "row 2.*five"),
        ("p1,None,Public\n", "row 2.*None"),
        ("p1,5\n", "row 2.*2 columns"),
    ],
)
def test_wrong_recognition_solutions_are_refused(write, rows, message):
    with pytest.raises(SubmissionError, match=message):
        read_recognition_solution(write("id,landmarks,Usage\n" + rows))


@pytest.mark.parametrize("images", ["", "None", "i1  i2"])
def test_a_retrieval_query_that_counts_needs_images(write, images):
    with pytest.raises(SubmissionError, match=r"row 2.*only an Ignored"):
        read_retrieval_solution(write(f"id,images,Usage\np1,{images},Public\n"))


def test_a_recognition_submission(write, recognition):
    path = write("id,landmarks\np1,5 0.5 \n\np2,\np3,9 1e3\nx1,1 1\n")
    submission = read_recognition_submission(path, recognition)
    assert submission.public == {"p1": Recognition(5, 0.5)}
    assert submission.private == {"p3": Recognition(9, 1000.0)}


def test_a_retrieval_submission_keeps_duplicate_images(write, retrieval):
    path = write("id,images\np1,i2 i2 i1 \np3,\nx1,i1\n")
    submission = read_retrieval_submission(path, retrieval)
    assert submission.public == {"p1": ("i2", "i2", "i1")}
    assert submission.private == {}


def test_a_row_without_prediction_is_not_remembered(write, recognition):
    path = write("id,landmarks\np1,\np1,5 0.5\nx1,1 1\nx1,1 1\nunknown,\n")
    assert read_recognition_submission(path, recognition).public == {"p1": Recognition(5, 0.5)}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("p1,5 0.5\np1,5 0.5\n", "row 3.*'p1' is repeated"),
        ("p1,5 0.5\np1,\n", "row 3.*'p1' is repeated"),
        ("p3,9 0.5\np3,9 0.5\n", "row 3.*'p3' is repeated"),
        ("zz,5 0.5\n", "row 2.*'zz'"),
        ("p1,5\n", "row 2.*a landmark and a score"),
        ("p1,5 0.5 7\n", "row 2.*a landmark and a score"),
        ("p1,5 0.5  \n", "row 2.*a landmark and a score"),
        ("p1,5 high\n", "row 2.*high"),
        ("p1,5 nan\n", "row 2.*no number"),
        ("p1,5,0.5\n", "row 2.*3 columns"),
        ("p1\n", "row 2.*1 columns"),
    ],
)
def test_wrong_recognition_submissions_are_refused(write, recognition, rows, message):
    with pytest.raises(SubmissionError, match=message):
        read_recognition_submission(write("id,landmarks\n" + rows), recognition)


@pytest.mark.parametrize("images", ["i1  ", "i1  i2", " i1", " "])
def test_empty_ids_in_a_retrieval_submission_are_refused(write, retrieval, images):
    with pytest.raises(SubmissionError, match=r"row 2.*empty id"):
        read_retrieval_submission(write(f"id,images\np1,{images}\n"), retrieval)


def test_a_missing_header_is_refused_not_skipped(write, recognition):
    with pytest.raises(SubmissionError, match="row 1"):
        read_recognition_submission(write("0123456789abcdef,5 0.5\n"), recognition)


def test_a_missing_file_is_named(tmp_path, recognition):
    with pytest.raises(SubmissionError, match=r"nowhere\.csv"):
        read_recognition_submission(tmp_path / "nowhere.csv", recognition)
