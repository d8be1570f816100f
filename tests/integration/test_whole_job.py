"""The whole job on a tiny data set: what must always hold, whatever happens to the machine."""

import csv
import io
import shutil
import signal
from collections import Counter
from dataclasses import replace
from functools import partial

import pytest
from command_line import has_marker, processes_of_session, start_cleanmark, stop_when, wait_until
from faulty_stages import FaultyStage
from rich.console import Console
from stage_runs import Run, read_outputs
from tiny_run import OVERLAPPING_CLASS, run_tiny_job, tiny_config

from manifests.manifest_json import read_manifest
from manifests.rows import MEANINGS
from pipelines import job
from pipelines.decision_log import import_decisions
from pipelines.fork_server import start_fork_server
from pipelines.markers import read_markers
from pipelines.run_config import dump_config
from pipelines.units import UnitStatus

HEADER = ("eval_set", "query_id", "image_id", "reviewer", "decision", "decided_at")
POLICIES = ("paper", "confirmed", "strict")


def _manifest(run):
    return read_manifest(run.run_dir / "manifests/manifest.json")


def _with(run, **sections):
    updates = {
        name: getattr(run.config, name).model_copy(update=change)
        for name, change in sections.items()
    }
    return replace(run, config=run.config.model_copy(update=updates))


def _run_job(run):
    """Run the job as the command does; return its results by step."""
    start_fork_server(["pytest"])
    results = job.run_job(run.config, run.run_dir, Console(file=io.StringIO()))
    return {result.name: result for result in results}


def _confirm(run, tmp_path, landmark_id):
    """Say `same` of every candidate of a class."""
    path = tmp_path / "decisions.csv"
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(HEADER)
        for row in run.rows("candidates"):
            if row["landmark_id"] == landmark_id:
                key = (row["eval_set"], row["query_id"], row["image_id"])
                writer.writerow((*key, "ana", "same", "2026-05-01T12:00:00Z"))
    import_decisions(run.run_dir, path)


# What must always hold


@pytest.fixture(params=["undecided", *POLICIES])
def judged(request, own_run, tmp_path):
    """A finished run, before decisions and after them under each policy."""
    if request.param == "undecided":
        return own_run
    run = _with(own_run, emit={"policy": request.param})
    _confirm(run, tmp_path, OVERLAPPING_CLASS)
    run.finish()
    return run


def test_every_file_of_the_shards_is_accounted_for(judged):
    ingested = Counter((row["shard"], row["image_id"]) for row in judged.rows("images"))
    kept = judged.manifest_rows("rgldv2_clean")
    removed = judged.manifest_rows("removed")
    assert len(kept) + len(removed) == ingested.total() == _manifest(judged).ingested
    ids = Counter(row["image_id"] for row in [*kept, *removed])
    assert ids == Counter(row["image_id"] for row in judged.rows("images"))


def test_the_reasons_add_up_and_every_one_has_a_meaning(judged):
    removed = judged.manifest_rows("removed")
    by_reason = Counter((row["stage"], row["reason"]) for row in removed)
    manifest = _manifest(judged)
    assert by_reason == {
        (stage, reason): count
        for stage, counts in manifest.removed.items()
        for reason, count in counts.items()
    }
    assert manifest.ingested == manifest.counts.images + by_reason.total()
    words = {str(word) for word in MEANINGS}
    assert all(row["reason"] in words and row["evidence"] for row in removed)


def test_no_kept_image_is_of_a_removed_class(judged):
    removed = {removal.landmark_id for removal in _manifest(judged).removed_classes}
    assert removed.isdisjoint(r["landmark_id"] for r in judged.manifest_rows("rgldv2_clean"))


def test_images_out_are_images_in_less_the_removed_classes(judged):
    sizes = Counter(row["landmark_id"] for row in judged.manifest_rows("gldv2_clean"))
    manifest = _manifest(judged)
    gone = sum(sizes[removal.landmark_id] for removal in manifest.removed_classes)
    assert manifest.gldv2_clean.images == sizes.total()
    assert manifest.counts.images == sizes.total() - gone
    assert all(r.images == sizes[r.landmark_id] for r in manifest.removed_classes)


