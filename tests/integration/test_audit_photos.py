"""An audit of real photographs: exactly the classes that show the queries are named."""

import csv

import pytest
from audit_world import run_audit_here

from manifests.certificates.covered_tables import FindingStatus
from manifests.certificates.gates import GateName
from manifests.gldv2_csv import write_train_clean_csv
from pipelines.audit.settings import load_audit

FEW = ("canaries.per_kind=2", "canaries.controls_per_kind=2", "gate.min_recall=0.3")
MANY_FALSE = "gate.max_false_accept_rate=0.7"
SHOWN = {"47378", "146388", "164110"}
QUERY_OF = {"47378": "eiffel", "146388": "sacrecoeur", "164110": "sacrecoeur"}


@pytest.fixture
def against(photos_root, tmp_path):
    path = tmp_path / "miniopen.yaml"
    path.write_text(
        'name: miniopen\nimages: "{source.root}/eval/jpg"\n'
        'ground_truth: "{source.root}/eval/gnd_miniopen.json"\n'
    )
    return path


def _configure(train, against, photos_root):
    return load_audit(train, [against], photos_root, [*FEW, MANY_FALSE])


def _failed(outcome):
    return {gate.name for gate in outcome.certificate.verdict.gates if not gate.passed}


@pytest.mark.slow
def test_the_raw_list_fails_by_its_three_classes_and_passes_without(photos_root, against, tmp_path):
    train = photos_root / "metadata" / "train.csv"
    outcome = run_audit_here(_configure(train, against, photos_root), tmp_path / "out")
    assert {finding.label for finding in outcome.findings} == SHOWN
    assert {finding.status for finding in outcome.findings} == {FindingStatus.UNDECIDED}
    for finding in outcome.findings:
        assert QUERY_OF[finding.label] in finding.query_id
    assert _failed(outcome) == {GateName.UNDECIDED, GateName.EXAMINED}
    # The same work folder: of the images that stay nothing is lost.
    shorter = _write_without_overlap(photos_root, tmp_path / "train_clean.csv")
    outcome = run_audit_here(_configure(shorter, against, photos_root), tmp_path / "out")
    assert outcome.findings == []
    assert outcome.certificate.verdict.passed, outcome.certificate.verdict.reason


def _write_without_overlap(photos_root, path):
    """A list of all images but those of the three classes, and the two that are no photographs."""
    classes: dict[int, list[str]] = {}
    with (photos_root / "truth.csv").open() as stream:
        for row in csv.DictReader(stream):
            if row["landmark_id"] not in SHOWN and not row["planted"].startswith("broken"):
                classes.setdefault(int(row["landmark_id"]), []).append(row["image_id"])
    write_train_clean_csv(path, classes)
    return path
