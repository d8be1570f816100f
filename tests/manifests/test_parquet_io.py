import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests import parquet_io
from manifests.arrow_schemas import TABLES, VERDICTS, Column, Table
from manifests.parquet_io import (
    TableError,
    count_rows,
    iterate_table,
    read_table,
    write_pieces,
    write_rows,
    write_table,
)

TOYS = Table(
    "toys",
    3,
    "A table for tests.",
    (
        Column("name", pa.string(), "What it is called."),
        Column("num_wheels", pa.int32(), "Wheels.", nullable=True),
        Column("sizes", pa.list_(pa.float32()), "Sizes.", nullable=True),
    ),
)
CAR = {"name": "car", "num_wheels": 4, "sizes": [1.5, 2.0]}
KITE = {"name": "kite", "num_wheels": None, "sizes": None}
rows = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.text(max_size=5),
            "num_wheels": st.none() | st.integers(-(2**31), 2**31 - 1),
            "sizes": st.none() | st.lists(st.floats(width=32, allow_nan=False), max_size=3),
        }
    ),
    max_size=6,
)


@pytest.fixture
def part(tmp_path):
    return tmp_path / "toys" / "part-00000.parquet"


@given(rows)
def test_rows_come_back_as_they_were(tmp_path_factory, rows):
    part = tmp_path_factory.mktemp("toys") / "part.parquet"
    assert write_rows(part, TOYS, iter(rows)) == len(rows)
    assert read_table(part, TOYS).to_pylist() == rows


def test_equal_rows_give_equal_bytes_whatever_the_chunks(part):
    chunked = pa.concat_tables(
        [pa.table({k: [v] for k, v in r.items()}, TOYS.schema) for r in (CAR, KITE)]
    )
    write_table(part, TOYS, chunked)
    first = part.read_bytes()
    write_rows(part, TOYS, [CAR, KITE])
    assert part.read_bytes() == first


def test_the_file_says_which_table_it_is(part):
    write_rows(part, TOYS, [CAR])
    schema = pq.read_schema(part)
    assert schema.metadata[b"cleanmark.table"] == b"toys"
    assert schema.metadata[b"cleanmark.schema_version"] == b"3"
    assert not schema.field("name").nullable


@pytest.mark.parametrize(
    ("row", "wrong"),
    [
        ({"name": "car", "num_wheels": 4}, "sizes"),
        (CAR | {"colour": "red"}, "colour"),
        ({}, "name"),
    ],
)
def test_missing_and_unknown_columns_are_named_with_the_row(part, row, wrong):
    with pytest.raises(TableError, match=rf"part-00000\.parquet: row 1: .*'{wrong}'"):
        write_rows(part, TOYS, [CAR, row])
    assert not part.exists()


def test_a_null_where_none_may_be_is_named_with_the_row(part):
    rows = [CAR, CAR, KITE | {"name": None}]
    with pytest.raises(
        TableError, match=r"part-00000\.parquet: row 2: null in column 'name' of toys"
    ):
        write_rows(part, TOYS, rows)
    assert not part.exists()


def test_a_table_with_a_forbidden_null_is_refused_too(part):
    data = pa.table({"name": [None, "a"], "num_wheels": [1, 2], "sizes": [[], []]})
    with pytest.raises(TableError, match="row 0: null in column 'name'"):
        write_table(part, TOYS, data)


@pytest.mark.parametrize("value", ["four", 2**31, [4]])
def test_a_value_of_another_type_is_refused(part, value):
    with pytest.raises(TableError, match=r"part-00000\.parquet: a value does not fit table toys"):
        write_rows(part, TOYS, [CAR | {"num_wheels": value}])


def test_a_table_with_other_columns_is_refused(part):
    with pytest.raises(TableError, match="not those of toys"):
        write_table(part, TOYS, pa.table({"name": ["car"]}))


def test_wider_types_are_cast_to_the_schema(part):
    data = pa.table({"name": ["car"], "num_wheels": pa.array([4], pa.int64()), "sizes": [[1.0]]})
    write_table(part, TOYS, data)
    assert read_table(part, TOYS).schema.field("num_wheels").type == pa.int32()


def test_another_table_is_refused(part):
    write_rows(part, TOYS, [CAR])
    with pytest.raises(TableError, match="holds table 'toys', not 'verdicts'"):
        read_table(part, VERDICTS)


