"""What is here already: found, checked, repaired, and never fetched for nothing."""

import os

import pytest
from small_gldv2 import read_tree

from pipelines.fetching.catalogue import at_mirror, gldv2
from pipelines.fetching.checks import CheckedBy
from pipelines.fetching.errors import FetchError
from pipelines.fetching.fetch import plan_fetch
from pipelines.fetching.ledger import FileStatus
from pipelines.fetching.plan import Presence, needed_bytes
from pipelines.fetching.settings import FetchSettings

TAR = "/train/images_000.tar"
LIST = "/metadata/train.csv"
PARTLY = 20_000


def put(fetching, path, content):
    target = fetching.folder / path[1:]
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    return target


def test_folder_that_somebody_filled_is_checked_and_not_fetched(fetching, server):
    for path, content in server.files.items():
        put(fetching, path, content)
    report = fetching()
    assert report.problems == ()
    assert report.received_bytes == server.sent_bytes == 0
    assert fetching.ledger[TAR[1:]].checked_by is CheckedBy.MD5


def test_wrong_file_under_a_final_name_is_set_aside_and_replaced(fetching, server):
    put(fetching, TAR, b"not the shard")
    assert fetching().problems == ()
    assert read_tree(fetching.folder) == server.files


def test_list_of_another_length_is_replaced(fetching, server):
    put(fetching, LIST, server.files[LIST][:-1])
    assert fetching().problems == ()
    assert read_tree(fetching.folder) == server.files


def test_touched_file_is_hashed_and_not_fetched(fetching, server):
    fetching()
    os.utime(fetching.folder / TAR[1:], (1, 1))
    before = server.sent_bytes
    assert fetching().problems == ()
    assert server.sent_bytes == before


@pytest.mark.parametrize("path", [TAR, LIST])
def test_verify_finds_what_size_and_time_do_not_show(fetching, server, path):
    fetching()
    file = fetching.folder / path[1:]
    status = file.stat()
    damaged = bytearray(server.files[path])
    damaged[-1] ^= 1
    file.write_bytes(damaged)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    before = server.sent_bytes
    fetching()
    assert server.sent_bytes == before
    assert fetching(verify=True).problems == ()
    assert read_tree(fetching.folder) == server.files
    assert server.sent_bytes == before + len(server.files[path])


def test_verify_of_good_files_fetches_nothing(fetching, server):
    fetching()
    before = server.sent_bytes
    assert fetching(verify=True).problems == ()
    assert server.sent_bytes == before


def test_new_published_checksum_makes_the_old_file_worthless(fetching, server):
    fetching()
    server.files[TAR] = b"a new release"
    server.files["/md5sum/train/md5.images_000.txt"] = (
        b"df0e0ea1bd2cd8ac0ca7d9d6f6ebb0a8  images_000.tar\n"
    )
    (fetching.folder / "md5sum/train/md5.images_000.txt").unlink()
    fetching()
    entry = fetching.ledger[TAR[1:]]
    assert entry.status is FileStatus.QUARANTINED
    assert entry.expected == "df0e0ea1bd2cd8ac0ca7d9d6f6ebb0a8"


def test_complete_folder_needs_no_network_and_verify_asks_again(fetching, server):
    fetching()
    num_requests = len(server.requests)
    report = fetching()
    assert len(server.requests) == num_requests
    assert len(report.notes) == 2
    optional = "/metadata/train_clean.csv"
    server.files[optional] = b"landmark_id,images\n1,0123456789abcdef\n"
    assert len(fetching(verify=True).notes) == 1
    assert read_tree(fetching.folder) == server.files


def test_ledger_that_was_deleted_is_made_again_without_fetching(fetching, server):
    fetching()
    (fetching.folder / "fetch_ledger.json").unlink()
    before = server.sent_bytes
    assert fetching().problems == ()
    assert server.sent_bytes == before


def test_ledger_that_is_damaged_is_named_with_a_remedy(fetching):
    fetching()
    (fetching.folder / "fetch_ledger.json").write_text("{")
    with pytest.raises(FetchError, match=r"fetch_ledger\.json.*delete it"):
        fetching()


def test_ledger_says_the_same_after_interruptions_as_without(fetching, server, tmp_path):
    from fault_server import Fault

    server.faults[TAR] = [Fault(drop_after=9999), Fault(status=503)]
    fetching()
    disturbed = {p: (e.digest, e.num_bytes, e.status) for p, e in fetching.ledger.items()}
    fetching.folder = tmp_path / "again"
    fetching()
    assert disturbed == {p: (e.digest, e.num_bytes, e.status) for p, e in fetching.ledger.items()}


def plan(fetching, shards=(0, 1, 2)):
    dataset = at_mirror(gldv2("train", shards), fetching.server.url)
    planned = plan_fetch(dataset, fetching.folder, FetchSettings())
    return {f"/{p.file.path}": p for p in planned}


def test_plan_tells_sizes_and_what_is_missing_and_writes_nothing(fetching, server):
    planned = plan(fetching)
    assert planned[TAR].presence is Presence.ABSENT
    assert planned[TAR].total_bytes == len(server.files[TAR])
    assert planned[TAR].is_exact
    assert planned["/train/images_002.tar"].presence is Presence.NOT_OFFERED
    assert not fetching.folder.exists()
    assert server.sent_bytes == 0


def test_plan_counts_what_is_begun(fetching, server):
    from fault_server import Fault

    server.always[TAR] = Fault(drop_after=PARTLY)
    server.faults[TAR] = [Fault(drop_after=PARTLY), *[Fault(status=500)] * 9]
    fetching()
    planned = plan(fetching, (0, 1))
    assert planned[TAR].presence is Presence.PARTIAL
    assert planned[TAR].here_bytes == PARTLY
    assert needed_bytes(list(planned.values())) == len(server.files[TAR]) - PARTLY
    assert planned["/train/images_001.tar"].presence is Presence.VERIFIED
