"""The store of a review: a log of events that only grows, and what it amounts to."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from threading import Lock

from sqlalchemy import Connection, Engine, RowMapping, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from manifests.rows import Decision
from review_ui.database import writing
from review_ui.hash_chain import (
    ChainHead,
    Event,
    EventKind,
    EventScope,
    NewEvent,
    chain_event,
    find_faults,
)
from review_ui.schema import ADJUDICATIONS, EVENTS, HEAD, VOTES

_CHUNK = 500
_FIELDS = tuple(EVENTS.columns.keys())


class ConflictError(ValueError):
    """An event id that stands for another event already."""


class TamperedError(ValueError):
    """A row of the log that this program cannot have written."""


@dataclass(frozen=True)
class Vote:
    """What a reviewer last said of a pair; `decision` is None if the vote was taken back."""

    content_key: str
    reviewer: str
    decision: Decision | None
    decided_at: str
    event_id: str


@dataclass(frozen=True)
class Adjudication:
    """The last word on a disputed pair."""

    content_key: str
    reviewer: str
    decision: Decision
    comment: str | None
    decided_at: str
    event_id: str


def utc_now() -> str:
    """The time as events write it: text that sorts as the times do."""
    return format_time(datetime.now(UTC))


def format_time(time: datetime) -> str:
    """ISO 8601 in UTC, always with microseconds."""
    return time.astimezone(UTC).isoformat(timespec="microseconds")


class EventStore:
    """Events of a review in a database. Safe to use from several threads and processes."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        # Threads of this process wait here in turn, rather than race for the database's lock.
        self._lock = Lock()

    def append(self, new_events: Sequence[NewEvent]) -> list[Event]:
        """Record events, all or none; when this returns they are on disk.

        An event whose id is in the log already is not recorded again: the one in the log is
        returned in its place. A reviewer's clock never runs backwards: an event made here is
        later than the reviewer's last one on that pair.

        Raises:
            ConflictError: the id stands for another person's event, or for other content.
        """
        with self._lock, writing(self.engine) as connection:
            return self._append(connection, new_events)

    def read_events(self, after: int = 0) -> Iterator[Event]:
        """The log from the position behind `after`, in the order of the positions."""
        with self.engine.connect() as connection:
            while rows := self._read_chunk(connection, after):
                yield from rows
                after = rows[-1].position

    def head(self) -> ChainHead:
        """The last event."""
        with self.engine.connect() as connection:
            row = connection.execute(select(HEAD.c.position, HEAD.c.hash)).one()
        return ChainHead(row.position, row.hash)

    def votes(self, *, reviewer: str | None = None, content_key: str | None = None) -> list[Vote]:
        """Votes that stand, by pair and reviewer; of one reviewer or one pair if asked."""
        query = select(VOTES).where(VOTES.c.decision.is_not(None))
        if reviewer is not None:
            query = query.where(VOTES.c.reviewer == reviewer)
        if content_key is not None:
            query = query.where(VOTES.c.content_key == content_key)
        query = query.order_by(VOTES.c.content_key, VOTES.c.reviewer)
        with self.engine.connect() as connection:
            return [_make_vote(row) for row in connection.execute(query).mappings()]

    def adjudications(self) -> dict[str, Adjudication]:
        """Content key -> the last word on it."""
        with self.engine.connect() as connection:
            rows = connection.execute(select(ADJUDICATIONS)).mappings().all()
        return {row["content_key"]: _make_adjudication(row) for row in rows}

    def find_adjudication(self, content_key: str) -> Adjudication | None:
        """The last word on a pair, if there is one."""
        query = select(ADJUDICATIONS).where(ADJUDICATIONS.c.content_key == content_key)
        with self.engine.connect() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else _make_adjudication(row)

    def verify(self) -> list[str]:
        """Check the log, its head and what is folded from it; return the faults, in words."""
        try:
            events = list(self.read_events())
        except TamperedError as error:
            return [str(error)]
        faults = find_faults(events, self.head())
        return faults or self._check_folded(events)

    def _check_folded(self, events: Sequence[Event]) -> list[str]:
        faults = []
        votes, adjudications = fold(events)
        with self.engine.connect() as connection:
            stored = {
                _key(v): v for v in map(_make_vote, connection.execute(select(VOTES)).mappings())
            }
        for key in sorted(votes.keys() | stored.keys()):
            if votes.get(key) != stored.get(key):
                faults.append(f"vote of {key[1]} on pair {key[0][:12]}: differs from the log")
        decided = self.adjudications()
        for content_key in sorted(adjudications.keys() | decided.keys()):
            if adjudications.get(content_key) != decided.get(content_key):
                faults.append(f"adjudication of pair {content_key[:12]}: differs from the log")
        return faults

    def _append(self, connection: Connection, new_events: Sequence[NewEvent]) -> list[Event]:
        row = connection.execute(select(HEAD.c.position, HEAD.c.hash).with_for_update()).one()
        head = ChainHead(row.position, row.hash)
        known = self._find_known(connection, [new.event_id for new in new_events])
        recorded = []
        for new in new_events:
            event = known.get(new.event_id)
            if event is None:
                event = chain_event(self._put_in_time(connection, new), head)
                connection.execute(insert(EVENTS).values(asdict(event)))
                _apply(connection, event)
                head = ChainHead(event.position, event.hash)
                known[event.event_id] = event
            else:
                _check_same(event, new)
            recorded.append(event)
        connection.execute(update(HEAD).values(position=head.position, hash=head.hash))
        return recorded

    def _find_known(self, connection: Connection, event_ids: Sequence[str]) -> dict[str, Event]:
        known: dict[str, Event] = {}
        for start in range(0, len(event_ids), _CHUNK):
            chunk = event_ids[start : start + _CHUNK]
            query = select(EVENTS).where(EVENTS.c.event_id.in_(chunk))
            for row in connection.execute(query).mappings():
                known[row["event_id"]] = _make_event(row)
        return known

    def _put_in_time(self, connection: Connection, new: NewEvent) -> NewEvent:
        """Keep an event made here behind the same person's last one on the pair."""
        if new.origin_hash is not None:
            return new
        query = select(func.max(EVENTS.c.decided_at)).where(
            EVENTS.c.content_key == new.content_key, EVENTS.c.reviewer == new.reviewer
        )
        last: str | None = connection.execute(query).scalar()
        if last is None or new.decided_at > last:
            return new
        after = datetime.fromisoformat(last) + timedelta(microseconds=1)
        return replace(new, decided_at=format_time(after))

    def _read_chunk(self, connection: Connection, after: int) -> list[Event]:
        query = select(EVENTS).where(EVENTS.c.position > after)
        query = query.order_by(EVENTS.c.position).limit(_CHUNK)
        return [_make_event(row) for row in connection.execute(query).mappings()]


