"""From real photographs through a scripted reviewer to the manifest."""

import csv
from pathlib import Path

import pytest
from review_client import Person
from typer.testing import CliRunner

from cleanmark.cli import app
from cleanmark.review import export_review, open_review, start_review
from manifests.manifest_json import read_manifest
from manifests.rows import CandidateVerdict, Decision
from pipelines.fork_server import start_fork_server
from review_ui.access import AccessSettings

pytestmark = pytest.mark.slow

CONFIG = Path(__file__).parents[2] / "configs/photos_mini.yaml"
SECOND_CLASS_OF_SACRE_COEUR = 164110
FIRST_CLASS_OF_SACRE_COEUR = 146388


def _invoke(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output


@pytest.fixture(scope="module")
def overlapping(photos_root):
    with (photos_root / "overlap_truth.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    return {int(row["landmark_id"]) for row in rows if row["shown_in_queries"] == "1"}


@pytest.fixture(scope="module")
def reviewed(photos_root, overlapping, tmp_path_factory):
    """A finished run, and somebody who has reviewed it, knowing the truth."""
    run_dir = tmp_path_factory.mktemp("photos") / "run"
    start_fork_server(["pytest"])
    root = f"source.root={photos_root}"
    _invoke("run", CONFIG, "--out", run_dir, "--set", root, "--set", "runner.workers=2")
    folder = open_review(run_dir, None, None)
    ana = Person(start_review(folder, AccessSettings("http://127.0.0.1:8765")), "ana")
    for pair in ana.review.run.pairs:
        is_match = pair.candidate.verdict is CandidateVerdict.MATCH
        is_same = is_match and pair.candidate.landmark_id in overlapping
        ana.vote(pair, Decision.SAME if is_same else Decision.DIFFERENT)
    assert export_review(folder) == len(ana.review.run.pairs)
    assert folder.store.verify() == []
    return run_dir, ana


def _removed(run_dir, policy):
    _invoke("emit", run_dir, "--policy", policy)
    manifest = read_manifest(run_dir / "manifests/manifest.json")
    assert manifest.pending == manifest.unmatched_decisions == 0
    return {removal.landmark_id for removal in manifest.removed_classes}


def test_confirmed_removes_exactly_the_overlapping_classes(reviewed, overlapping):
    run_dir, _ = reviewed
    assert len(overlapping) == 3
    assert _removed(run_dir, "confirmed") == overlapping


def test_the_papers_policy_leaves_the_second_class_behind(reviewed, overlapping):
    run_dir, _ = reviewed
    assert _removed(run_dir, "paper") == overlapping - {SECOND_CLASS_OF_SACRE_COEUR}


def test_the_class_view_says_so_before_anything_is_done(reviewed):
    _, ana = reviewed
    page = " ".join(ana.get(f"/classes/{SECOND_CLASS_OF_SACRE_COEUR}").text.split())
    paper = page.partition("<code>paper</code>")[2].partition("</li>")[0]
    assert "Stays behind although confirmed" in paper
    assert "runner-up" in page
    assert f"/classes/{FIRST_CLASS_OF_SACRE_COEUR}" in page
    confirmed = page.partition("<code>confirmed</code>")[2].partition("</li>")[0]
    assert '<span class="word removed">' in confirmed