def test_another_version_is_refused_with_the_remedy(part):
    write_rows(part, TOYS, [CAR])
    newer = Table(TOYS.name, 4, TOYS.description, TOYS.columns)
    with pytest.raises(TableError, match=r"version 3, this program reads version 4; run the stage"):
        read_table(part, newer)


def test_a_foreign_parquet_file_is_refused(tmp_path):
    pq.write_table(pa.table({"a": [1]}), tmp_path / "a.parquet")
    with pytest.raises(TableError, match=r"a\.parquet: holds table '\(none\)'"):
        read_table(tmp_path / "a.parquet", TOYS)


def test_a_missing_file_is_named_with_the_remedy(tmp_path):
    with pytest.raises(TableError, match=r"none\.parquet: no such file; run the stage"):
        read_table(tmp_path / "none.parquet", TOYS)


@pytest.mark.parametrize("keep", [0, 50, -10])
def test_a_damaged_file_is_named(part, keep):
    write_rows(part, TOYS, [CAR])
    part.write_bytes(part.read_bytes()[:keep])
    with pytest.raises(TableError, match=r"part-00000\.parquet: not a readable Parquet file"):
        read_table(part, TOYS)


def test_parts_are_read_in_the_order_given(part):
    other = part.with_name("part-00001.parquet")
    write_rows(part, TOYS, [CAR])
    write_rows(other, TOYS, [KITE])
    names = [row["name"] for row in read_table([other, part], TOYS).to_pylist()]
    assert names == ["kite", "car"]


def test_columns_come_in_the_order_asked_for(part):
    write_rows(part, TOYS, [CAR])
    assert read_table(part, TOYS, ["num_wheels", "name"]).column_names == ["num_wheels", "name"]


@pytest.mark.parametrize("columns", [None, ["sizes", "name"]])
def test_no_parts_give_an_empty_table_of_the_same_columns(part, columns):
    write_rows(part, TOYS, [CAR])
    empty, full = read_table([], TOYS, columns), read_table(part, TOYS, columns)
    assert empty.num_rows == 0
    assert empty.schema.equals(full.schema, check_metadata=True)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_table_can_be_written_and_read_empty(part, table):
    assert write_rows(part, table, []) == 0
    assert read_table(part, table).schema.equals(table.schema)


@pytest.mark.parametrize("num_rows", [0, 1, 9, 10, 11, 35])
@pytest.mark.parametrize("piece", [1, 4, 10, 40])
def test_pieces_give_the_bytes_of_the_whole(tmp_path, monkeypatch, num_rows, piece):
    monkeypatch.setattr(parquet_io, "ROW_GROUP_ROWS", 10)
    toys = [{"name": str(n % 3), "num_wheels": n, "sizes": [n / 2]} for n in range(num_rows)]
    whole = pa.Table.from_pylist(toys, schema=TOYS.schema)
    write_table(tmp_path / "whole.parquet", TOYS, whole)
    pieces = (whole.slice(start, piece) for start in range(0, num_rows, piece))
    assert write_pieces(tmp_path / "pieces.parquet", TOYS, pieces) == num_rows
    written = (tmp_path / "pieces.parquet").read_bytes()
    assert written == (tmp_path / "whole.parquet").read_bytes()
    assert count_rows(tmp_path / "pieces.parquet", TOYS) == num_rows


def test_pieces_are_checked_and_leave_no_half_file(part):
    wrong = pa.table({"name": [None], "num_wheels": [1], "sizes": [[1.0]]})
    good = pa.Table.from_pylist([CAR], schema=TOYS.schema)
    with pytest.raises(TableError, match="null in column 'name'"):
        write_pieces(part, TOYS, [good, wrong])
    assert list(part.parent.iterdir()) == []


@pytest.mark.parametrize("max_rows", [1, 2, 100])
def test_a_part_comes_some_rows_at_a_time_in_order(part, max_rows):
    toys = [CAR | {"name": f"car {n}"} for n in range(5)]
    write_rows(part, TOYS, toys)
    pieces = list(iterate_table(part, TOYS, ["sizes", "name"], max_rows))
    assert max(map(len, pieces)) <= max_rows
    assert pieces[0].column_names == ["sizes", "name"]
    assert [name for piece in pieces for name in piece["name"].to_pylist()] == [
        toy["name"] for toy in toys
    ]
    assert pa.concat_tables(pieces).schema.equals(read_table(part, TOYS, ["sizes", "name"]).schema)


def test_another_table_is_not_iterated_over(part):
    write_rows(part, TOYS, [CAR])
    with pytest.raises(TableError, match="holds table 'toys'"):
        next(iterate_table(part, VERDICTS))
