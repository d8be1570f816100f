"""Events of a review, and the chain of hashes that shows whether anybody touched them."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

from manifests.lineage import digest_json
from manifests.rows import Decision

FIRST_PREVIOUS_HASH = "0" * 64


class EventKind(StrEnum):
    """What an event records."""

    VOTE = "vote"
    WITHDRAWAL = "withdrawal"
    ADJUDICATION = "adjudication"


class EventScope(StrEnum):
    """Whether a reviewer decided one pair or a whole class at once."""

    PAIR = "pair"
    CLASS = "class"


@dataclass(frozen=True, kw_only=True)
class NewEvent:
    """Something a person said, before it has a place in the log.

    Attributes:
        event_id: made by whoever records the event; the same id twice is the same event.
        kind: vote, withdrawal of a vote, or adjudication of a dispute.
        scope: one pair, or a class at once.
        reviewer: who.
        decision: what; None for a withdrawal.
        content_key: what was compared (`Pair.content_key`).
        evidence_digest: what was shown (`Pair.evidence_digest`).
        eval_set: what the run called the pair at the time.
        query_id: likewise.
        image_id: likewise.
        comment: free text.
        app_version: of this program.
        decided_at: UTC, ISO 8601 with microseconds.
        origin_hash: hash of the event in the log it was imported from; None if it was made here.
    """

    event_id: str
    kind: EventKind
    scope: EventScope
    reviewer: str
    decision: Decision | None
    content_key: str
    evidence_digest: str
    eval_set: str
    query_id: str
    image_id: str
    comment: str | None
    app_version: str
    decided_at: str
    origin_hash: str | None = None


@dataclass(frozen=True, kw_only=True)
class Event(NewEvent):
    """An event in the log.

    Attributes:
        position: 1 for the first.
        previous_hash: hash of the event before.
        hash: SHA-256 over all other fields.
    """

    position: int
    previous_hash: str
    hash: str


@dataclass(frozen=True)
class ChainHead:
    """Position and hash of the last event."""

    position: int = 0
    hash: str = FIRST_PREVIOUS_HASH


def chain_event(new: NewEvent, head: ChainHead) -> Event:
    """Give an event its place behind `head`."""
    fields = {name: getattr(new, name) for name in NewEvent.__dataclass_fields__}
    event = Event(
        **fields, position=head.position + 1, previous_hash=head.hash, hash=FIRST_PREVIOUS_HASH
    )
    return replace(event, hash=hash_event(event))


def hash_event(event: Event) -> str:
    """SHA-256 over every field but the hash itself."""
    content = asdict(event)
    del content["hash"]
    return digest_json(content)


def find_faults(events: Iterable[Event], head: ChainHead | None = None) -> list[str]:
    """Everything that is wrong with a log, each fault with the position it is at.

    Args:
        events: in the order of their positions.
        head: what the last event must be; None if that is not known.

    Returns:
        Sentences; none for a log that nobody touched.
    """
    faults: list[str] = []
    last = ChainHead()
    for event in events:
        faults += _check_place(event, last)
        if hash_event(event) != event.hash:
            faults.append(f"event {event.position}: its content was changed (its hash differs)")
        last = ChainHead(event.position, event.hash)
    if head is not None and last != head:
        faults.append(_describe_end(last, head))
    return faults


def _check_place(event: Event, last: ChainHead) -> list[str]:
    expected = last.position + 1
    if event.position > expected:
        missing = f"{expected}" if event.position == expected + 1 else f"{expected} and following"
        return [f"event {missing}: deleted (the log goes on at {event.position})"]
    if event.position < expected:
        return [f"event {event.position}: stands out of its order, after event {last.position}"]
    if event.previous_hash != last.hash:
        cause = "one of them was replaced or moved"
        return [f"event {event.position}: does not follow event {last.position} ({cause})"]
    return []


def _describe_end(last: ChainHead, head: ChainHead) -> str:
    if last.position < head.position:
        return f"event {last.position + 1}: deleted (the log had {head.position} events)"
    if last.position > head.position:
        return f"event {head.position + 1}: was added without the program"
    return f"event {last.position}: is not the one that was recorded last"
