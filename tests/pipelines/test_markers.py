import hashlib
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pipelines_helpers import ToyStage

from pipelines.markers import clear_unit, output_digests, pending, prune, read_markers, tally
from pipelines.run_unit import run_unit


def _run_all(stage):
    return [run_unit(stage, stage.run_dir, unit) for unit in stage.plan()]


def _files(run_dir):
    return {str(p.relative_to(run_dir)) for p in run_dir.rglob("*") if p.is_file()}


def test_finished_units_are_not_pending(tmp_path):
    stage = ToyStage(tmp_path)
    assert pending(tmp_path, stage.plan()) == stage.plan()
    _run_all(stage)
    assert pending(tmp_path, stage.plan()) == []


def test_a_failed_unit_is_pending(tmp_path):
    _run_all(ToyStage(tmp_path, behaviour={"u01": "raise"}))
    assert [unit.unit_id for unit in pending(tmp_path, ToyStage(tmp_path).plan())] == ["u01"]


def test_a_changed_setting_makes_all_pending(tmp_path):
    _run_all(ToyStage(tmp_path))
    plan = ToyStage(tmp_path, setting=2).plan()
    assert pending(tmp_path, plan) == plan


def test_a_missing_or_resized_output_makes_its_unit_pending(tmp_path):
    stage = ToyStage(tmp_path)
    _run_all(stage)
    (tmp_path / "toys/u01.json").unlink()
    with (tmp_path / "toys/u03.json").open("a") as output:
        output.write(" ")
    assert [unit.unit_id for unit in pending(tmp_path, stage.plan())] == ["u01", "u03"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(st.floats(0, 1, exclude_max=True))
def test_a_truncated_marker_makes_its_unit_pending(tmp_path, fraction):
    stage = ToyStage(tmp_path, num_units=1)
    _run_all(stage)
    marker = tmp_path / "state/toy/u00.json"
    whole = marker.read_bytes().rstrip()
    marker.write_bytes(whole[: int(fraction * len(whole))])
    assert pending(tmp_path, stage.plan()) == stage.plan()


def test_a_marker_that_points_outside_the_run_folder_is_not_believed(tmp_path):
    stage = ToyStage(tmp_path / "run", num_units=1)
    _run_all(stage)
    precious = tmp_path / "precious.txt"
    precious.touch()
    marker = tmp_path / "run/state/toy/u00.json"
    marker.write_text(marker.read_text().replace("toys/u00.json", "../precious.txt"))
    prune(stage.run_dir, "toy", [])
    assert precious.exists()


def test_output_digests_are_those_of_the_files_of_finished_units(tmp_path):
    _run_all(ToyStage(tmp_path, behaviour={"u01": "raise"}, num_units=3))
    assert output_digests(tmp_path, "toy") == {
        name: hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
        for name in ("toys/u00.json", "toys/u02.json")
    }


def test_prune_deletes_what_is_planned_no_more(tmp_path):
    _run_all(ToyStage(tmp_path, num_units=4))
    small = ToyStage(tmp_path, num_units=2)
    for suffix in ("inflight", "crashes"):
        (tmp_path / f"state/toy/u03.{suffix}").touch()
    assert prune(tmp_path, "toy", small.plan()) == ["toys/u02.json", "toys/u03.json"]
    expected = {f"{folder}/u0{n}.json" for folder in ("toys", "state/toy") for n in (0, 1)}
    assert _files(tmp_path) == expected | {"calls.log"}
    assert pending(tmp_path, small.plan()) == []


def test_prune_keeps_a_file_that_another_planned_unit_writes_now(tmp_path):
    _run_all(ToyStage(tmp_path, num_units=1))
    heir = replace(ToyStage(tmp_path).unit("u07"), outputs=("toys/u00.json",))
    assert prune(tmp_path, "toy", [heir]) == []
    assert _files(tmp_path) == {"toys/u00.json", "calls.log"}


def test_prune_deletes_outputs_that_a_planned_unit_writes_no_more(tmp_path):
    _run_all(ToyStage(tmp_path, num_units=1))
    moved = replace(ToyStage(tmp_path).unit("u00"), outputs=("toys/moved.json",))
    assert prune(tmp_path, "toy", [moved]) == ["toys/u00.json"]
    assert pending(tmp_path, [moved]) == [moved]


def test_prune_leaves_other_stages_alone(tmp_path):
    _run_all(ToyStage(tmp_path, num_units=1, name="toy.other"))
    before = _files(tmp_path)
    prune(tmp_path, "toy", [])
    assert _files(tmp_path) == before


def test_clearing_a_unit_removes_old_outputs_and_what_a_killed_writer_left(tmp_path):
    stage = ToyStage(tmp_path, num_units=1)
    _run_all(stage)
    (tmp_path / "toys/.u00.json.0a1b2c3d.part").touch()
    clear_unit(tmp_path, replace(stage.unit("u00"), outputs=("toys/moved.json",)))
    clear_unit(tmp_path, stage.unit("u00"))
    assert _files(tmp_path) == {"calls.log"}


def test_a_tally_adds_counts_and_collects_errors(tmp_path):
    items = {"u00": ["a", "b"], "u02": ["c"]}
    _run_all(ToyStage(tmp_path, items=items, behaviour={"u01": "raise"}, num_units=3))
    seen = tally(read_markers(tmp_path, "toy"))
    assert (seen.num_done, seen.num_failed) == (2, 1)
    assert seen.counts == {"items": 3, "crashed": 0}
    assert seen.errors.keys() == {"u01"}
    assert seen.errors["u01"].startswith("ValueError: u01 is bad")


def test_the_tally_of_a_stage_that_never_ran_is_empty(tmp_path):
    seen = tally(read_markers(tmp_path, "toy"))
    assert (seen.num_done, seen.num_failed, seen.counts) == (0, 0, {})


@pytest.mark.parametrize("suffix", [".crashes", ".inflight"])
def test_notes_beside_the_markers_are_no_markers(tmp_path, suffix):
    _run_all(ToyStage(tmp_path, num_units=1))
    (tmp_path / f"state/toy/u00{suffix}").write_bytes(
        (tmp_path / "state/toy/u00.json").read_bytes()
    )
    assert len(read_markers(tmp_path, "toy")) == 1
