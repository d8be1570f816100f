"""Everything a server or a line can do wrong, each ending in the right files and ledger."""

import random
import socket
from datetime import UTC, datetime
from email.utils import format_datetime
from types import SimpleNamespace

import pytest
from fault_server import Fault
from small_gldv2 import read_tree

from pipelines.fetching.backoff import Backoff
from pipelines.fetching.errors import TemporaryFaultError
from pipelines.fetching.http_source import HttpSource
from pipelines.fetching.ledger import FileStatus
from pipelines.fetching.settings import FetchSettings

TAR = "/train/images_000.tar"
ENTRY = TAR[1:]


def assert_complete(fetching, report):
    assert report.problems == ()
    assert read_tree(fetching.folder) == fetching.server.files
    assert {entry.status for entry in fetching.ledger.values()} >= {FileStatus.VERIFIED}
    assert not list(fetching.folder.rglob("*.part*"))


def test_undisturbed_fetch_brings_every_byte_once(fetching, server):
    report = fetching()
    assert_complete(fetching, report)
    assert report.received_bytes == server.sent_bytes == sum(map(len, server.files.values()))
    assert fetching.pauses == []


def test_optional_lists_that_are_not_offered_are_notes(fetching):
    report = fetching()
    assert sorted(note.partition(":")[0] for note in report.notes) == [
        "metadata/train_clean.csv",
        "metadata/train_label_to_hierarchical.csv",
    ]


def test_second_fetch_asks_for_no_good_byte(fetching, server):
    fetching()
    before = server.sent_bytes
    report = fetching()
    assert_complete(fetching, report)
    assert (report.received_bytes, server.sent_bytes) == (0, before)
    assert len(server.gets(TAR)) == 1


@pytest.mark.parametrize("seed", range(5))
def test_connection_dropped_at_random_byte_is_resumed_there(fetching, server, seed):
    cut = random.Random(seed).randrange(1, len(server.files[TAR]))
    server.faults[TAR] = [Fault(drop_after=cut)]
    report = fetching()
    assert_complete(fetching, report)
    assert report.received_bytes == sum(map(len, server.files.values()))
    assert [r.range for r in server.gets(TAR)] == [None, f"bytes={cut}-"]


def test_many_drops_are_survived_as_long_as_something_comes(fetching, server):
    server.faults[TAR] = [Fault(drop_after=1000) for _ in range(20)]
    assert_complete(fetching, fetching())
    assert len(server.gets(TAR)) == 21


def test_connection_that_brings_nothing_is_given_up(fetching, server):
    server.always[TAR] = Fault(drop_after=0)
    report = fetching()
    assert fetching.ledger[ENTRY].status is FileStatus.FAILED
    assert "given up after 4 attempts" in report.problems[0]
    assert (fetching.folder / "train/images_001.tar").is_file()
    assert not (fetching.folder / ENTRY).exists()


def test_server_without_ranges_is_asked_from_zero_again(fetching, server):
    server.ranges = False
    server.faults[TAR] = [Fault(drop_after=20_000), Fault(drop_after=30_000)]
    assert_complete(fetching, fetching())


def test_server_without_validators_is_asked_from_zero_again(fetching, server):
    server.validators = False
    server.faults[TAR] = [Fault(drop_after=20_000)]
    assert_complete(fetching, fetching())
    assert [r.range for r in server.gets(TAR)] == [None, None]


def test_busy_server_is_asked_again(fetching, server):
    server.faults[TAR] = [Fault(status=503), Fault(status=500), Fault(status=429)]
    assert_complete(fetching, fetching())
    assert len(fetching.pauses) == 3


def test_retry_after_in_seconds_is_honoured(fetching, server):
    server.faults[TAR] = [Fault(status=503, headers={"Retry-After": "17"})]
    assert_complete(fetching, fetching())
    assert 17 <= fetching.pauses[0] <= 18


def test_retry_after_beyond_patience_ends_the_attempts(fetching, server):
    server.always[TAR] = Fault(status=429, headers={"Retry-After": "90000"})
    report = fetching()
    assert "come back in 90000 s" in report.problems[0]
    assert fetching.pauses == []


def test_retry_after_as_date_counts_from_now(server):
    now = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)
    date = format_datetime(datetime(2024, 5, 1, 12, 2, tzinfo=UTC), usegmt=True)
    server.faults[TAR] = [Fault(status=503, headers={"Retry-After": date})]
    source = HttpSource(FetchSettings(), now=lambda: now)
    with (
        pytest.raises(TemporaryFaultError, match="503") as caught,
        source.open(server.url + TAR, 0, None),
    ):
        pass
    assert caught.value.retry_after_seconds == 120


def test_missing_shard_is_named_and_not_asked_for_again(fetching, server):
    del server.files[TAR]
    report = fetching()
    assert len(report.problems) == 1
    assert report.problems[0].startswith(f"{ENTRY}: missing: ")
    assert "404" in report.problems[0]
    assert len(server.gets(TAR)) == 1
    assert read_tree(fetching.folder) == server.files


def test_missing_checksum_file_keeps_its_shard_from_being_fetched(fetching, server):
    del server.files["/md5sum/train/md5.images_000.txt"]
    report = fetching()
    assert [p.partition(":")[0] for p in report.problems] == [
        "md5sum/train/md5.images_000.txt",
        ENTRY,
    ]
    assert server.gets(TAR) == []


