from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.rows import Decision
from review_ui.hash_chain import (
    ChainHead,
    EventKind,
    EventScope,
    NewEvent,
    chain_event,
    find_faults,
)

LENGTH = 7
FIELDS = ("reviewer", "content_key", "decided_at", "comment", "evidence_digest", "event_id")


def _chain(length=LENGTH):
    head, events = ChainHead(), []
    for number in range(length):
        new = NewEvent(
            event_id=f"{number:032x}",
            kind=EventKind.VOTE,
            scope=EventScope.PAIR,
            reviewer="ana",
            decision=Decision.SAME,
            content_key="c" * 64,
            evidence_digest="e" * 64,
            eval_set="tiny",
            query_id="mill",
            image_id="0" * 16,
            comment=None,
            app_version="1",
            decided_at=f"2026-01-01T00:00:{number:02d}.000000+00:00",
        )
        events.append(chain_event(new, head))
        head = ChainHead(events[-1].position, events[-1].hash)
    return events, head


def test_a_log_that_nobody_touched_has_no_faults():
    events, head = _chain()
    assert find_faults(events, head) == []


def test_an_empty_log_has_no_faults():
    assert find_faults([], ChainHead()) == []


@given(st.integers(0, LENGTH - 1), st.sampled_from(FIELDS))
def test_an_edit_is_found_and_its_event_named(index, field):
    events, head = _chain()
    events[index] = replace(events[index], **{field: "edited"})
    faults = find_faults(events, head)
    assert faults[0].startswith(f"event {index + 1}: its content was changed")


@given(st.integers(0, LENGTH - 1))
def test_a_changed_decision_is_found(index):
    events, head = _chain()
    events[index] = replace(events[index], decision=Decision.DIFFERENT)
    assert find_faults(events, head)[0].startswith(f"event {index + 1}: ")


@given(st.integers(0, LENGTH - 1))
def test_a_deletion_is_found_and_its_event_named(index):
    events, head = _chain()
    del events[index]
    assert find_faults(events, head)[0].startswith(f"event {index + 1}: deleted")


@given(st.integers(0, LENGTH - 2))
def test_two_events_that_changed_places_are_found(index):
    events, head = _chain()
    events[index], events[index + 1] = events[index + 1], events[index]
    assert any(f.startswith(f"event {index + 1}:") for f in find_faults(events, head))


@given(st.integers(0, LENGTH - 2))
def test_positions_that_were_exchanged_with_the_events_are_found(index):
    events, head = _chain()
    first, second = events[index], events[index + 1]
    events[index] = replace(second, position=first.position)
    events[index + 1] = replace(first, position=second.position)
    assert find_faults(events, head)[0].startswith(f"event {index + 1}:")


def test_a_replaced_event_with_a_hash_that_fits_is_found_at_the_next():
    events, head = _chain()
    edited = replace(events[2], reviewer="eve")
    events[2] = chain_event(edited, ChainHead(2, events[1].hash))
    assert find_faults(events, head)[0].startswith("event 4: does not follow event 3")


@pytest.mark.parametrize("left", [0, LENGTH - 1])
def test_a_cut_end_is_found_by_the_head(left):
    events, head = _chain()
    assert find_faults(events[:left], head)[0].startswith(f"event {left + 1}: deleted")


def test_an_event_beyond_the_head_is_found():
    events, _ = _chain()
    head = ChainHead(LENGTH - 1, events[-2].hash)
    assert find_faults(events, head) == [f"event {LENGTH}: was added without the program"]