def fold(
    events: Sequence[Event],
) -> tuple[dict[tuple[str, str], Vote], dict[str, Adjudication]]:
    """What the log amounts to; the order of the events does not matter, their times do.

    Returns:
        The last vote by content key and reviewer, and the last adjudication by content key.
    """
    votes: dict[tuple[str, str], Vote] = {}
    adjudications: dict[str, Adjudication] = {}
    for event in sorted(events, key=lambda e: (e.decided_at, e.event_id)):
        if event.kind is EventKind.ADJUDICATION:
            adjudications[event.content_key] = _as_adjudication(event)
        else:
            votes[event.content_key, event.reviewer] = _as_vote(event)
    return votes, adjudications


def _apply(connection: Connection, event: Event) -> None:
    """Fold one more event, unless a later one is there already."""
    if event.kind is EventKind.ADJUDICATION:
        table, row, keys = ADJUDICATIONS, asdict(_as_adjudication(event)), ["content_key"]
    else:
        table, row, keys = VOTES, asdict(_as_vote(event)), ["content_key", "reviewer"]
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table).values(row)
    new = statement.excluded
    is_later = (new.decided_at > table.c.decided_at) | (
        (new.decided_at == table.c.decided_at) & (new.event_id > table.c.event_id)
    )
    changed = {name: new[name] for name in row if name not in keys}
    connection.execute(
        statement.on_conflict_do_update(index_elements=keys, set_=changed, where=is_later)
    )


def _check_same(event: Event, new: NewEvent) -> None:
    compared = ("kind", "reviewer", "decision", "content_key")
    if any(getattr(event, name) != getattr(new, name) for name in compared):
        raise ConflictError(
            f"the event id {new.event_id} stands for another event already; make a new one"
        )


def _as_vote(event: Event) -> Vote:
    return Vote(event.content_key, event.reviewer, event.decision, event.decided_at, event.event_id)


def _as_adjudication(event: Event) -> Adjudication:
    if event.decision is None:
        raise TamperedError(f"event {event.position}: an adjudication without a decision")
    return Adjudication(
        event.content_key,
        event.reviewer,
        event.decision,
        event.comment,
        event.decided_at,
        event.event_id,
    )


def _key(vote: Vote) -> tuple[str, str]:
    return vote.content_key, vote.reviewer


def _make_event(row: RowMapping) -> Event:
    content = {name: row[name] for name in _FIELDS}
    decision = content["decision"]
    try:
        content["kind"] = EventKind(content["kind"])
        content["scope"] = EventScope(content["scope"])
        content["decision"] = None if decision is None else Decision(decision)
    except ValueError as error:
        raise TamperedError(
            f"event {content['position']}: its content was changed ({error})"
        ) from error
    return Event(**content)


def _make_vote(row: RowMapping) -> Vote:
    decision = row["decision"]
    return Vote(**dict(row) | {"decision": None if decision is None else Decision(decision)})


def _make_adjudication(row: RowMapping) -> Adjudication:
    return Adjudication(**dict(row) | {"decision": Decision(row["decision"])})
