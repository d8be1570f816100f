"""The formats of evaluation sets beside that of Revisited Oxford and Paris."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests.evaluation_sets import (
    EvaluationQuery,
    GroundTruthError,
    read_distractors,
    read_folder,
    read_oxford5k,
    read_query_table,
    read_solution,
)

IDS = [f"{n:016x}" for n in range(6)]
DATABASE = ["all_souls_000013", "all_souls_000026", "oxford_002985", "christ_church_000179"]
OXFORD = {
    "all_souls_1_query.txt": "oxc1_all_souls_000013 136.5 34.1 648.5 955.7\n",
    "all_souls_1_good.txt": "all_souls_000013\noxford_002985\n",
    "all_souls_1_ok.txt": "all_souls_000026\n",
    "all_souls_1_junk.txt": "",
    "christ_church_1_query.txt": "oxc1_christ_church_000179 4 5 600 700",
    "christ_church_1_good.txt": "",
    "christ_church_1_ok.txt": "\nchrist_church_000179\n",
    "christ_church_1_junk.txt": "all_souls_000026",
}


def _write(folder, files):
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def test_the_text_files_of_oxford(tmp_path):
    oxford = read_oxford5k(_write(tmp_path, OXFORD), "oxford5k", DATABASE)
    assert oxford.database == tuple(DATABASE)
    assert oxford.queries == (
        EvaluationQuery(
            "all_souls_1", "all_souls_000013", (136.5, 34.1, 648.5, 955.7), (0, 2), (1,), ()
        ),
        EvaluationQuery(
            "christ_church_1", "christ_church_000179", (4.0, 5.0, 600.0, 700.0), (), (3,), (1,)
        ),
    )


def test_the_text_files_of_paris_have_no_prefix(tmp_path):
    files = {name.replace("all_souls", "eiffel"): text for name, text in list(OXFORD.items())[:4]}
    files["eiffel_1_query.txt"] = "oxford_002985 1 2 3 4"
    (query,) = read_oxford5k(_write(tmp_path, files), "paris6k", DATABASE).queries
    assert (query.query_id, query.image_name) == ("eiffel_1", "oxford_002985")


@pytest.mark.parametrize(
    ("file", "text", "complaint"),
    [
        ("all_souls_1_query.txt", "oxc1_all_souls_000013 1 2 3", "expected 'IMAGE x1 y1 x2 y2'"),
        ("all_souls_1_query.txt", "a 1 2 nan 4", "expected 'IMAGE x1 y1 x2 y2'"),
        ("all_souls_1_query.txt", "a 5 2 3 4", r"x1 < x2 and y1 < y2; correct the box"),
        ("all_souls_1_query.txt", "oxc1_../a 1 2 3 4", "leaves the image folder"),
        ("all_souls_1_good.txt", "elsewhere_000001", "no image 'elsewhere_000001' is in the image"),
        ("all_souls_1_junk.txt", "all_souls_000013", "'all_souls_000013' is listed twice"),
        ("all_souls_1_ok.txt", None, "not readable as a list of images"),
    ],
)
def test_text_files_that_cannot_be_right_are_named(tmp_path, file, text, complaint):
    _write(tmp_path, OXFORD)
    (tmp_path / file).unlink()
    if text is not None:
        (tmp_path / file).write_text(text)
    with pytest.raises(GroundTruthError, match=complaint) as caught:
        read_oxford5k(tmp_path, "oxford5k", DATABASE)
    assert str(tmp_path / "all_souls_1_") in str(caught.value)


def test_a_folder_without_queries_and_a_name_for_two_images_are_refused(tmp_path):
    with pytest.raises(GroundTruthError, match=r"no files named NAME_query\.txt"):
        read_oxford5k(tmp_path, "oxford5k", DATABASE)
    with pytest.raises(GroundTruthError, match="two images are called"):
        read_oxford5k(_write(tmp_path, OXFORD), "oxford5k", [*DATABASE, DATABASE[0]])


def test_a_list_of_distractors_is_a_database_without_queries(tmp_path):
    path = _write(tmp_path, {"r1m.txt": "00/a.jpg\n\n01/b.jpg\n"}) / "r1m.txt"
    distractors = read_distractors(path, "revisitop1m")
    assert (distractors.database, distractors.queries) == (("00/a.jpg", "01/b.jpg"), ())


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "names no image"),
        ("a\na\n", "holds 'a' twice"),
        ("/etc/a\n", "leaves the image folder"),
    ],
)
def test_a_list_of_distractors_that_cannot_be_right(tmp_path, text, complaint):
    path = _write(tmp_path, {"r1m.txt": text}) / "r1m.txt"
    with pytest.raises(GroundTruthError, match=complaint):
        read_distractors(path, "revisitop1m")


def _solution(tmp_path, *rows, header="id,images,Usage"):
    path = tmp_path / "solution.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_the_retrieval_solution(tmp_path):
    rows = (
        f"{IDS[0]},{IDS[5]} {IDS[3]},Public",
        f"{IDS[1]},None,Ignored",
        f"{IDS[2]},{IDS[3]},Private",
        f"{IDS[4]},,Public",
    )
    found = read_solution(_solution(tmp_path, *rows), "gldv2_retrieval")
    assert found.database == (IDS[3], IDS[5])
    assert found.queries == (
        EvaluationQuery(IDS[0], IDS[0], None, (1, 0)),
        EvaluationQuery(IDS[2], IDS[2], None, (0,)),
    )


def test_the_recognition_solution_has_classes_and_no_database(tmp_path):
    rows = (f"{IDS[0]},,Private", f"{IDS[1]},17 203094,Public", f"{IDS[2]},4,Ignored")
    path = _solution(tmp_path, *rows, header="id,landmarks,Usage")
    found = read_solution(path, "gldv2_recognition")
    assert (found.database, found.queries) == ((), (EvaluationQuery(IDS[1], IDS[1]),))


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        (f"{IDS[1]},None,Public", "row 3: the answer 'None' belongs to the usage 'Ignored'"),
        (f"{IDS[1]},{IDS[2]},public", "row 3: usage 'public', expected Public, Private, Ignored"),
        (f"{IDS[0]},{IDS[2]},Public", "row 3: the id '0000000000000000' occurs twice"),
        (f"{IDS[1][:15]},{IDS[2]},Public", "row 3: image id .* is not 16"),
        (f"{IDS[1]},17,Public", "row 3: '17' is no image id"),
        (f"{IDS[1]},{IDS[2]} {IDS[2]},Public", "row 3: '0000000000000002' is listed twice"),
        (f"{IDS[1]},{IDS[2]}", "row 3: 2 fields, not 3"),
    ],
)
def test_a_row_of_a_solution_that_cannot_be_right_is_named(tmp_path, row, complaint):
    path = _solution(tmp_path, f"{IDS[0]},{IDS[5]},Public", row)
    with pytest.raises(GroundTruthError, match=complaint) as caught:
        read_solution(path, "gldv2")
    assert str(path) in str(caught.value)


def test_another_file_or_one_without_answers_is_no_solution(tmp_path):
    with pytest.raises(GroundTruthError, match="give a solution file of GLDv2"):
        read_solution(_solution(tmp_path, header="id,url,landmark_id"), "gldv2")
    with pytest.raises(GroundTruthError, match="no row with an answer"):
        read_solution(_solution(tmp_path, f"{IDS[0]},None,Ignored"), "gldv2")
    with pytest.raises(GroundTruthError, match="not readable as CSV"):
        read_solution(tmp_path / "nowhere.csv", "gldv2")


def test_every_image_of_a_folder_is_a_query(tmp_path):
    (tmp_path / "b").mkdir()
    _write(tmp_path, {"z.JPG": "", "b/a.png": "", "readme.txt": ""})
    found = read_folder(tmp_path, "own")
    assert found.queries == (
        EvaluationQuery("b/a.png", "b/a.png"),
        EvaluationQuery("z.JPG", "z.JPG"),
    )


def test_folders_below_are_read_whatever_they_are_called_and_links_to_files_but_not_to_folders(
    tmp_path,
):
    images = tmp_path / "images"
    (images / "c.jpg").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    _write(tmp_path, {"images/c.jpg/d.jpg": "", "elsewhere/e.jpg": "", "images/.hidden.png": ""})
    (images / "link.jpg").symlink_to(tmp_path / "elsewhere/e.jpg")
    (images / "broken.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (images / "folder").symlink_to(tmp_path / "elsewhere")
    names = [query.image_name for query in read_folder(images, "own").queries]
    assert names == [".hidden.png", "c.jpg/d.jpg", "link.jpg"]


def test_a_folder_without_images_is_refused(tmp_path):
    with pytest.raises(GroundTruthError, match="no file with the extension of an image"):
        read_folder(tmp_path, "own")


TABLE = {"query_id": ["001", "b"], "path": ["x/1.jpg", "2.jpg"], "x1": [1, None], "y1": [2.5, None]}
TABLE |= {"x2": [30, None], "y2": [40, None], "who": ["ana", "ben"]}


def _table(tmp_path, suffix, **changes):
    content = {name: values for name, values in (TABLE | changes).items() if values is not None}
    path = tmp_path / f"queries{suffix}"
    if suffix == ".parquet":
        pq.write_table(pa.table(content), path)
        return path
    rows = zip(*content.values(), strict=True)
    text = (",".join("" if value is None else str(value) for value in row) for row in rows)
    path.write_text("\n".join([",".join(content), *text]) + "\n")
    return path


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_table_gives_crops_and_whole_images(tmp_path, suffix):
    found = read_query_table(_table(tmp_path, suffix), "own")
    assert found.queries == (
        EvaluationQuery("001", "x/1.jpg", (1.0, 2.5, 30.0, 40.0)),
        EvaluationQuery("b", "2.jpg"),
    )
    boxes = dict.fromkeys(("x1", "y1", "x2", "y2"))
    found = read_query_table(_table(tmp_path, suffix, **boxes), "own")
    assert [query.box for query in found.queries] == [None, None]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"path": None}, "needed are query_id and path"),
        ({"y2": None}, "all or none of x1, y1, x2, y2"),
        ({"query_id": ["a", "a"]}, "the query_id 'a' occurs twice"),
        ({"path": ["../1.jpg", "2.jpg"]}, "row 1: the name '../1.jpg' leaves the image folder"),
        ({"x2": [30, 5]}, "row 2: the box is"),
        ({"x2": [1, None]}, "row 1: the box is"),
        ({"path": ["1.jpg", ""]}, "row 2: path is ''"),
    ],
)
def test_a_table_that_cannot_be_right_is_named(tmp_path, suffix, changes, complaint):
    path = _table(tmp_path, suffix, **changes)
    with pytest.raises(GroundTruthError, match=complaint) as caught:
        read_query_table(path, "own")
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "data", "complaint"),
    [
        ("queries.xlsx", b"", "neither .csv nor .parquet"),
        ("queries.parquet", b"nothing", "not readable as a table"),
        ("queries.csv", b"", "not readable as a table"),
        ("queries.csv", b"query_id,path\n", "has no rows"),
    ],
)
def test_what_is_no_table_is_named(tmp_path, name, data, complaint):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(GroundTruthError, match=complaint):
        read_query_table(tmp_path / name, "own")
