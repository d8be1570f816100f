"""Decisions of reviewers about overlap candidates, read from a Parquet or CSV file."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from manifests.arrow_schemas import DECISIONS
from manifests.gldv2_csv import is_image_id
from manifests.input_error import InputError
from manifests.rows import Decision

_COLUMNS = tuple(column.name for column in DECISIONS.columns)
_REQUIRED = tuple(column.name for column in DECISIONS.columns if not column.nullable)
_NON_EMPTY = ("eval_set", "query_id", "image_id", "reviewer")


class DecisionsError(InputError):
    """A decisions file is missing or unreadable, or has a row that cannot be understood."""


@dataclass(frozen=True)
class DecisionRow:
    """What one reviewer said of one candidate.

    Attributes:
        eval_set: name of the evaluation set.
        query_id: evaluation query; ``text:TERM`` or ``name:NAME`` for a candidate found by name.
        image_id: id of the training image, of GLDv2 unless others were asked for.
        reviewer: who decided.
        decision: the answer.
        decided_at: when, in UTC.
        comment: free text, None if there is none.
    """

    eval_set: str
    query_id: str
    image_id: str
    reviewer: str
    decision: Decision
    decided_at: datetime
    comment: str | None

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Candidate and reviewer: eval_set, query_id, image_id, reviewer."""
        return self.eval_set, self.query_id, self.image_id, self.reviewer


def read_decisions(path: Path, *, any_image_id: bool = False) -> list[DecisionRow]:
    """Read a decisions file, in its own order; ``.csv`` is CSV, anything else is Parquet.

    Columns are those of the table `DECISIONS`; `comment` may be left out. A time without a zone
    is taken as UTC.

    Args:
        path: the file.
        any_image_id: take ids that are not of GLDv2 too, as other training lists have them.

    Raises:
        DecisionsError: the file is missing or unreadable, a column is missing or unknown, or a
            row is wrong; names the file and the row (a CSV file's header is row 1).
    """
    try:
        rows = _read_csv(path) if _format_name(path) == "CSV" else _read_parquet(path)
        return [_parse_row(where, row, any_image_id=any_image_id) for where, row in rows]
    except FileNotFoundError as error:
        raise DecisionsError(
            f"{path}: no such file; correct the path of the decisions file"
        ) from error
    except (OSError, UnicodeDecodeError, csv.Error, pa.ArrowInvalid) as error:
        raise DecisionsError(
            f"{path}: not readable as {_format_name(path)} ({error}); export the decisions again"
        ) from error


def latest_per_reviewer(decisions: Iterable[DecisionRow]) -> list[DecisionRow]:
    """The last word of each reviewer on each candidate, sorted by candidate and reviewer.

    Later means a later time; of two decisions at the same time, the one further down the file
    replaces the other.
    """
    latest: dict[tuple[str, str, str, str], DecisionRow] = {}
    for row in decisions:
        earlier = latest.get(row.key)
        if earlier is None or row.decided_at >= earlier.decided_at:
            latest[row.key] = row
    return [latest[key] for key in sorted(latest)]


def _format_name(path: Path) -> str:
    return "CSV" if path.suffix.lower() == ".csv" else "Parquet"


def _read_csv(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.reader(stream, strict=True)
        header = next(reader, [])
        _check_columns(path, header)
        # Blank lines are no decisions, yet they are counted, as every editor counts them.
        for number, fields in enumerate(reader, start=2):
            if not fields:
                continue
            where = f"{path}: row {number}"
            if len(fields) != len(header):
                raise DecisionsError(
                    f"{where}: {len(fields)} fields, the header has {len(header)}; quote fields "
                    "that hold a comma"
                )
            yield where, dict(zip(header, fields, strict=True))


def _read_parquet(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    with pq.ParquetFile(path) as file:
        _check_columns(path, file.schema_arrow.names)
        rows = file.read().to_pylist()
    for number, row in enumerate(rows, start=1):
        yield f"{path}: row {number}", row


def _check_columns(path: Path, found: Iterable[str]) -> None:
    names = list(found)
    missing = [name for name in _REQUIRED if name not in names]
    unknown = [name for name in names if name not in _COLUMNS or names.count(name) > 1]
    if missing or unknown:
        raise DecisionsError(
            f"{path}: columns missing: {missing}, unknown or repeated: {sorted(set(unknown))}; a "
            f"decisions file has the columns {', '.join(_REQUIRED)} and optionally comment"
        )


def _parse_row(where: str, row: Mapping[str, Any], *, any_image_id: bool) -> DecisionRow:
    for name in _REQUIRED:
        if row[name] is None:
            raise DecisionsError(f"{where}: {name} is null; fill it in")
    for name in _NON_EMPTY:
        if not str(row[name]).strip():
            raise DecisionsError(f"{where}: {name} is empty; fill it in")
    if not any_image_id and not is_image_id(str(row["image_id"])):
        raise DecisionsError(
            f"{where}: image_id {row['image_id']!r} is not 16 lower-case hexadecimal digits; "
            "copy the id from the candidates table"
        )
    return DecisionRow(
        eval_set=str(row["eval_set"]),
        query_id=str(row["query_id"]),
        image_id=str(row["image_id"]),
        reviewer=str(row["reviewer"]),
        decision=_parse_decision(where, row["decision"]),
        decided_at=_parse_time(where, row["decided_at"]),
        comment=row.get("comment") or None,
    )


def _parse_decision(where: str, word: object) -> Decision:
    try:
        return Decision(str(word))
    except ValueError as error:
        known = ", ".join(Decision)
        raise DecisionsError(f"{where}: decision {word!r} is none of {known}; use one") from error


def _parse_time(where: str, value: object) -> datetime:
    try:
        time = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError as error:
        raise DecisionsError(
            f"{where}: decided_at {value!r} is not an ISO 8601 time such as 2024-05-01T12:00:00Z; "
            "correct it"
        ) from error
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
