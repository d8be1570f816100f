import time

import pytest

from pipelines.in_flight import (
    InFlight,
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


def test_an_item_is_given_up_at_its_second_strike(tmp_path):
    path = tmp_path / "u.crashes"
    assert record_crash(path, "f", "a", "SIGKILL") == {}
    assert record_crash(path, "f", "b", "SIGSEGV") == {}
    assert record_crash(path, "f", "a", "SIGSEGV") == {"a": "SIGSEGV"}
    assert given_up(read_crashes(path, "f")) == {"a": "SIGSEGV"}


def test_strikes_of_another_fingerprint_do_not_count(tmp_path):
    path = tmp_path / "u.crashes"
    record_crash(path, "old", "a", "SIGSEGV")
    record_crash(path, "old", "a", "SIGSEGV")
    assert read_crashes(path, "new") == {}
    assert record_crash(path, "new", "a", "SIGSEGV") == {}


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
