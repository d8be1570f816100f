from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import permutations

import pytest
from sqlalchemy import text

from manifests.rows import Decision
from review_ui.database import open_database, sqlite_url
from review_ui.hash_chain import EventKind
from review_ui.votes import ConflictError, EventStore, fold

SAME, DIFFERENT = Decision.SAME, Decision.DIFFERENT


def _decisions(store):
    return {(v.reviewer, v.content_key[0]): v.decision for v in store.votes()}


def _run(store, statement):
    with store.engine.connect() as connection:
        connection.execute(text(statement))
        connection.commit()


def test_events_get_positions_from_one_and_verify(store, make_event):
    events = store.append([make_event(), make_event(reviewer="ben"), make_event(content="b")])
    assert [event.position for event in events] == [1, 2, 3]
    assert list(store.read_events()) == events
    assert store.verify() == []


def test_the_same_event_twice_is_recorded_once(store, make_event):
    event = make_event()
    first = store.append([event])
    assert store.append([event]) == first
    assert store.append([event, event]) == first * 2
    assert store.head().position == 1


def test_an_event_id_cannot_be_used_for_something_else(store, make_event):
    event = make_event()
    store.append([event])
    for other in (replace(event, decision=DIFFERENT), replace(event, reviewer="eve")):
        with pytest.raises(ConflictError, match="stands for another event"):
            store.append([make_event(content="b"), other])
    assert store.head().position == 1
    assert _decisions(store) == {("ana", "a"): SAME}


def test_the_last_vote_counts_and_a_withdrawal_leaves_none(store, make_event):
    store.append([make_event(decision=SAME)])
    store.append([make_event(decision=DIFFERENT)])
    assert _decisions(store) == {("ana", "a"): DIFFERENT}
    store.append([make_event(decision=None)])
    assert _decisions(store) == {}
    assert store.head().position == 3
    assert store.verify() == []


def test_a_clock_that_runs_backwards_does_not_bring_an_old_vote_back(store, make_event):
    store.append([make_event(decision=SAME, decided_at="2026-05-01T12:00:00.000000+00:00")])
    store.append([make_event(decision=None, decided_at="2026-05-01T11:00:00.000000+00:00")])
    assert _decisions(store) == {}
    assert store.verify() == []


def test_votes_can_be_asked_for_by_reviewer_and_by_pair(store, make_event):
    store.append([make_event(), make_event(reviewer="ben"), make_event(content="b")])
    assert {vote.content_key[0] for vote in store.votes(reviewer="ana")} == {"a", "b"}
    assert {vote.reviewer for vote in store.votes(content_key="a" * 64)} == {"ana", "ben"}


def test_the_last_adjudication_counts_and_is_no_vote(store, make_event):
    kind = EventKind.ADJUDICATION
    store.append([make_event("lea", SAME, kind=kind), make_event("lea", DIFFERENT, kind=kind)])
    assert store.find_adjudication("a" * 64).decision is DIFFERENT
    assert store.votes() == []
    assert store.find_adjudication("b" * 64) is None


def test_imported_events_give_one_result_in_any_order(store, make_event):
    events = [
        make_event(
            decision=decision,
            decided_at=f"2026-05-01T12:00:0{second}.000000+00:00",
            origin_hash="f" * 64,
        )
        for second, decision in enumerate([SAME, None, DIFFERENT])
    ]
    for number, order in enumerate(permutations(events)):
        renamed = [
            replace(e, reviewer=f"p{number}", event_id=f"{number:016x}{e.event_id[:16]}")
            for e in order
        ]
        store.append(renamed)
    assert set(_decisions(store).values()) == {DIFFERENT}
    assert len(_decisions(store)) == 6
    assert store.verify() == []


def test_threads_that_write_at_once_leave_one_whole_chain(store, make_event):
    def write(number):
        for _ in range(5):
            store.append([make_event(reviewer=f"p{number}", content=f"{number:x}")])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    assert store.head().position == 40
    assert store.verify() == []


def test_two_stores_on_one_database_share_the_chain(store, make_event):
    other = EventStore(store.engine)

    def write(target):
        for _ in range(10):
            target.append([make_event()])

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, [store, other]))
    assert store.head().position == 20
    assert other.verify() == []


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("UPDATE events SET decision = 'different' WHERE position = 3", "event 3: its content"),
        ("UPDATE events SET decision = 'perhaps' WHERE position = 3", "event 3: its content"),
        ("UPDATE events SET kind = 'joke' WHERE position = 2", "event 2: its content"),
        ("UPDATE events SET comment = 'x' WHERE position = 1", "event 1: its content"),
        ("DELETE FROM events WHERE position = 2", "event 2: deleted"),
        ("DELETE FROM events WHERE position = 5", "event 5: deleted"),
        ("DELETE FROM events", "event 1: deleted"),
        ("UPDATE votes SET decision = 'different'", "vote of ana on pair aaaa"),
        ("DELETE FROM votes", "vote of ana on pair aaaa"),
        ("UPDATE head SET position = 4", "event 5: was added"),
    ],
)
def test_whoever_changes_the_database_is_found_out(store, make_event, statement, fault):
    for _ in range(5):
        store.append([make_event()])
    _run(store, statement)
    assert store.verify()[0].startswith(fault)


def test_events_that_exchange_positions_are_found(store, make_event):
    store.append([make_event() for _ in range(4)])
    _run(store, "UPDATE events SET position = 100 WHERE position = 2")
    _run(store, "UPDATE events SET position = 2 WHERE position = 3")
    _run(store, "UPDATE events SET position = 3 WHERE position = 100")
    assert store.verify()[0].startswith("event 2:")


def test_the_fold_of_the_log_is_what_the_store_answers(store, make_event):
    for decision in (SAME, None, DIFFERENT):
        for reviewer in ("ana", "ben"):
            store.append([make_event(reviewer, decision), make_event(reviewer, SAME, "b")])
    votes, _ = fold(list(store.read_events()))
    assert {v for v in votes.values() if v.decision} == set(store.votes())


def test_a_reopened_database_holds_everything(tmp_path, make_event):
    url = sqlite_url(tmp_path / "deep" / "votes.sqlite3")
    first = EventStore(open_database(url))
    events = first.append([make_event() for _ in range(3)])
    first.engine.dispose()
    again = EventStore(open_database(url))
    assert list(again.read_events()) == events
    again.engine.dispose()
