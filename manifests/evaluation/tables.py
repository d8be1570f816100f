"""Queries from a table, CSV or Parquet: `query_id`, `path` and, if wanted, a box."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq

from manifests.evaluation.records import (
    Box,
    EvaluationQuery,
    EvaluationSet,
    GroundTruthError,
    check_stays_inside,
    find_repeated,
    make_box,
)

_NAMES = ("query_id", "path")
_SIDES = ("x1", "y1", "x2", "y2")
_FORMATS = (".csv", ".parquet")
_ROWS_AT_A_TIME = 10_000


def read_query_table(path: Path, name: str) -> EvaluationSet:
    """Read a table of queries.

    Columns `query_id` (unique) and `path` (relative to the image folder); `x1`, `y1`, `x2` and
    `y2` in pixels of the stored image, all four or none of them. A row whose four sides are empty
    is a whole image. Other columns are left alone.

    Raises:
        GroundTruthError: the table is missing, empty or neither CSV nor Parquet, lacks a column,
            or has a row that cannot be right; names the file and the row.
    """
    table = _read(path)
    _check_columns(path, table.column_names)
    wanted = [column for column in (*_NAMES, *_SIDES) if column in table.column_names]
    queries = [
        _make_query(f"{path}: row {number}", path, row)
        for number, row in enumerate(_iterate_rows(table.select(wanted)), start=1)
    ]
    if not queries:
        raise GroundTruthError(f"{path}: has no rows; give a table with a row for each query")
    repeated = find_repeated([query.query_id for query in queries])
    if repeated is not None:
        raise GroundTruthError(f"{path}: the query_id {repeated!r} occurs twice; change one")
    return EvaluationSet(name, (), tuple(queries))


def _read(path: Path) -> pa.Table:
    if path.suffix.lower() not in _FORMATS:
        raise GroundTruthError(f"{path}: neither .csv nor .parquet; convert the table to one")
    try:
        if path.suffix.lower() == ".parquet":
            return pq.read_table(path)
        # Ids of digits alone must not lose the zeros in front of them.
        text = arrow_csv.ConvertOptions(column_types=dict.fromkeys(_NAMES, pa.string()))
        return arrow_csv.read_csv(path, convert_options=text)
    except (OSError, pa.ArrowInvalid) as error:
        raise GroundTruthError(f"{path}: not readable as a table: {error}; correct it") from error


def _iterate_rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    """Row by row: a million rows as dictionaries would be as large as all else together."""
    for batch in table.to_batches(_ROWS_AT_A_TIME):
        yield from batch.to_pylist()


def _check_columns(path: Path, columns: list[str]) -> None:
    missing = [name for name in _NAMES if name not in columns]
    if any(side in columns for side in _SIDES):
        missing += [side for side in _SIDES if side not in columns]
    if missing or find_repeated(columns) is not None:
        raise GroundTruthError(
            f"{path}: the columns are {', '.join(columns)}; needed are query_id and path, and all "
            "or none of x1, y1, x2, y2, each once"
        )


def _make_query(where: str, path: Path, row: Mapping[str, Any]) -> EvaluationQuery:
    for name in _NAMES:
        if not isinstance(row[name], str) or not row[name]:
            raise GroundTruthError(f"{where}: {name} is {row[name]!r}, not a text; fill it in")
    check_stays_inside(path, where.rpartition(": ")[2], row["path"])
    return EvaluationQuery(row["query_id"], row["path"], _make_box(where, row))


def _make_box(where: str, row: Mapping[str, Any]) -> Box | None:
    sides = [row.get(side) for side in _SIDES]
    return None if sides == [None] * 4 else make_box(f"{where}: the box", sides)
