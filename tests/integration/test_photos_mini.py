"""The whole job on real photographs with known truth; skipped where the photographs are not."""

import csv
from pathlib import Path

import pytest
from stage_runs import Run
from typer.testing import CliRunner

from cleanmark.cli import app
from cleanmark.scoring import score_run
from manifests.manifest_json import read_manifest
from pipelines.child import start_fork_server
from pipelines.run_folder import read_config

CONFIG = Path(__file__).parents[2] / "configs/photos_mini.yaml"
HEADER = ("eval_set", "query_id", "image_id", "reviewer", "decision", "decided_at")


def _invoke(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="module")
def photos_run(photos_root, tmp_path_factory):
    """A finished run without decisions, and what the command printed."""
    run_dir = tmp_path_factory.mktemp("photos") / "run"
    start_fork_server(["pytest"])
    output = _invoke(
        "run", CONFIG, "--out", run_dir, "--set", f"source.root={photos_root}",
        "--set", "runner.workers=2",
    )  # fmt: skip
    return Run(read_config(run_dir), run_dir), output


@pytest.fixture(scope="module")
def score(photos_run):
    run, _ = photos_run
    return score_run(run.run_dir, run.config.truth)


@pytest.fixture(scope="module")
def overlapping(photos_root):
    """The classes that really show a query's landmark."""
    with (photos_root / "overlap_truth.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    return {int(row["landmark_id"]) for row in rows if row["shown_in_queries"] == "1"}


def test_no_wrong_label_is_kept(score):
    assert score.clean.wrong_kept == ()
    assert score.clean.num_wrong > 20


def test_what_can_be_proved_is_kept(score):
    assert score.clean.num_provable > 60
    assert score.clean.num_provable_kept / score.clean.num_provable >= 0.95


def test_overlapping_classes_are_matched_by_their_pixels_and_no_others(score, overlapping):
    assert set(score.overlap.overlapping) == overlapping
    assert set(score.overlap.matched) == overlapping
    assert score.overlap.falsely_matched == ()


def test_broken_files_are_named_with_their_statuses(score, photos_run):
    assert sorted(score.unreadable.values()) == ["not_an_image", "truncated"]
    for member, status in score.unreadable.items():
        assert f"{member}: {status}" in photos_run[1]


def test_every_file_is_accounted_for(photos_run):
    run, _ = photos_run
    manifest = read_manifest(run.run_dir / "manifests/manifest.json")
    num_removed = sum(sum(counts.values()) for counts in manifest.removed.values())
    assert manifest.counts.images + num_removed == manifest.ingested == len(run.rows("images"))


def test_confirmed_classes_are_removed_and_only_they(photos_run, overlapping, tmp_path):
    run, _ = photos_run
    path = tmp_path / "decisions.csv"
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(HEADER)
        for row in run.rows("candidates"):
            is_same = row["verdict"] == "match" and row["landmark_id"] in overlapping
            key = (row["eval_set"], row["query_id"], row["image_id"])
            decision = "same" if is_same else "different"
            writer.writerow((*key, "ana", decision, "2026-05-01T12:00:00Z"))
    _invoke("emit", run.run_dir, "--decisions", path, "--policy", "confirmed")
    manifest = read_manifest(run.run_dir / "manifests/manifest.json")
    assert {removal.landmark_id for removal in manifest.removed_classes} == overlapping
    assert manifest.pending == manifest.unmatched_decisions == 0
    kept = {row["landmark_id"] for row in run.manifest_rows("rgldv2_clean")}
    assert kept.isdisjoint(overlapping)
