"""Read and write shards of a table: schema checked, byte-identical, written whole or not at all."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from manifests.arrow_schemas import Table
from manifests.atomic import replacing

ROW_GROUP_ROWS = 65_536


class TableError(ValueError):
    """A Parquet file is missing, unreadable or not the table it should be."""


def write_rows(path: Path, table: Table, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write rows (one mapping per row) as a part of `table`; return how many there were.

    Raises:
        TableError: a row has a missing or unknown column, a value of another type, or a null
            where none may be.
    """
    rows = list(rows)
    names = [column.name for column in table.columns]
    expected = set(names)
    for number, row in enumerate(rows):
        if row.keys() != expected:
            wrong = sorted(row.keys() ^ expected)
            raise TableError(f"{path}: row {number}: columns missing or unknown: {wrong}")
    columns = {name: [row[name] for row in rows] for name in names}
    try:
        data = pa.table(columns, schema=table.schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise TableError(f"{path}: a value does not fit table {table.name}: {error}") from error
    return write_table(path, table, data)


def write_table(path: Path, table: Table, data: pa.Table) -> int:
    """Write an Arrow table as a part of `table`; return its number of rows.

    The bytes depend on the rows alone: fixed row groups, fixed compression, no time stamp.

    Raises:
        TableError: the columns differ from the schema, or a null stands where none may be.
    """
    data = _check_columns(path, table, data)
    with replacing(path) as temporary:
        pq.write_table(
            data, temporary, compression="zstd", row_group_size=ROW_GROUP_ROWS, store_schema=True
        )
    return int(data.num_rows)


def write_pieces(path: Path, table: Table, pieces: Iterable[pa.Table]) -> int:
    """Write a part of `table` piece by piece; no more than a row group and a piece is in memory.

    The bytes are those that `write_table` writes of all rows in one piece.

    Raises:
        TableError: as `write_table`.
    """
    num_rows = 0
    waiting = table.schema.empty_table()
    with (
        replacing(path) as temporary,
        pq.ParquetWriter(temporary, table.schema, compression="zstd", store_schema=True) as writer,
    ):
        for piece in pieces:
            num_rows += len(piece)
            waiting = pa.concat_tables([waiting, _check_columns(path, table, piece)])
            while len(waiting) >= ROW_GROUP_ROWS:
                _write_group(writer, waiting.slice(0, ROW_GROUP_ROWS))
                waiting = waiting.slice(ROW_GROUP_ROWS)
        if len(waiting) or not num_rows:
            _write_group(writer, waiting)
    return num_rows


def _write_group(writer: pq.ParquetWriter, rows: pa.Table) -> None:
    # In one piece, because the bytes depend on how the rows are chunked.
    writer.write_table(rows.combine_chunks(), ROW_GROUP_ROWS)


def _check_columns(path: Path, table: Table, data: pa.Table) -> pa.Table:
    if data.schema.names != table.schema.names:
        raise TableError(f"{path}: columns are {data.schema.names}, not those of {table.name}")
    for column in table.columns:
        if not column.nullable and data[column.name].null_count:
            row = data[column.name].is_null().index(True).as_py()
            raise TableError(f"{path}: row {row}: null in column {column.name!r} of {table.name}")
    return data.cast(table.schema)


def iterate_table(
    path: Path, table: Table, columns: Sequence[str] | None = None, max_rows: int = ROW_GROUP_ROWS
) -> Iterator[pa.Table]:
    """Read a part of `table` some rows at a time, in order; nothing for a part without rows.

    Raises:
        TableError: as `read_table`.
    """
    with _open_part(path, table) as part:
        _check_metadata(path, table, part.schema_arrow.metadata or {})
        schema = _select_schema(table, columns)
        for batch in part.iter_batches(max_rows, columns=schema.names):
            yield pa.Table.from_batches([batch]).select(schema.names).cast(schema)


def read_table(
    paths: Path | Sequence[Path], table: Table, columns: Sequence[str] | None = None
) -> pa.Table:
    """Read parts of `table`, in the order given, after checking that they are such parts.

    Raises:
        TableError: a file is missing or unreadable, or holds another table or another version.
    """
    parts = [_read_part(p, table, columns) for p in ([paths] if isinstance(paths, Path) else paths)]
    return pa.concat_tables(parts) if parts else _select_schema(table, columns).empty_table()


def count_rows(path: Path, table: Table) -> int:
    """Rows of a part of `table`, as its footer says.

    Raises:
        TableError: the file is missing or unreadable.
    """
    with _open_part(path, table) as part:
        return int(part.metadata.num_rows)


def scan_table(paths: Sequence[Path], table: Table) -> ds.Dataset:
    """Parts of `table` as one data set, to be filtered before anything is in memory.

    Raises:
        TableError: a file is missing or unreadable, or holds another table or another version.
    """
    for path in paths:
        with _open_part(path, table) as part:
            _check_metadata(path, table, part.schema_arrow.metadata or {})
    if not paths:
        return ds.dataset(table.schema.empty_table())
    return ds.dataset([str(path) for path in paths], schema=table.schema, format="parquet")


def holds_table(path: Path, table: Table) -> bool:
    """Whether a Parquet file says that it is a part of `table`.

    Raises:
        TableError: the file is missing or unreadable.
    """
    with _open_part(path, table) as part:
        return _find_name(part.schema_arrow.metadata or {}) == table.name


def _read_part(path: Path, table: Table, columns: Sequence[str] | None) -> pa.Table:
    with _open_part(path, table) as part:
        _check_metadata(path, table, part.schema_arrow.metadata or {})
        schema = _select_schema(table, columns)
        # Parquet names the items of lists its own way; the cast gives them ours again.
        return part.read(columns=schema.names).select(schema.names).cast(schema)


@contextmanager
def _open_part(path: Path, table: Table) -> Iterator[pq.ParquetFile]:
    try:
        with pq.ParquetFile(path) as part:
            yield part
    except FileNotFoundError as error:
        raise TableError(f"{path}: no such file; run the stage that makes {table.name}") from error
    except (pa.ArrowInvalid, OSError) as error:
        raise TableError(f"{path}: not a readable Parquet file ({error})") from error


def _select_schema(table: Table, columns: Sequence[str] | None) -> pa.Schema:
    names = table.schema.names if columns is None else columns
    return pa.schema([table.schema.field(name) for name in names])


def _check_metadata(path: Path, table: Table, metadata: Mapping[bytes, bytes]) -> None:
    name = _find_name(metadata)
    found = metadata.get(b"cleanmark.schema_version", b"(none)").decode()
    if name != table.name:
        raise TableError(f"{path}: holds table {name!r}, not {table.name!r}")
    if found != str(table.version):
        raise TableError(
            f"{path}: schema version {found}, this program reads version {table.version}; "
            "run the stage again to rewrite it"
        )


def _find_name(metadata: Mapping[bytes, bytes]) -> str:
    return metadata.get(b"cleanmark.table", b"(none)").decode()
