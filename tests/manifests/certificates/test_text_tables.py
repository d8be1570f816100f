"""Tables as sorted lines of text."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.certificates.text_tables import (
    TextColumn,
    TextTable,
    TextTableError,
    escape_field,
    read_lines,
    read_rows,
    unescape_field,
    write_text_table,
)

TABLE = TextTable("drawn.tsv", "Drawn.", (TextColumn("name", ""), TextColumn("number", "")))
TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
ROWS = st.dictionaries(TEXTS, st.none() | st.integers(-9, 99), max_size=20)


def as_table(rows: list[tuple]) -> pa.Table:
    names = pa.array([name for name, _ in rows], pa.string())
    return pa.table({"name": names, "number": pa.array([n for _, n in rows], pa.int64())})


@given(TEXTS)
def test_any_text_stands_in_one_field(text):
    field = escape_field(text)
    assert unescape_field(field) == text
    assert not set(field) & set(map(chr, [*range(32), 127]))


@given(rows=ROWS, data=st.data())
def test_what_is_written_is_read_and_the_order_does_not_matter(tmp_path_factory, rows, data):
    folder = tmp_path_factory.mktemp("tables")
    write_text_table(folder, TABLE, as_table(list(rows.items())))
    written = (folder / TABLE.file_name).read_bytes()
    expected = {(name, "" if n is None else str(n)) for name, n in rows.items()}
    assert set(read_rows(folder, TABLE)) == expected
    lines = written.split(b"\n")
    assert lines[0] == b"name\tnumber"
    assert lines[1:-1] == sorted(lines[1:-1])
    shuffled = data.draw(st.permutations(list(rows.items())))
    write_text_table(folder, TABLE, as_table(shuffled))
    assert (folder / TABLE.file_name).read_bytes() == written


def test_more_rows_than_a_batch(tmp_path):
    rows = [(f"{number:06d}", number) for number in range(70_000)]
    write_text_table(tmp_path, TABLE, as_table(rows[::-1]))
    assert list(read_rows(tmp_path, TABLE)) == [(name, str(number)) for name, number in rows]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "line 1: not 'name"),
        (b"name\tother\n", "line 1: not 'name"),
        (b"name\tnumber\nb\t1\na\t1\n", "line 3: not in order"),
        (b"name\tnumber\na\t1\na\t1\n", "line 3: not in order"),
        (b"name\tnumber\na\t1", "line 2: .*not complete"),
        (b"name\tnumber\na\n", "not 2 fields"),
        (b"name\tnumber\na\t\xff\n", "not UTF-8"),
    ],
)
def test_what_is_no_such_table(tmp_path, content, problem):
    (tmp_path / TABLE.file_name).write_bytes(content)
    with pytest.raises(TextTableError, match=problem):
        list(read_rows(tmp_path, TABLE))


def test_a_missing_table(tmp_path):
    with pytest.raises(TextTableError, match=r"drawn.tsv: missing"):
        list(read_lines(tmp_path, TABLE))