@pytest.mark.parametrize("policy", POLICIES)
def test_a_confirmed_class_goes_and_going_twice_changes_nothing(own_run, tmp_path, policy):
    run = _with(own_run, emit={"policy": policy})
    _confirm(run, tmp_path, OVERLAPPING_CLASS)
    run.finish()
    assert [r.landmark_id for r in _manifest(run).removed_classes] == [OVERLAPPING_CLASS]
    once = read_outputs(run.run_dir)
    _confirm(run, tmp_path, OVERLAPPING_CLASS)
    run.finish()
    assert read_outputs(run.run_dir) == once


# The same bytes, whatever happens


@pytest.mark.parametrize("workers", [1, 2])
def test_the_number_of_workers_changes_no_byte(tiny_run, tmp_path, workers):
    run = _with(Run(tiny_run.config, tmp_path / "run"), runner={"workers": workers})
    run_tiny_job(run.config, run.run_dir)
    assert read_outputs(run.run_dir) == read_outputs(tiny_run.run_dir)
    assert run.config.digest == tiny_run.config.digest


def test_the_order_of_the_lists_changes_no_byte(tiny_run, tmp_path):
    root = shutil.copytree(tiny_run.config.source.root, tmp_path / "gldv2")
    for path in sorted((root / "metadata").glob("*.csv")):
        header, *rows = path.read_text().splitlines()
        path.write_text("\n".join([header, *reversed(rows)]) + "\n")
        original = tiny_run.config.source.root / "metadata" / path.name
        assert path.read_text().split() != original.read_text().split()
    run = _with(Run(tiny_run.config, tmp_path / "run"), source={"root": root})
    run.finish()
    assert read_outputs(run.run_dir) == read_outputs(tiny_run.run_dir)


@pytest.fixture(scope="module")
def cut_up(tiny_root, tmp_path_factory):
    """An undisturbed run whose pairs are cut into four units."""
    config = tiny_config(tiny_root, verify={"schedule": {"min_units": 4}}, runner={"workers": 2})
    run = Run(config, tmp_path_factory.mktemp("cut_up"))
    run.finish()
    return run


def _make_faulty(monkeypatch, tmp_path, name, **faults):
    """Let a step of the job misbehave, in whatever process it runs."""
    memory = tmp_path / "memory"
    memory.mkdir()
    build = job.build_steps

    def build_faulty(config, run_dir):
        return [
            FaultyStage(step, memory, **faults) if step.name == name else step
            for step in build(config, run_dir)
        ]

    monkeypatch.setattr(job, "build_steps", build_faulty)


def test_units_that_raise_crash_or_hang_fail_alone_and_are_done_again(
    cut_up, tmp_path, monkeypatch
):
    run = Run(cut_up.config, tmp_path / "run")
    units = {"part-00000": "raise", "part-00001": "segfault", "part-00002": "hang"}
    with monkeypatch.context() as context:
        _make_faulty(context, tmp_path, "verify", units=units, timeout_seconds=8.0)
        results = _run_job(run)
    assert list(results)[-1] == "verify"
    errors = {failure.unit_id: failure.error for failure in results["verify"].failures}
    assert errors.keys() == units.keys()
    assert errors["part-00000"].startswith("RuntimeError: part-00000 is in a bad mood")
    assert "the worker was killed by SIGSEGV" in errors["part-00001"]
    assert errors["part-00002"] == "no end within 8 s; no item was in flight"
    done = run.run_dir / "state/verify/part-00003.json"
    before = done.stat().st_mtime_ns

    results = _run_job(run)
    assert {name: result.num_run for name, result in results.items()} == {
        "ingest.scan": 0,
        "ingest.join": 0,
        "describe": 0,
        "embed.codebook": 0,
        "embed": 0,
        "verify": len(units),
        "clean": 4,
        "clean.calibrate": 1,
        "clean.uncertain": 4,
        "clean.duplicates": 1,
        "clean.index_duplicates": 0,
        "overlap.queries": 1,
        "overlap": 2,
        "emit": 1,
    }
    assert done.stat().st_mtime_ns == before
    assert read_outputs(run.run_dir) == read_outputs(cut_up.run_dir)


