"""What a machine can do to a job: kill it, fill its disk, stall its reads, lose its power."""

import io
import json
import os
import random
import shutil

import pytest
from command_line import run_cleanmark
from faulty_stages import FaultyStage
from rich.console import Console
from small_disk import small_disk
from stage_runs import Run, read_outputs
from tiny_run import tiny_config

from benchmarks.kill_campaign import run_campaign
from pipelines import job
from pipelines.fork_server import start_fork_server
from pipelines.ledger import LEDGER_STEPS, LedgerError, read_accounts
from pipelines.markers import read_markers
from pipelines.run_config import dump_config
from pipelines.storage import StorageError
from pipelines.units import UnitStatus


def _run_job(run, only=()):
    start_fork_server(["pytest"])
    results = job.run_job(run.config, run.run_dir, Console(file=io.StringIO()), only=only)
    return {result.name: result for result in results}


def _with_workers(tiny_run, run_dir, workers):
    runner = tiny_run.config.runner.model_copy(update={"workers": workers})
    return Run(tiny_run.config.model_copy(update={"runner": runner}), run_dir)


def _make_faulty(monkeypatch, tmp_path, step_name=None, **faults):
    """Let a step misbehave, or all of them; return the folder that remembers what was hit."""
    build = job.build_steps

    def build_faulty(config, run_dir):
        return [
            FaultyStage(step, _make_memory(tmp_path, step.name), **faults)
            if step_name in (None, step.name)
            else step
            for step in build(config, run_dir)
        ]

    monkeypatch.setattr(job, "build_steps", build_faulty)
    return tmp_path / "memory"


def _make_memory(tmp_path, name):
    folder = tmp_path / "memory" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


# Killed


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_every_worker_of_every_step_may_be_killed_once(tiny_run, tmp_path, monkeypatch, workers):
    run = _with_workers(tiny_run, tmp_path / "run", workers)
    memory = _make_faulty(monkeypatch, tmp_path, units={"*": "die once"})
    results = _run_job(run)
    assert not any(result.failures for result in results.values())
    num_units = sum(result.num_units for result in results.values())
    assert len([path for path in memory.rglob("*") if path.is_file()]) == num_units
    assert read_outputs(run.run_dir) == read_outputs(tiny_run.run_dir)
    assert tuple(read_accounts(run.run_dir)) == LEDGER_STEPS


@pytest.mark.timeout(900)
def test_random_kills_lose_nothing(tiny_run, tmp_path):
    config = tmp_path / "job.yaml"
    config.write_text(dump_config(_with_workers(tiny_run, tmp_path, 2).config))
    shutil.copytree(tiny_run.run_dir, tmp_path / "peace")
    found = run_campaign(config, tmp_path / "peace", 4, random.Random(1))
    assert found.num_kills >= 4
    assert found.num_identical == found.num_runs
    assert found.finished_units_run_again == 0
    assert found.rows_lost_or_doubled == found.unbalanced_steps == found.leftover_files == 0
    assert max(found.units_in_work) <= 2


def test_a_machine_that_lost_its_power_makes_its_damaged_parts_again(own_run, tiny_run):
    run_dir = own_run.run_dir
    for path in ("features/images_000.bin", "matches/part-00000.parquet"):
        (run_dir / path).write_bytes(bytes((run_dir / path).stat().st_size))
    (run_dir / "verdicts/part-00000.parquet").write_bytes(b"")
    (run_dir / "state/embed/images_001.json").write_bytes(b"")
    (run_dir / ".session.json").write_text(json.dumps({"boot_id": "before the power cut"}))
    os.utime(run_dir / ".session.json", (0, 0))
    results = _run_job(own_run)
    assert results["ingest.scan"].num_run == 0
    assert results["describe"].num_run == results["embed"].num_run == 1
    assert read_outputs(run_dir) == read_outputs(tiny_run.run_dir)


# A full disk


@pytest.mark.parametrize("size_kib", [60, 400, 1200])
def test_a_full_disk_stops_the_job_which_goes_on_when_there_is_room(tiny_run, tmp_path, size_kib):
    with small_disk(tmp_path / "disk", f"size={size_kib}k") as disk:
        run = _with_workers(tiny_run, disk.path / "run", 2)
        with pytest.raises(StorageError, match="What is finished is kept") as failure:
            _run_job(run)
        assert str(failure.value).startswith(f"{run.run_dir}: cannot be written")
        assert not list(run.run_dir.rglob("*.part"))
        done = {step: _list_done(run, step) for step in LEDGER_STEPS}
        disk.resize("size=64m")
        results = _run_job(run)
        for step, units in done.items():
            assert results[step].num_run == results[step].num_units - len(units)
        assert read_outputs(run.run_dir) == read_outputs(tiny_run.run_dir)


