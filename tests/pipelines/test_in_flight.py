import time

import pytest

from pipelines.in_flight import (
    WHOLE_UNIT,
    Crash,
    InFlight,
    forget_crashes,
    given_up,
    read_crashes,
    read_in_flight,
    read_share_done,
    record_crash,
)


def test_the_note_names_the_item_only_while_it_is_handled(tmp_path):
    note = tmp_path / "u.inflight"
    with InFlight(note, {}) as in_flight:
        assert read_in_flight(note) is None
        with in_flight.item("0123456789abcdef"):
            assert read_in_flight(note).item_id == "0123456789abcdef"
        with in_flight.item("short"):  # leaves no tail of the longer name
            assert read_in_flight(note).item_id == "short"
        assert read_in_flight(note) is None
    assert not note.exists()


def test_the_deadline_lies_the_given_time_ahead(tmp_path):
    note = tmp_path / "u.inflight"
    with InFlight(note, {}) as in_flight:
        before = time.monotonic()
        with in_flight.item("a", timeout_seconds=30.0):
            assert before + 30 <= read_in_flight(note).deadline <= time.monotonic() + 30


def test_the_note_is_cleared_when_the_item_raises(tmp_path):
    note = tmp_path / "u.inflight"
    with InFlight(note, {}) as in_flight:
        with pytest.raises(ValueError, match="bad"), in_flight.item("a"):
            raise ValueError("bad")
        assert read_in_flight(note) is None


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"item_id": "a", "dead'])
def test_a_half_written_note_counts_as_none(tmp_path, content):
    note = tmp_path / "u.inflight"
    note.write_bytes(content)
    assert read_in_flight(note) is None


SEGFAULT = Crash("SIGSEGV")
KILLED = Crash("SIGKILL", from_outside=True)


def _record(path, *crashes, item="a"):
    for crash in crashes:
        record_crash(path, "f", item, crash)
    return given_up(read_crashes(path, "f"))


def test_an_item_is_given_up_at_its_second_strike(tmp_path):
    path = tmp_path / "u.crashes"
    assert _record(path, Crash("SIGABRT")) == {}
    assert _record(path, SEGFAULT, item="b") == {}
    assert _record(path, SEGFAULT) == {"a": "SIGSEGV"}


@pytest.mark.parametrize(
    ("deaths", "is_given_up"),
    [
        ([KILLED] * 3, False),
        ([KILLED] * 4, True),
        ([SEGFAULT, KILLED], False),
        ([SEGFAULT, KILLED, KILLED], True),
    ],
)
def test_deaths_from_outside_count_half(tmp_path, deaths, is_given_up):
    assert bool(_record(tmp_path / "u.crashes", *deaths)) == is_given_up


def test_deaths_without_an_item_give_up_no_item(tmp_path):
    assert _record(tmp_path / "u.crashes", *[SEGFAULT] * 5, item=WHOLE_UNIT) == {}


def test_strikes_can_be_taken_back_from_one_item(tmp_path):
    path = tmp_path / "u.crashes"
    _record(path, SEGFAULT, item=WHOLE_UNIT)
    _record(path, SEGFAULT, SEGFAULT)
    forget_crashes(path, "f", WHOLE_UNIT)
    assert read_crashes(path, "f") == {"a": [SEGFAULT, SEGFAULT]}


def test_strikes_of_another_fingerprint_do_not_count(tmp_path):
    path = tmp_path / "u.crashes"
    record_crash(path, "old", "a", SEGFAULT)
    record_crash(path, "old", "a", SEGFAULT)
    assert read_crashes(path, "new") == {}
    assert given_up(record_crash(path, "new", "a", SEGFAULT)) == {}


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff", b"[]", b'{"fingerprint": "f", "crashes": {"a": ["SIGSEGV"]}}']
)
def test_a_damaged_record_of_strikes_counts_as_none(tmp_path, content):
    path = tmp_path / "u.crashes"
    path.write_bytes(content)
    assert read_crashes(path, "f") == {}
    assert _record(path, SEGFAULT) == {}


def test_the_share_done_counts_items_and_needs_a_total(tmp_path):
    note = tmp_path / "u00.inflight"
    assert read_share_done(note) == 0.0
    with InFlight(note, {}) as in_flight:
        with in_flight.item("a"):
            pass
        assert read_share_done(note) == 1.0  # one of at least one
        in_flight.expect(4)
        assert read_share_done(note) == 0.25
        with in_flight.item("b"):
            assert read_share_done(note) == 0.25
        in_flight.advance()
        assert read_share_done(note) == 0.75