def test_an_image_that_crashes_the_decoder_is_removed_and_the_others_are_not(
    cut_up, tmp_path, monkeypatch
):
    fatal, unlucky = (row for row in cut_up.rows("images") if row["landmark_id"] == 104)
    items = {fatal["member"]: "segfault", unlucky["member"]: "die once"}
    run = Run(cut_up.config, tmp_path / "run")
    _make_faulty(monkeypatch, tmp_path, "ingest.scan", items=items)
    results = _run_job(run)
    assert not any(result.failures for result in results.values())
    undisturbed = {row["image_id"]: row for row in cut_up.rows("images")}
    for row in run.rows("images"):
        if row["image_id"] == fatal["image_id"]:
            assert row["status"] == "decoder_crashed"
            assert "SIGSEGV" in row["reason"]
        else:
            assert row == undisturbed[row["image_id"]]
    assert _manifest(run).removed["ingest"]["decoder_crashed"] == 1
    assert _manifest(run).ingested == _manifest(cut_up).ingested


@pytest.mark.parametrize("step", ["describe", "verify", "overlap"])
def test_a_killed_job_leaves_no_process_and_ends_in_the_same_bytes(cut_up, tmp_path, step):
    config = tmp_path / "tiny.yaml"
    config.write_text(dump_config(cut_up.config))
    out = tmp_path / "run"
    with start_cleanmark("run", config, "--out", out) as process:
        stop_when(process, partial(has_marker, out, step), signal.SIGKILL)
        wait_until(lambda: not processes_of_session(process.pid))
    assert process.returncode == -signal.SIGKILL
    assert not (out / "manifests/manifest.json").exists()
    done = {marker.unit_id for marker in read_markers(out, "describe")}

    results = {r.name: r for r in run_tiny_job(cut_up.config, out)}
    assert results["ingest.scan"].num_run == results["ingest.join"].num_run == 0
    assert results["describe"].num_run == 2 - len(done)
    assert read_outputs(out) == read_outputs(cut_up.run_dir)


# What a change redoes


@pytest.mark.parametrize(
    ("change", "redone"),
    [
        (
            {"clean": {"min_verified_neighbours": 3}},
            ["clean", "clean.calibrate", "clean.uncertain", "clean.duplicates", "overlap", "emit"],
        ),
        ({"emit": {"policy": "strict"}}, ["emit"]),
        ({"runner": {"workers": 2}}, []),
    ],
    ids=["clean", "emit", "runner"],
)
def test_a_changed_setting_redoes_exactly_what_depends_on_it(own_run, change, redone):
    run = _with(own_run, **change)
    results = _run_job(run)
    assert [name for name, result in results.items() if result.num_run] == redone
    for name in redone:
        assert results[name].num_run == results[name].num_units
    assert not any(result.num_run for result in _run_job(run).values())


def test_changing_back_gives_the_first_bytes_again(own_run, tiny_run):
    _with(own_run, clean={"min_verified_neighbours": 3}).finish()
    assert read_outputs(own_run.run_dir) != read_outputs(tiny_run.run_dir)
    own_run.finish()
    assert read_outputs(own_run.run_dir) == read_outputs(tiny_run.run_dir)


def test_a_damaged_output_is_made_again(own_run, tiny_run):
    part = own_run.run_dir / "matches/part-00000.parquet"
    part.write_bytes(part.read_bytes()[:-1])
    (own_run.run_dir / "features/images_001.bin").unlink()
    done = own_run.finish()
    assert done["describe"] == ["images_001"]
    assert done["verify"] == ["part-00000"]
    assert read_outputs(own_run.run_dir) == read_outputs(tiny_run.run_dir)


def test_a_run_folder_may_be_moved(own_run, tmp_path):
    shutil.move(own_run.run_dir, tmp_path / "elsewhere")
    moved = Run(own_run.config, tmp_path / "elsewhere")
    assert not any(result.num_run for result in _run_job(moved).values())
    markers = read_markers(moved.run_dir, "emit")
    assert [marker.status for marker in markers] == [UnitStatus.DONE]
