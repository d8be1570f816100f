"""The whole job on real photographs with known truth; skipped where the photographs are not."""

import csv
from pathlib import Path

import pytest
from stage_runs import Run
from typer.testing import CliRunner

from cleanmark.cli import app
from cleanmark.scoring import score_run
from manifests.manifest_json import read_manifest
from pipelines.fork_server import start_fork_server
from pipelines.run_folder import read_config

CONFIG = Path(__file__).parents[2] / "configs/photos_mini.yaml"
# The whole job on hundreds of photographs may take its time where much else goes on.
pytestmark = pytest.mark.timeout(1200)
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


def test_every_member_has_a_row_and_the_broken_ones_a_reason(photos_run, photos_root):
    """What was planted: 146 photographs, of which one is cut short and one is a web page."""
    run, _ = photos_run
    with (photos_root / "truth.csv").open(newline="") as stream:
        planted = {row["image_id"]: row["planted"] for row in csv.DictReader(stream)}
    rows = {row["image_id"]: row for row in run.rows("images")}
    assert len(rows) == len(run.rows("images")) == 146
    assert rows.keys() == planted.keys()
    broken = {i: (row["status"], row["reason"]) for i, row in rows.items() if row["status"] != "ok"}
    assert sorted(status for status, _ in broken.values()) == ["not_an_image", "truncated"]
    for image_id, (status, reason) in broken.items():
        is_page = status == "not_an_image"
        what = "broken: not an image" if is_page else "broken: truncated JPEG"
        assert planted[image_id] == what
        expected = "it begins with b'<" if is_page else "begins as JPEG but does not decode"
        assert expected in reason


def test_a_wrong_extension_is_kept_and_noted(photos_run):
    """The first bytes decide what a file is, whatever the row says."""
    run, _ = photos_run
    signatures = {b"\x89PNG": "PNG inside .jpg", b"GIF8": "GIF inside .jpg", b"RIFF": "WEBP inside"}
    for row in run.rows("images"):
        with (run.config.source.root / row["shard"]).open("rb") as shard:
            shard.seek(row["offset"])
            note = signatures.get(shard.read(4))
        assert (note is not None) == ("inside" in (row["reason"] or ""))
        assert note is None or (row["status"] == "ok" and note in row["reason"])


def test_the_ledger_adds_up_stage_by_stage(photos_run):
    run, _ = photos_run
    images, verdicts = run.rows("images"), run.rows("verdicts")
    usable = {row["image_id"] for row in images if row["status"] == "ok"}
    assert {row["image_id"] for row in verdicts} == usable
    kept = {row["image_id"] for row in verdicts if row["kept"]}
    removed = run.manifest_rows("removed")
    assert len(removed) == len({row["image_id"] for row in removed}) == len(images) - len(kept)
    assert {row["image_id"] for row in run.manifest_rows("gldv2_clean")} == kept
    assert all(row["reason"] for row in (*verdicts, *removed))
    assert {row["image_id"] for row in removed} | kept == {row["image_id"] for row in images}


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
