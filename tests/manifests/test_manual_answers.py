import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.manual_answers import (
    AnsweredPair,
    ManualAnswer,
    ManualAnswerError,
    read_manual_answers,
)

HEADER = "image_id_a,image_id_b,answer\n"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "answers.csv"


def _read(path, text):
    path.write_text(text, encoding="utf-8")
    return read_manual_answers(path)


def test_answers_are_read_and_empty_ones_are_not(path):
    text = "landmark_id,landmark_name,image_id_a,image_id_b,num_inliers,answer\n"
    text += '7,"Mill, the old",a,b,29,same\n7,,a,c,31,\n8,,y,x,28, Different \n'
    assert _read(path, text) == [
        AnsweredPair("a", "b", ManualAnswer.SAME, 2),
        AnsweredPair("x", "y", ManualAnswer.DIFFERENT, 4),
    ]


def test_a_column_may_stand_anywhere_and_a_row_may_end_early(path):
    assert _read(path, "\ufeffanswer,image_id_b,image_id_a\nsame,b,a\n") == [
        AnsweredPair("a", "b", ManualAnswer.SAME, 2)
    ]
    assert _read(path, HEADER + "a,b\na\n\n") == []


def test_lines_are_counted_as_an_editor_counts_them(path):
    text = 'note,image_id_a,image_id_b,answer\n"two\nlines",a,b,\n,a,c,same\n'
    assert [pair.row for pair in _read(path, text)] == [4]


@given(st.lists(st.tuples(*[st.sampled_from("abcd")] * 2, st.booleans())))
def test_neither_order_nor_repetition_matters(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("answers") / "answers.csv"
    answers = {}
    lines = []
    for a, b, is_turned in rows:
        answer = answers.setdefault(frozenset((a, b)), "same" if len(answers) % 2 else "different")
        lines.append(f"{b},{a},{answer}" if is_turned else f"{a},{b},{answer}")
    pairs = _read(path, HEADER + "\n".join(lines))
    assert {frozenset(pair.image_ids): pair.answer for pair in pairs} == answers
    assert len(pairs) == len(answers)
    assert all(pair.image_id_a <= pair.image_id_b for pair in pairs)


@pytest.mark.parametrize(
    ("text", "row", "complaint"),
    [
        ("", 1, "has not one column 'image_id_a'"),
        ("image_id_a,image_id_b\n", 1, "has not one column 'answer'"),
        ("image_id_a;image_id_b;answer\n", 1, "with commas between them"),
        ("answer,image_id_a,image_id_b,answer\n", 1, "has not one column 'answer'"),
        (HEADER + "a,b,unsure\n", 2, "the answer 'unsure' is neither same nor different"),
        (HEADER + "a,c,same\na,b,1\n", 3, "the answer '1'"),
        (HEADER + "a,Mill, old,b,same\n", 2, "more cells than the header has"),
        (HEADER + "a,b,same\nc,d,\nb,a,different\n", 4, "different, but same in row 2; delete one"),
    ],
)
def test_a_bad_file_is_refused_with_its_row_and_the_remedy(path, text, row, complaint):
    with pytest.raises(ManualAnswerError) as error:
        _read(path, text)
    assert str(error.value).startswith(f"{path}: row {row}: ")
    assert complaint in str(error.value)


@pytest.mark.parametrize("name", ['"Old Mill', '"Old" Mill', 'Mill,"'])
def test_a_quote_that_is_not_closed_hides_no_answers(path, name):
    text = f"landmark_name,{HEADER}{name},a,b,same\nAll Souls,a,c,different\n"
    with pytest.raises(ManualAnswerError, match="and close every double quote"):
        _read(path, text)


def test_what_is_no_file_is_refused(path):
    with pytest.raises(ManualAnswerError, match=r"answers\.csv: No such file .*clean\.answers"):
        read_manual_answers(path)
    path.mkdir()
    with pytest.raises(ManualAnswerError, match=r"answers\.csv: Is a directory; let clean"):
        read_manual_answers(path)


@pytest.mark.parametrize("end", [b"a,b,\xff\n", b'a,"' + b"b" * 200_000 + b'",same\n'])
def test_what_is_no_csv_in_utf_8_is_refused(path, end):
    path.write_bytes(HEADER.encode() + end)
    with pytest.raises(ManualAnswerError, match="save it as CSV with commas, in UTF-8"):
        read_manual_answers(path)
