import io
import json
import os
from pathlib import Path

import pytest
from pipelines_helpers import ToyStage
from rich.console import Console

from pipelines.markers import pending
from pipelines.recovery import forget_damaged, recovering, remove_leftovers
from pipelines.run_unit import run_unit

NOTE = ".session.json"


@pytest.fixture
def stage(tmp_path):
    stage = ToyStage(tmp_path, num_units=3)
    for unit in stage.plan():
        run_unit(stage, tmp_path, unit)
    return stage


def _recover(stage):
    """Begin and end a session in order; return what was printed."""
    console = Console(file=io.StringIO(), width=200)
    with recovering(stage.run_dir, ["toy"], console):
        assert (stage.run_dir / NOTE).is_file()
    assert not (stage.run_dir / NOTE).exists()
    return console.file.getvalue()


def _die(stage, boot_id):
    """Leave the note of a session that died before the units were done."""
    note = stage.run_dir / NOTE
    note.write_text(json.dumps({"boot_id": boot_id}))
    os.utime(note, (0, 0))


def _waiting(stage):
    return [unit.unit_id for unit in pending(stage.run_dir, stage.plan())]


def _spoil(stage, unit_id="u01"):
    """Other bytes, the same size: what a power cut may leave."""
    path = stage.run_dir / f"toys/{unit_id}.json"
    path.write_bytes(bytes(path.stat().st_size))
    return path


def test_after_a_power_cut_parts_are_compared_with_their_digests(stage):
    _spoil(stage)
    _die(stage, "another boot")
    assert _waiting(stage) == []
    said, named = _recover(stage).splitlines()
    assert said.startswith("the machine stopped during an earlier run")
    assert named == "toys/u01.json: damaged when the machine stopped; it is made again"
    assert _waiting(stage) == ["u01"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"boot_id": null}'])
def test_a_damaged_note_counts_as_one_of_a_machine_that_stopped(stage, content):
    _spoil(stage)
    (stage.run_dir / NOTE).write_text(content)
    os.utime(stage.run_dir / NOTE, (0, 0))
    _recover(stage)
    assert _waiting(stage) == ["u01"]


def test_without_a_power_cut_nothing_is_read_again(stage):
    _spoil(stage)
    assert _recover(stage) == ""
    with pytest.raises(ZeroDivisionError), recovering(stage.run_dir, ["toy"], Console()):
        raise ZeroDivisionError
    assert _recover(stage) == ""
    assert _waiting(stage) == []


def test_a_killed_process_leaves_the_note_of_its_start(stage):
    """The parts written since then are still the ones that a later power cut may have spoilt."""
    _die(stage, Path("/proc/sys/kernel/random/boot_id").read_text().strip())
    with recovering(stage.run_dir, ["toy"], Console()):
        assert (stage.run_dir / NOTE).stat().st_mtime_ns == 0


def test_parts_from_before_the_session_are_not_read(stage):
    path = _spoil(stage)
    since_ns = path.stat().st_mtime_ns + 1
    assert forget_damaged(stage.run_dir, ["toy"], since_ns) == []
    assert forget_damaged(stage.run_dir, ["toy"], since_ns - 1) == ["toys/u01.json"]


def test_leftovers_go_and_everything_else_stays(stage):
    run_dir = stage.run_dir
    (run_dir / "decisions").mkdir()
    leftovers = [
        run_dir / ".run.yaml.0a1b2c3d.part",
        run_dir / "toys/.u00.json.00000000.part",
        run_dir / "state/toy/.u00.json.ffffffff.part",
    ]
    others = [run_dir / "toys/u00.part", run_dir / "decisions/.a.json.0a1b2c3d.part"]
    for path in (*leftovers, *others):
        path.touch()
    before = {path for path in run_dir.rglob("*") if path.is_file()}
    assert remove_leftovers(run_dir) == sorted(leftovers)
    assert {path for path in run_dir.rglob("*") if path.is_file()} == before - set(leftovers)


@pytest.mark.parametrize("path", ["toys/u01.json", "state/toy/u01.json"])
def test_an_empty_part_or_marker_is_noticed_without_any_note(stage, path):
    (stage.run_dir / path).write_bytes(b"")
    assert _waiting(stage) == ["u01"]
