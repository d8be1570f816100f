"""Archives of evaluation sets: unpacked as a whole or not at all, and nowhere else."""

import io
import random
import subprocess
import tarfile

import pytest
from fault_server import Fault, FaultServer
from rich.console import Console
from small_evaluation_set import GROUND_TRUTH, make_archive, make_dataset, make_ground_truth

from pipelines.fetching.errors import FetchError
from pipelines.fetching.fetch import fetch_dataset
from pipelines.fetching.ledger import FileStatus, read_ledger
from pipelines.fetching.settings import FetchSettings
from pipelines.fetching.unpack import ImageFolder, UnpackError

SETTINGS = FetchSettings(margin_bytes=0, max_attempts=2)
FIRST = {"set/one/a.jpg": b"A" * 5000, "set/b.jpg": b"B" * 10}
SECOND = {"c.jpg": b"C"}
IMAGES = {"a.jpg": FIRST["set/one/a.jpg"], "b.jpg": FIRST["set/b.jpg"], "c.jpg": b"C"}
TRUTH = make_ground_truth(["b", "c"], ["a"])


@pytest.fixture
def server():
    files = {
        f"/{GROUND_TRUTH}": TRUTH,
        "/first.tgz": make_archive(FIRST),
        "/second.tgz": make_archive(SECOND),
    }
    with FaultServer(files) as running:
        yield running


def fetch(server, folder, **options):
    dataset = make_dataset(server.url, ["first.tgz", "second.tgz"], TRUTH)
    console = Console(file=io.StringIO())
    return fetch_dataset(dataset, folder, console, SETTINGS, sleep=lambda _: None, **options)


def images(folder):
    return {str(p.relative_to(folder / "jpg")): p.read_bytes() for p in (folder / "jpg").glob("*")}


def test_images_of_all_archives_lie_in_one_folder(server, tmp_path):
    report = fetch(server, tmp_path)
    assert report.problems == ()
    assert images(tmp_path) == IMAGES
    assert not list(tmp_path.glob("*.tgz"))
    assert not list(tmp_path.glob(".jpg*"))
    assert {e.path: e.status for e in read_ledger(tmp_path)}["first.tgz"] is FileStatus.UNPACKED


def test_known_corrupt_images_are_named(server, tmp_path):
    assert fetch(server, tmp_path).notes[0].endswith(": b")


def test_listing_is_read_by_sha256sum(server, tmp_path):
    fetch(server, tmp_path)
    for listing in ("first.tgz", "second.tgz"):
        command = ["sha256sum", "--check", "--strict", f"../checksums/{listing}.sha256"]
        assert subprocess.run(command, cwd=tmp_path / "jpg", check=False).returncode == 0


def test_second_fetch_needs_neither_archives_nor_server(server, tmp_path):
    fetch(server, tmp_path)
    before = len(server.requests)
    report = fetch(server, tmp_path)
    assert (report.problems, report.received_bytes) == ((), 0)
    assert len(server.requests) == before


def test_archives_are_kept_on_request(server, tmp_path):
    fetch(server, tmp_path, keep_archives=True)
    assert (tmp_path / "first.tgz").read_bytes() == server.files["/first.tgz"]


def test_folder_appears_only_when_every_archive_is_there(server, tmp_path):
    second = server.files.pop("/second.tgz")
    report = fetch(server, tmp_path)
    assert report.problems[0].startswith("second.tgz: missing")
    assert not (tmp_path / "jpg").exists()
    server.files["/second.tgz"] = second
    assert fetch(server, tmp_path).problems == ()
    assert images(tmp_path) == IMAGES
    assert len(server.gets("/first.tgz")) == 1


def test_lost_or_damaged_image_brings_its_archive_back(server, tmp_path):
    fetch(server, tmp_path)
    (tmp_path / "jpg" / "c.jpg").unlink()
    assert fetch(server, tmp_path).problems == ()
    (tmp_path / "jpg" / "a.jpg").write_bytes(b"damaged")
    assert fetch(server, tmp_path, verify=True).problems == ()
    assert images(tmp_path) == IMAGES
    assert [len(server.gets(p)) for p in ("/first.tgz", "/second.tgz")] == [2, 2]


