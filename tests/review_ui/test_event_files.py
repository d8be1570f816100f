from dataclasses import asdict, replace

import pyarrow.parquet as pq
import pytest
from sqlalchemy import text

from manifests.parquet_io import TableError
from manifests.rows import Decision
from review_ui.database import open_database, sqlite_url
from review_ui.event_files import (
    EventFileError,
    check_against,
    import_events,
    read_events,
    write_events,
)
from review_ui.votes import ConflictError, EventStore


@pytest.fixture
def other_store(tmp_path):
    opened = open_database(sqlite_url(tmp_path / "other.sqlite3"))
    yield EventStore(opened)
    opened.dispose()


def _export(store, path):
    write_events(path, store.read_events())
    return path


def _said(store):
    return {(v.content_key, v.reviewer, v.decision, v.decided_at) for v in store.votes()}


def test_a_log_comes_back_as_it_was(store, make_event, tmp_path):
    events = store.append([make_event(), make_event(decision=None), make_event("zoë")])
    path = _export(store, tmp_path / "log.parquet")
    assert read_events(path) == events
    assert path.read_bytes() == _export(store, tmp_path / "again.parquet").read_bytes()


def test_merging_loses_nothing_and_counts_nothing_twice(store, other_store, make_event, tmp_path):
    store.append([make_event("ana"), make_event("ana", Decision.DIFFERENT, "b")])
    other_store.append([make_event("ben"), make_event("ben", None, "b")])
    here, there = _export(store, tmp_path / "a"), _export(other_store, tmp_path / "b")
    assert import_events(store, there) == 2
    assert import_events(store, there) == 0
    assert import_events(other_store, here) == 2
    assert _said(store) == _said(other_store)
    assert {e.event_id for e in store.read_events()} == {
        e.event_id for e in other_store.read_events()
    }
    assert import_events(store, _export(other_store, tmp_path / "c")) == 0
    assert store.verify() == other_store.verify() == []


def test_an_imported_event_tells_where_it_came_from(store, other_store, make_event, tmp_path):
    (original,) = other_store.append([make_event("ben")])
    import_events(store, _export(other_store, tmp_path / "log"))
    (imported,) = store.read_events()
    assert imported.origin_hash == original.hash
    kept = asdict(original).keys() - {"origin_hash", "position", "previous_hash", "hash"}
    assert {k: asdict(imported)[k] for k in kept} == {k: asdict(original)[k] for k in kept}


def test_one_person_with_two_logs_is_heard_last_where_she_spoke_last(
    store, other_store, make_event, tmp_path
):
    late, early = "2026-05-02T00:00:00.000000+00:00", "2026-05-01T00:00:00.000000+00:00"
    store.append([make_event("ana", Decision.SAME, decided_at=late)])
    other_store.append([make_event("ana", Decision.DIFFERENT, decided_at=early)])
    import_events(store, _export(other_store, tmp_path / "b"))
    assert [vote.decision for vote in store.votes()] == [Decision.SAME]


def test_a_file_that_somebody_touched_is_refused_whole(store, other_store, make_event, tmp_path):
    other_store.append([make_event("ben") for _ in range(3)])
    events = list(other_store.read_events())
    for touched in (
        [events[0], replace(events[1], decision=Decision.DIFFERENT), events[2]],
        [events[0], events[2]],
        [events[1], events[0], events[2]],
    ):
        path = tmp_path / "touched.parquet"
        write_events(path, touched)
        with pytest.raises(EventFileError, match=r"touched.parquet: event [12]"):
            import_events(store, path)
    assert store.head().position == 0


def test_an_id_that_means_two_things_refuses_the_file(store, other_store, make_event, tmp_path):
    event = make_event("ana")
    store.append([event])
    other_store.append([make_event("ben"), replace(event, decision=Decision.DIFFERENT)])
    with pytest.raises(ConflictError):
        import_events(store, _export(other_store, tmp_path / "b"))
    assert store.head().position == 1


def test_an_export_gives_away_a_cut_or_rewritten_log(store, make_event, tmp_path):
    store.append([make_event() for _ in range(4)])
    path = _export(store, tmp_path / "log")
    assert check_against(store, path) == []
    store.append([make_event()])
    assert check_against(store, path) == []
    third = list(store.read_events())[2]
    with store.engine.connect() as connection:
        connection.execute(text("DELETE FROM events WHERE position > 2"))
        connection.execute(
            text("UPDATE head SET position = 2, hash = :hash"), {"hash": third.previous_hash}
        )
        connection.execute(text("DELETE FROM votes"))
        connection.commit()
    assert check_against(store, path)[0].startswith("event 3: is not the one that was exported")


def test_what_is_no_log_is_refused(store, tmp_path):
    with pytest.raises(TableError, match="no such file"):
        import_events(store, tmp_path / "missing.parquet")
    (tmp_path / "text").write_text("x")
    with pytest.raises(TableError, match="not a readable Parquet"):
        import_events(store, tmp_path / "text")


def test_the_file_names_its_table(store, make_event, tmp_path):
    store.append([make_event()])
    metadata = pq.read_schema(_export(store, tmp_path / "log")).metadata
    assert metadata[b"cleanmark.table"] == b"review_events"