def test_redirects_are_followed_and_bounded(fetching, server):
    server.files["/elsewhere.tar"] = server.files[TAR]
    server.always[TAR] = Fault(status=302, headers={"Location": "/elsewhere.tar"})
    server.faults["/elsewhere.tar"] = [Fault(drop_after=9000)]
    assert fetching().problems == ()
    assert (fetching.folder / ENTRY).read_bytes() == server.files[TAR]
    assert [r.range for r in server.gets("/elsewhere.tar")] == [None, "bytes=9000-"]


def test_endless_redirects_are_given_up(fetching, server):
    server.always[TAR] = Fault(status=302, headers={"Location": TAR})
    assert "redirects" in fetching().problems[0]
    assert len(server.gets(TAR)) == 6


def test_redirect_away_from_the_web_is_refused(fetching, server):
    server.always[TAR] = Fault(status=302, headers={"Location": "file:///etc/passwd"})
    assert "no web address" in fetching().problems[0]


def test_wrong_bytes_once_are_fetched_again_from_zero(fetching, server):
    wrong = bytes(len(server.files[TAR]))
    server.faults[TAR] = [Fault(body=wrong)]
    assert_complete(fetching, fetching())
    assert [r.range for r in server.gets(TAR)] == [None, None]
    assert not (fetching.folder / "quarantine" / ENTRY).exists()


def test_wrong_bytes_always_are_quarantined_by_name(fetching, server):
    wrong = bytes(len(server.files[TAR]))
    server.always[TAR] = Fault(body=wrong)
    report = fetching()
    entry = fetching.ledger[ENTRY]
    assert entry.status is FileStatus.QUARANTINED
    assert entry.expected == server.files["/md5sum/train/md5.images_000.txt"][:32].decode()
    assert entry.digest not in (None, entry.expected)
    assert (fetching.folder / "quarantine" / ENTRY).read_bytes() == wrong
    assert not (fetching.folder / ENTRY).exists()
    assert len(server.gets(TAR)) == 2
    assert len(report.problems) == 1
    assert ENTRY in report.problems[0]
    assert fetching.ledger["train/images_001.tar"].status is FileStatus.VERIFIED


def test_mended_server_ends_the_quarantine(fetching, server):
    server.always[TAR] = Fault(body=b"wrong")
    fetching()
    server.always.clear()
    assert_complete(fetching, fetching())
    assert not (fetching.folder / "quarantine" / ENTRY).exists()


def test_error_page_instead_of_a_list_is_quarantined(fetching, server):
    server.always["/metadata/train.csv"] = Fault(body=b"<html>please sign in</html>")
    report = fetching()
    assert report.problems[0].startswith("metadata/train.csv: quarantined")
    assert "please sign in" in report.problems[0]


def test_checksum_file_of_another_shard_is_refused(fetching, server):
    other = server.files["/md5sum/train/md5.images_001.txt"]
    server.always["/md5sum/train/md5.images_000.txt"] = Fault(body=other)
    assert fetching.ledger == {}
    fetching()
    assert fetching.ledger["md5sum/train/md5.images_000.txt"].status is FileStatus.QUARANTINED
    assert fetching.ledger[ENTRY].status is FileStatus.FAILED


def test_stalled_connection_is_dropped_and_resumed(fetching, server):
    server.faults[TAR] = [Fault(stall_after=25_000)]
    impatient = FetchSettings(read_timeout_seconds=0.2, sync_every_bytes=8192, margin_bytes=0)
    assert_complete(fetching, fetching(impatient))
    assert [r.range for r in server.gets(TAR)] == [None, "bytes=25000-"]


def test_file_that_changes_between_attempts_is_fetched_anew(fetching, server):
    path = "/metadata/train.csv"
    old = b"id,url,landmark_id\n" + b"0" * 40_000
    new = b"id,url,landmark_id\n" + b"1" * 39_000
    server.files[path] = new
    server.faults[path] = [Fault(body=old, headers={"ETag": '"old"'}, drop_after=20_000)]
    assert_complete(fetching, fetching())
    assert [(r.range, r.if_range) for r in server.gets(path)] == [
        (None, None),
        ("bytes=20000-", '"old"'),
    ]


def test_file_that_became_shorter_than_what_came_is_fetched_anew(fetching, server):
    path = "/metadata/train.csv"
    old = b"id,url,landmark_id\n" + b"0" * 40_000
    server.faults[path] = [
        Fault(body=old, headers={"ETag": '"old"'}, drop_after=20_000),
        Fault(status=416),
    ]
    assert_complete(fetching, fetching())


def test_connections_to_a_host_are_limited_and_reused(server, fetching):
    for path in server.files:
        server.always[path] = Fault(pause_each_block=0.01)
    assert fetching().problems == ()
    # On a busy machine the third may come when the first is done; more than three may never come.
    assert 1 < server.most_open <= 3
    assert server.num_connections <= 2 * 3


def test_unreachable_server_fails_every_file_by_name(fetching):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
    fetching.server = SimpleNamespace(url=address)
    report = fetching()
    assert len(report.problems) == 7
    assert all(address in problem for problem in report.problems if ".tar" not in problem)


def test_jitter_is_full_bounded_and_seeded():
    def draw(seed):
        pauses = []
        backoff = Backoff(
            FetchSettings(backoff_seconds=1, max_backoff_seconds=10), pauses.append, seed
        )
        for failure in range(1, 9):
            backoff.pause(failure, TemporaryFaultError("busy"))
        return pauses

    assert draw(1) == draw(1) != draw(2)
    for number, pause in enumerate(draw(1)):
        assert 0 <= pause <= min(2.0**number, 10)