def test_images_that_the_ground_truth_names_and_no_archive_holds(server, tmp_path):
    server.files["/second.tgz"] = make_archive({"d.jpg": b"D"})
    assert fetch(server, tmp_path).problems == ("jpg: 1 images are named and not there: c",)


def test_folder_of_somebody_else_is_left_alone(server, tmp_path):
    (tmp_path / "jpg").mkdir()
    (tmp_path / "jpg" / "mine.jpg").write_bytes(b"mine")
    with pytest.raises(FetchError, match="was not made by this command"):
        fetch(server, tmp_path)
    assert images(tmp_path) == {"mine.jpg": b"mine"}
    assert server.requests == []


def test_archive_cut_short_is_quarantined(server, tmp_path):
    server.always["/first.tgz"] = Fault(body=server.files["/first.tgz"][:-9])
    report = fetch(server, tmp_path)
    assert report.problems[0].startswith("first.tgz: quarantined")
    assert (tmp_path / "quarantine" / "first.tgz").is_file()
    assert not (tmp_path / "jpg").exists()


def special(name, kind, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


HOSTILE = {
    "absolute": make_archive({"/tmp/evil.jpg": b"x"}),
    "parent": make_archive({"../evil.jpg": b"x"}),
    "parent inside": make_archive({"a/../../evil.jpg": b"x"}),
    "line end": make_archive({"a\nb.jpg": b"x"}),
    "symbolic link": make_archive({}, more=[special("evil", tarfile.SYMTYPE, "/etc/passwd")]),
    "hard link": make_archive({"a.jpg": b"x"}, more=[special("b", tarfile.LNKTYPE, "a.jpg")]),
    "device": make_archive({}, more=[special("evil", tarfile.CHRTYPE)]),
    "pipe": make_archive({}, more=[special("evil", tarfile.FIFOTYPE)]),
    "two of one name": make_archive({"one/a.jpg": b"x", "two/a.jpg": b"y"}),
    "bomb": make_archive({"bomb.jpg": bytes(8 << 20)}),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_archive_is_refused_and_named(server, tmp_path, kind):
    server.files["/first.tgz"] = HOSTILE[kind]
    folder = tmp_path / "inner" / "set"
    report = fetch(server, folder)
    assert report.problems[0].startswith("first.tgz: quarantined")
    assert not (folder / "jpg").exists()
    outside = [p for p in tmp_path.rglob("*") if p.is_file() and folder not in p.parents]
    assert outside == []


@pytest.mark.parametrize("flatten", [True, False])
def test_name_that_another_archive_has_is_refused(tmp_path, flatten):
    for name, content in (("one.tgz", b"1"), ("two.tgz", b"2")):
        (tmp_path / name).write_bytes(make_archive({"a.jpg": content}))
    folder = ImageFolder(tmp_path)
    folder.unpack(tmp_path / "one.tgz", ["two.tgz"], flatten=flatten)
    with pytest.raises(UnpackError, match=r"'a.jpg' comes twice"):
        folder.unpack(tmp_path / "two.tgz", ["one.tgz"], flatten=flatten)


def test_folders_are_kept_where_the_list_names_them(tmp_path):
    (tmp_path / "one.tgz").write_bytes(make_archive(FIRST))
    folder = ImageFolder(tmp_path)
    assert folder.unpack(tmp_path / "one.tgz", [], flatten=False) == 2
    folder.publish()
    assert sorted(folder.names("one.tgz")) == sorted(FIRST)
    assert (tmp_path / "jpg" / "set" / "one" / "a.jpg").is_file()


@pytest.mark.parametrize("seed", range(40))
def test_mutated_archive_is_refused_or_harmless(tmp_path, seed):
    rng = random.Random(seed)
    data = bytearray(make_archive(FIRST))
    for _ in range(rng.randint(1, 4)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    (tmp_path / "one.tgz").write_bytes(data)
    folder = ImageFolder(tmp_path)
    error = None
    try:
        folder.unpack(tmp_path / "one.tgz", [], flatten=True)
    except UnpackError as refusal:
        error = refusal
    assert error is None or "one.tgz" in str(error)
    assert folder.is_unpacked("one.tgz", verify=True) is (error is None)
