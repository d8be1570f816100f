import subprocess
import sys

import pytest

from manifests.exports.staging import staged_folder
from manifests.input_error import InputError


def _never(_):
    return False


def _write(target, is_replaceable=_never):
    with staged_folder(target, is_replaceable) as folder:
        (folder / "a").mkdir()
        (folder / "a" / "file").write_text("new")


def test_the_folder_appears_when_the_block_succeeds(tmp_path):
    target = tmp_path / "parent" / "export"
    with staged_folder(target, _never) as folder:
        (folder / "file").write_text("new")
        assert not target.exists()
    assert (target / "file").read_text() == "new"
    assert [path.name for path in target.parent.iterdir()] == ["export"]


def _fail(target, is_replaceable=_never):
    with staged_folder(target, is_replaceable) as folder:
        (folder / "file").write_text("half")
        raise RuntimeError


def test_nothing_appears_when_the_block_fails(tmp_path):
    with pytest.raises(RuntimeError):
        _fail(tmp_path / "export")
    assert list(tmp_path.iterdir()) == []


def test_whoever_kills_the_writer_sees_the_old_folder(tmp_path):
    target = tmp_path / "export"
    _write(target)
    killed = f"""
import os
from pathlib import Path
from manifests.exports.staging import staged_folder
with staged_folder(Path({str(target)!r}), lambda _: True) as folder:
    (folder / "half").write_text("half")
    os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", killed], check=False).returncode == -9
    assert [path.name for path in target.iterdir()] == ["a"]


def test_an_old_folder_survives_a_failure_and_is_replaced_by_a_success(tmp_path):
    target = tmp_path / "export"
    _write(target)
    (target / "old").write_text("old")
    with pytest.raises(RuntimeError):
        _fail(target, lambda _: True)
    assert (target / "old").exists()
    _write(target, lambda _: True)
    assert [path.name for path in target.iterdir()] == ["a"]
    assert [path.name for path in tmp_path.iterdir()] == ["export"]


def test_an_empty_folder_is_taken(tmp_path):
    (tmp_path / "export").mkdir()
    _write(tmp_path / "export")
    assert (tmp_path / "export/a/file").exists()


def test_something_else_is_left_alone_with_a_remedy(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match=r"something else in this folder.*--to"):
        _write(tmp_path)
    with pytest.raises(InputError, match=r"a file, not a folder"):
        _write(tmp_path / "thesis.tex")
    assert (tmp_path / "thesis.tex").read_text() == "years of work"
