"""Killed, stopped, out of disk: the same command goes on; no final name is ever half-written."""

import errno
import multiprocessing
import os
import random
import signal
import threading
import time
from pathlib import Path

import pytest
from fault_server import Fault, FaultServer
from fetch_child import fetch_shards, fetch_with_file_limit
from small_gldv2 import make_files, read_tree

from pipelines.fetching.backoff import Backoff
from pipelines.fetching.download import Downloader
from pipelines.fetching.errors import DiskError, FetchError, StoppedError
from pipelines.fetching.http_source import HttpSource
from pipelines.fetching.ledger import FileStatus, open_ledger
from pipelines.fetching.partial import PartFile
from pipelines.fetching.settings import FetchSettings

SHARDS = (0, 1, 2)
TAR = "/train/images_000.tar"
_CONTEXT = multiprocessing.get_context("forkserver")


class Observer(threading.Thread):
    """Reads every final name again and again; remembers each that was not whole."""

    def __init__(self, folder: Path, files: dict[str, bytes]) -> None:
        super().__init__(daemon=True)
        self.folder, self.files = folder, files
        self.ended = threading.Event()
        self.broken: list[str] = []
        self.num_seen = 0

    def run(self) -> None:
        while not self.ended.is_set():
            for path, content in self.files.items():
                try:
                    found = (self.folder / path[1:]).read_bytes()
                except FileNotFoundError:
                    continue
                self.num_seen += 1
                if found != content:
                    self.broken.append(path)
            time.sleep(0.001)


def test_ten_kills_then_a_clean_run_give_the_bytes_of_an_undisturbed_one(tmp_path):
    rng = random.Random(1)
    files = make_files(SHARDS, num_bytes=250_000)
    with FaultServer(files) as server:
        observer = Observer(tmp_path, files)
        observer.start()
        for path in files:
            server.always[path] = Fault(pause_each_block=0.002)
        for _ in range(10):
            _kill_after(server, tmp_path, rng.randrange(1, 60_000), rng.uniform(0, 0.01))
        assert read_tree(tmp_path) != files, "the kills came too late to show anything"
        sent_before = server.sent_bytes
        fetch_shards(server.url, tmp_path, SHARDS)
        observer.ended.set()
        observer.join()
        assert server.sent_bytes - sent_before < sum(map(len, files.values()))
    assert read_tree(tmp_path) == files
    assert observer.broken == []
    assert observer.num_seen > 0
    assert not list(tmp_path.rglob("*.part*"))


def _kill_after(server, folder, num_bytes, more_seconds):
    goal = server.sent_bytes + num_bytes
    child = _CONTEXT.Process(target=fetch_shards, args=(server.url, folder, SHARDS))
    child.start()
    while server.sent_bytes < goal and child.is_alive():
        time.sleep(0.0005)
    time.sleep(more_seconds)
    os.kill(child.pid, signal.SIGKILL)
    child.join()


def test_full_disk_ends_the_job_with_a_remedy_and_is_gone_on_with(fetching, server):
    server.files[TAR] = b"x" * 200_000
    receiver, sender = _CONTEXT.Pipe(duplex=False)
    arguments = (server.url, fetching.folder, (0, 1), 100_000, sender)
    child = _CONTEXT.Process(target=fetch_with_file_limit, args=arguments)
    child.start()
    message = receiver.recv()
    child.join()
    assert message.startswith("DiskError: ")
    assert "cannot be written" in message
    assert "the same command goes on" in message
    part = PartFile(fetching.folder / TAR[1:], 1)
    came = part.read_state(server.url + TAR).synced_bytes
    assert 0 < came < 100_000
    assert not part.destination.exists()
    fetching()
    assert f"bytes={came}-" in [r.range for r in server.gets(TAR)]


def test_too_little_room_is_said_before_anything_comes(fetching, server):
    with pytest.raises(DiskError, match=r"must remain free.*fewer shards"):
        fetching(FetchSettings(margin_bytes=1 << 60))
    assert server.sent_bytes == 0


class FullDisk:
    """A file on a disk that has room for some bytes only."""

    def __init__(self, stream, room):
        self.stream, self.room = stream, room

    def write(self, data):
        if self.stream.tell() >= self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self.stream.write(data[: self.room - self.stream.tell()])

    def __getattr__(self, name):
        return getattr(self.stream, name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.close()


class PartOnFullDisk(PartFile):
    def _open(self, start):
        return FullDisk(super()._open(start), 100_000)


def test_full_disk_leaves_room_to_write_down_what_came(tmp_path):
    part = PartOnFullDisk(tmp_path / "file", sync_every_bytes=1 << 30)

    def fill():
        with part.writing("u", 0, "v", 1 << 20) as file:
            for _ in range(20):
                file.append(b"x" * 10_000)

    with pytest.raises(DiskError, match="No space left"):
        fill()
    state = part.read_state("u")
    assert 0 < state.synced_bytes == part.path.stat().st_size < 100_000


def test_part_is_not_gone_on_with_after_a_change_of_address(tmp_path):
    part = PartFile(tmp_path / "file", 1)
    with part.writing("u", 0, "v", 10) as file:
        file.append(b"12345")
    assert part.read_state("u").synced_bytes == 5
    assert part.read_state("other") is None


def test_bytes_that_had_not_reached_the_disk_are_cut_off(tmp_path):
    part = PartFile(tmp_path / "file", 1)
    with part.writing("u", 0, "v", 10) as file:
        file.append(b"12345")
    with part.path.open("ab") as stream:
        stream.write(b"garbage after a power cut")
    with part.writing("u", part.read_state("u").synced_bytes, "v", 10) as file:
        file.append(b"67890")
    part.publish()
    assert part.destination.read_bytes() == b"1234567890"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_two_processes_do_not_fetch_into_one_folder(fetching):
    with open_ledger(fetching.folder), pytest.raises(FetchError, match="another process"):
        fetching()


def test_stop_keeps_what_came_and_is_gone_on_with(server, tmp_path):
    stop = threading.Event()
    settings = FetchSettings()
    downloader = Downloader(HttpSource(settings), Backoff(settings, stop.wait), 3, stop)
    part = PartFile(tmp_path / "file.tar", 1 << 20)

    def stop_in_the_middle(_new, here):
        if here > 10_000:
            stop.set()

    server.always[TAR] = Fault(pause_each_block=0.01)
    with pytest.raises(StoppedError):
        downloader.download(server.url + TAR, part, stop_in_the_middle)
    came = part.read_state(server.url + TAR).synced_bytes
    assert 10_000 < came < len(server.files[TAR])
    stop.clear()
    downloader.download(server.url + TAR, part, lambda _new, _here: None)
    assert part.path.read_bytes() == server.files[TAR]
    assert server.gets(TAR)[-1].range == f"bytes={came}-"


def test_killed_ledger_leaves_no_rubbish(fetching):
    fetching.folder.mkdir()
    (fetching.folder / ".fetch_ledger.json.0123abcd.part").write_text("half")
    assert fetching().problems == ()
    assert not list(fetching.folder.glob(".fetch_ledger*"))
    assert fetching.ledger[TAR[1:]].status is FileStatus.VERIFIED