def _list_done(run, step):
    markers = read_markers(run.run_dir, step)
    assert {marker.status for marker in markers} <= {UnitStatus.DONE}  # nothing is to blame
    return [marker.unit_id for marker in markers]


def test_the_command_says_where_the_disk_is_full_and_what_to_do(tiny_run, tmp_path):
    config = tmp_path / "job.yaml"
    config.write_text(dump_config(tiny_run.config))
    with small_disk(tmp_path / "disk", "size=200k") as disk:
        status, _, errors = run_cleanmark("run", config, "--out", disk.path / "run")
    assert status == 1
    (line,) = errors.splitlines()
    assert line.startswith(f"cleanmark: {disk.path / 'run'}: cannot be written while running ")
    assert "No space left on device" in line
    assert "units of describe" in line


# Reading


def test_a_slow_disk_is_no_fault_of_the_images(tiny_root, tiny_run, tmp_path, monkeypatch):
    # Each read takes longer than an image may.
    _make_faulty(monkeypatch, tmp_path, "describe", read_seconds=0.5)
    sections = tiny_run.config.model_dump(mode="json", include={"clean"})
    config = tiny_config(tiny_root, **sections, ingest={"item_timeout_seconds": 0.4})
    shutil.copytree(tiny_run.run_dir, tmp_path / "run", ignore=_leave_out_describe)
    run = Run(config, tmp_path / "run")
    results = _run_job(run, only=["describe"])
    assert results["describe"].num_run == 2
    assert {row["status"] for row in run.rows("features")} == {"ok"}


def _leave_out_describe(folder, names):
    return {"describe"} & set(names)


@pytest.mark.parametrize("step", ["ingest.scan", "describe"])
def test_an_image_that_crashes_a_decoder_anywhere_costs_itself_alone(
    tiny_run, tmp_path, monkeypatch, step
):
    fatal = next(row for row in tiny_run.rows("images") if row["landmark_id"] == 101)
    name = fatal["member"] if step == "ingest.scan" else fatal["image_id"]
    _make_faulty(monkeypatch, tmp_path, step, items={name: "segfault"})
    run = _with_workers(tiny_run, tmp_path / "run", 2)
    assert not any(result.failures for result in _run_job(run).values())
    removed = {row["image_id"]: row for row in run.manifest_rows("removed")}
    stage, reason = ("ingest", "decoder_crashed") if step == "ingest.scan" else ("clean", None)
    assert removed[fatal["image_id"]]["stage"] == stage
    assert reason in (None, removed[fatal["image_id"]]["reason"])
    if step == "describe":
        statuses = {row["image_id"]: row["status"] for row in run.rows("features")}
        assert statuses.pop(fatal["image_id"]) == "decoder_crashed"
        assert set(statuses.values()) == {"ok"}
    assert len(run.manifest_rows("rgldv2_clean")) + len(removed) == len(run.rows("images"))


def test_a_query_that_crashes_a_decoder_stops_the_job_by_name(tiny_run, tmp_path, monkeypatch):
    shutil.copytree(tiny_run.run_dir, tmp_path / "run", ignore=_leave_out_overlap)
    run = Run(tiny_run.config, tmp_path / "run")
    with monkeypatch.context() as context:
        _make_faulty(context, tmp_path, "overlap", items={"overlapping": "segfault"})
        results = _run_job(run)
    (failure,) = results["overlap"].failures
    assert "overlapping.jpg" in failure.error
    assert "SIGSEGV" in failure.error
    assert "replace the image" in failure.error
    assert "emit" not in results


def _leave_out_overlap(folder, names):
    return {"overlap"} & set(names)


# The ledger


def test_a_job_whose_stage_loses_a_row_stops_there(tiny_run, tmp_path, monkeypatch):
    shutil.copytree(tiny_run.run_dir, tmp_path / "run", ignore=_leave_out_describe)
    run = Run(tiny_run.config, tmp_path / "run")
    with monkeypatch.context() as context:
        _make_faulty(context, tmp_path, "describe", loses_a_row=True)
        with pytest.raises(LedgerError, match=r"features/images_00\d.parquet: 1 images lost"):
            _run_job(run)
    with pytest.raises(LedgerError):  # nor does it go on from there
        _run_job(run)
    shutil.rmtree(run.run_dir / "state/describe")  # as the error says
    _run_job(run)
    assert read_outputs(run.run_dir) == read_outputs(tiny_run.run_dir)


def test_the_status_shows_the_ledger(tiny_run, tmp_path):
    shutil.copytree(tiny_run.run_dir, tmp_path / "run")
    run = Run(tiny_run.config, tmp_path / "run")
    _run_job(run)
    status, output, _ = run_cleanmark("status", run.run_dir)
    assert status == 0
    assert "No image lost in" in output
