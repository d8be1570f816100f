import pytest

from pipelines.fill_in_lists import is_filled_in

COLUMNS = ("reviewer", "answer")
HEADER = "name,pair,reviewer,answer\n"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "list.csv"


def test_a_list_that_is_not_there_is_not_filled_in(path):
    assert not is_filled_in(path, COLUMNS)


@pytest.mark.parametrize(
    "text",
    [
        "",
        HEADER,
        f"{HEADER}mill,a b,,\n",
        f'{HEADER}"mill,\nthe old",a b,,\n',
        f"\ufeff{HEADER}mill,a b,,\r\n".replace("\n", "\r\n"),
        "name,pair\nmill,a b\n",
    ],
    ids=["empty", "no rows", "untouched", "name of two lines", "saved elsewhere", "older"],
)
def test_what_nobody_has_written_into_may_be_written_anew(path, text):
    path.write_text(text, encoding="utf-8", newline="")
    assert not is_filled_in(path, COLUMNS)


@pytest.mark.parametrize(
    "text",
    [
        f"{HEADER}mill,a b,,same\n",
        f"{HEADER}mill,a b,ana,\n",
        f"{HEADER}mill,a b,,\nmill,a c,ana,same\n",
        f"{HEADER}mill,a b,ana,same\n".replace(",", ";"),
    ],
    ids=["the last column", "another column", "a later row", "semicolons"],
)
def test_what_people_have_written_is_seen(path, text):
    path.write_text(text, encoding="utf-8")
    assert is_filled_in(path, COLUMNS)


def test_what_cannot_be_read_may_hold_something(path):
    path.write_text(f"{HEADER}mill,a b,ana,same\n", encoding="utf-16")
    assert is_filled_in(path, COLUMNS)
