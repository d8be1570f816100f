import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipelines_helpers import ToyStage

from pipelines.units import PlanError, Unit, check_plan, make_unit

STAGE = ToyStage(Path("nowhere"))
ARGUMENTS = {
    "spec": {"shard": "a.tar", "first": 0},
    "outputs": ["features/a.parquet"],
    "inputs": {"images/a.parquet": "0" * 64},
    "settings": {"max_features": 1000},
}


@pytest.mark.parametrize(
    "change",
    [
        {"spec": {"shard": "b.tar", "first": 0}},
        {"outputs": ["features/b.parquet"]},
        {"inputs": {"images/a.parquet": "1" * 64}},
        {"inputs": {}},
        {"settings": {"max_features": 1001}},
    ],
)
def test_fingerprint_depends_on_each_argument(change):
    unit = make_unit(STAGE, "a", **ARGUMENTS)
    assert make_unit(STAGE, "a", **(ARGUMENTS | change)).fingerprint != unit.fingerprint


def test_fingerprint_depends_on_the_stage_its_version_and_the_unit():
    fingerprints = {
        make_unit(stage, unit_id, **ARGUMENTS).fingerprint
        for stage in (STAGE, replace(STAGE, version=2), replace(STAGE, name="other"))
        for unit_id in ("a", "b")
    }
    assert len(fingerprints) == 6


def test_fingerprint_does_not_depend_on_how_the_stage_is_run():
    patient = replace(STAGE, isolate=False, timeout_seconds=1.0)
    assert make_unit(patient, "a", **ARGUMENTS) == make_unit(STAGE, "a", **ARGUMENTS)


@given(st.dictionaries(st.text(), st.integers() | st.text(), min_size=2), st.randoms())
def test_fingerprint_does_not_depend_on_the_order_of_keys(spec, random):
    keys = list(spec)
    random.shuffle(keys)
    shuffled = {key: spec[key] for key in keys}
    first = make_unit(STAGE, "a", **(ARGUMENTS | {"spec": spec}))
    assert make_unit(STAGE, "a", **(ARGUMENTS | {"spec": shuffled})).fingerprint == (
        first.fingerprint
    )


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "..", "a b", "ü", "x" * 121])
def test_unsafe_names_are_refused(name):
    with pytest.raises(PlanError, match="no safe file name"):
        Unit("toy", name, {}, (), "f")
    with pytest.raises(PlanError, match="no safe file name"):
        Unit(name, "u", {}, (), "f")


@pytest.mark.parametrize("output", ["/etc/passwd", "../x", "a/../../x", ".", "", "a//b", "./a"])
def test_outputs_outside_the_run_folder_are_refused(output):
    with pytest.raises(PlanError, match="relative to the run folder"):
        Unit("toy", "u", {}, (output,), "f")


def test_a_plan_with_a_clash_is_refused():
    unit = STAGE.unit("u")
    check_plan([unit, STAGE.unit("v")])
    with pytest.raises(PlanError, match="unit toy/u"):
        check_plan([unit, replace(unit, outputs=("toys/else.json",))])
    with pytest.raises(PlanError, match=r"output toys/u\.json"):
        check_plan([unit, replace(unit, unit_id="v")])


def test_beam_is_not_imported_before_a_pipeline_runs():
    code = "import pipelines.runners, sys; sys.exit('apache_beam' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
