import signal
import subprocess
import sys

import pytest

from manifests.atomic import replacing, write_bytes, write_text

KILLED_WRITER = """
import os, signal, sys
from pathlib import Path
from manifests.atomic import replacing
with replacing(Path(sys.argv[1])) as temporary:
    temporary.write_bytes(b"half of the ne")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_file_appears_whole_and_alone(tmp_path):
    path = tmp_path / "deep" / "er" / "part.parquet"
    with replacing(path) as temporary:
        assert temporary.parent == path.parent
        temporary.write_bytes(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert list_names(path.parent) == ["part.parquet"]


def test_readers_see_the_old_file_until_the_block_ends(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old")
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


def break_off(path):
    with replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError("broke off")


def list_names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_an_error_leaves_the_old_file_and_no_rubbish(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="broke off"):
        break_off(path)
    assert path.read_text() == "old"
    assert list_names(tmp_path) == ["a.json"]


def test_a_killed_writer_leaves_the_old_file_and_nothing_a_reader_would_take(tmp_path):
    path = tmp_path / "part-00000.parquet"
    path.write_bytes(b"old")
    program = [sys.executable, "-c", KILLED_WRITER, str(path)]
    killed = subprocess.run(program, env={"PYTHONPATH": ":".join(sys.path)}, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    assert len(list_names(tmp_path)) == 2
    assert list(tmp_path.glob("*.parquet")) == [path]
    write_bytes(path, b"new")
    assert path.read_bytes() == b"new"


def test_two_writers_do_not_share_their_temporary_file(tmp_path):
    path = tmp_path / "a"
    with replacing(path) as first, replacing(path) as second:
        first.write_text("first")
        second.write_text("second")
        assert first != second
    assert path.read_text() == "first"  # the outer block ends last


def test_a_block_that_writes_nothing_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "a"):
        pass
    assert list_names(tmp_path) == []


def test_text_is_utf8(tmp_path):
    write_text(tmp_path / "a.txt", "Sacré-Cœur\n")
    assert (tmp_path / "a.txt").read_bytes() == b"Sacr\xc3\xa9-C\xc5\x93ur\n"
