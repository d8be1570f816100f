"""The log of a review as a Parquet file: to keep, to check, and to merge into another review."""

from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from manifests.arrow_schemas import Column, Table
from manifests.parquet_io import read_table, write_rows
from manifests.rows import Decision
from review_ui.hash_chain import Event, EventKind, EventScope, find_faults
from review_ui.votes import EventStore

_TEXT = pa.string()

REVIEW_EVENTS = Table(
    "review_events",
    1,
    "The log of a review: what people said of pairs, in the order in which it was recorded.",
    (
        Column("position", pa.int64(), "1 for the first event."),
        Column("event_id", _TEXT, "Stands for the event in every log that holds it."),
        Column("kind", _TEXT, "`vote`, `withdrawal` or `adjudication`."),
        Column("scope", _TEXT, "`pair`, or `class` for a class decided at once."),
        Column("reviewer", _TEXT, "Who."),
        Column(
            "decision", _TEXT, "`same`, `different` or `unsure`; null: taken back.", nullable=True
        ),
        Column("content_key", _TEXT, "SHA-256 of what was compared, whatever the run called it."),
        Column("evidence_digest", _TEXT, "SHA-256 of what was shown."),
        Column("eval_set", _TEXT, "What the run called the pair at the time."),
        Column("query_id", _TEXT, "Likewise."),
        Column("image_id", _TEXT, "Likewise."),
        Column("comment", _TEXT, "Free text.", nullable=True),
        Column("app_version", _TEXT, "Version of the program."),
        Column("decided_at", _TEXT, "UTC time, ISO 8601."),
        Column("origin_hash", _TEXT, "Its hash in the log it was imported from.", nullable=True),
        Column("previous_hash", _TEXT, "Hash of the event before."),
        Column("hash", _TEXT, "SHA-256 over the other columns."),
    ),
)


class EventFileError(ValueError):
    """A file of events that cannot be used; the message names the file and the event."""


def write_events(path: Path, events: Iterable[Event]) -> int:
    """Write a whole log; return the number of events."""
    return write_rows(path, REVIEW_EVENTS, map(asdict, events))


def read_events(path: Path) -> list[Event]:
    """Read a log and check its chain.

    Raises:
        TableError: the file is missing or is no file of events.
        EventFileError: an event was changed, deleted or moved.
    """
    rows = read_table(path, REVIEW_EVENTS).to_pylist()
    events = [_make_event(path, row) for row in rows]
    faults = find_faults(events)
    if faults:
        raise EventFileError(f"{path}: {faults[0]}; get the file from where it was exported")
    return events


def import_events(store: EventStore, path: Path) -> int:
    """Merge another review's log into this one; return the number of events that were new.

    Nothing is lost and nothing counts twice: an event that is known is passed over, whichever
    log it came by. The times of the events decide who spoke last, not the order of imports.

    Raises:
        TableError: the file is missing or is no file of events.
        EventFileError: an event was changed, deleted or moved; nothing is taken then.
        ConflictError: an event id stands for something else here; nothing is taken then.
    """
    events = read_events(path)
    before = store.head().position
    store.append([replace(e, origin_hash=e.origin_hash or e.hash) for e in events])
    return store.head().position - before


def check_against(store: EventStore, path: Path) -> list[str]:
    """Compare the log with an export of it: it must begin with the exported events.

    A log whose end was cut off, or that somebody wrote anew with fitting hashes, is whole in
    itself; only an export kept elsewhere gives it away.

    Returns:
        The faults, in words.
    """
    try:
        exported = read_events(path)
    except EventFileError as error:
        return [str(error)]
    hashes = {event.position: event.hash for event in store.read_events()}
    for event in exported:
        if hashes.get(event.position) != event.hash:
            return [f"event {event.position}: is not the one that was exported to {path}"]
    return []


def _make_event(path: Path, row: dict[str, Any]) -> Event:
    decision = row["decision"]
    try:
        return Event(
            **row
            | {
                "kind": EventKind(row["kind"]),
                "scope": EventScope(row["scope"]),
                "decision": None if decision is None else Decision(decision),
            }
        )
    except ValueError as error:
        raise EventFileError(f"{path}: event {row['position']}: {error}") from error
