"""The review of an audit: what is shown, and what the certificate makes of it."""

import csv
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from audit_world import (
    LEAK_CLASS,
    LEAK_ID,
    QUERIES,
    VIEWS,
    World,
    draw_photographs,
    run_audit_here,
    write_class_folders,
    write_evaluation_set,
    write_world,
)
from review_client import Person, settle_body
from typer.testing import CliRunner

from cleanmark.cli import app
from cleanmark.review import export_review, open_review, start_review, verify_review
from curation.canary_choice import ID_PREFIX
from manifests.arrow_schemas import CANDIDATES
from manifests.certificates.covered_tables import FOLDER, FindingStatus
from manifests.decisions import DecisionsError
from manifests.parquet_io import read_table
from manifests.rows import CandidateVerdict, Decision
from pipelines.audit.certify import certify
from pipelines.audit.folder import WORK_FOLDER
from pipelines.audit.settings import AuditConfig
from pipelines.decision_log import current_decisions, decision_parts, import_decisions
from pipelines.run_folder import RunFolderError, locked, table_parts
from review_ui.access import AccessSettings
from review_ui.people import Role

SAME, DIFFERENT, UNSURE = Decision.SAME, Decision.DIFFERENT, Decision.UNSURE
LEAK_LABEL = f"class {LEAK_CLASS}"
LEAK_PATH = f"{LEAK_LABEL}/{LEAK_ID.lstrip('0')}.jpg"
HEADER = ("eval_set", "query_id", "image_id", "reviewer", "decision", "decided_at")


@dataclass(frozen=True)
class Audit:
    """An audit in a folder of its own."""

    config: AuditConfig
    out: Path

    def open(self, database=None):
        return open_review(self.out, None, database)

    def judge(self, decisions=None):
        """The certificate as it comes out now; nothing is computed anew."""
        return certify(self.config, self.out / WORK_FOLDER, self.out, decisions)

    def read_certified(self):
        files = [self.out / "certificate.json", *(self.out / FOLDER).iterdir()]
        files.append(self.out / "undecided.csv")
        return {path.name: path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """An audit of folders with text as labels and paths as ids; one photograph is a leak."""
    folder = tmp_path_factory.mktemp("folders")
    train = write_class_folders(folder / "train", draw_photographs(leak=True))
    world = World(train, train, write_evaluation_set(folder / "eval"))
    config = world.configure(train=train)
    run_audit_here(config, folder / "audit")
    return Audit(config, folder / "audit")


@pytest.fixture
def audit(finished, tmp_path):
    """A copy of it to decide on."""
    return Audit(finished.config, shutil.copytree(finished.out, tmp_path / "audit"))


def _start(folder):
    return start_review(folder, AccessSettings("http://127.0.0.1:8765"))


def _invoke(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def _vote(audit, decision, name="ana"):
    """Somebody decides the only pair, over HTTP; the decisions are written."""
    folder = audit.open()
    review = _start(folder)
    (pair,) = review.run.pairs
    Person(review, name).vote(pair, decision)
    export_review(folder)


def _find_leak(outcome):
    (status,) = {f.status for f in outcome.findings if f.image_id == LEAK_PATH}
    return status


def _write_decision(path, decision, decided_at="2026-05-01T12:00:00Z", name="ana"):
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(HEADER)
        writer.writerow(("walls", "north", LEAK_PATH, name, decision, decided_at))
    return path


# What is shown


def test_only_the_matches_of_listed_images_are_shown(audit):
    rows = read_table(table_parts(audit.out / WORK_FOLDER, "overlap"), CANDIDATES).to_pylist()
    planted = {row["image_id"].startswith(ID_PREFIX): row for row in rows}
    assert set(planted) == {True, False}
    assert {row["verdict"] for row in rows} > {CandidateVerdict.MATCH}
    assert [tuple(pair.key) for pair in audit.open().read_run().pairs] == [
        ("walls", "north", LEAK_PATH)
    ]


def test_the_class_has_the_label_and_all_photographs_of_the_list(audit):
    run = audit.open().read_run()
    (landmark,) = run.classes.values()
    assert (landmark.title, landmark.num_images) == (LEAK_LABEL, VIEWS + 1)
    assert not landmark.is_numbered
    pictures = _start(audit.open()).pictures
    for photograph in landmark.photographs:
        assert pictures.find_shape(photograph).width > 0


def test_the_points_are_those_that_the_search_counted(audit):
    run = audit.open().read_run()
    (pair,) = run.pairs
    points = run.finder.find(pair)
    assert pair.candidate.num_inliers > 0
    assert len(points.in_query) == len(points.in_image) == pair.candidate.num_inliers


def test_pages_speak_of_the_certificate_and_not_of_removal(audit):
    review = _start(audit.open())
    (pair,) = review.run.pairs
    ana = Person(review, "ana")
    paths = ("/", f"/classes/{pair.candidate.landmark_id}", "/review")
    pages = {path: ana.get(path).text for path in paths}
    # The label is text: the number that the steps give the class is nobody else's.
    assert f"class {pair.candidate.landmark_id}<" not in pages["/"]
    assert f"Class {pair.candidate.landmark_id}," not in pages[paths[1]]
    for page in pages.values():
        assert LEAK_LABEL in page
        assert "cleanmark emit" not in page
        assert "policy" not in page
    assert "Audit" in pages["/"]
    assert all("cleanmark audit" in pages[path] for path in paths[1:])


def test_an_image_with_the_bytes_of_the_query_is_not_asked_about(finished, tmp_path):
    """It overlaps whatever anybody says."""
    train = shutil.copytree(finished.config.train, tmp_path / "train")
    query = finished.config.evaluation_sets[0].images / f"{QUERIES[1]}.jpg"
    shutil.copy(query, train / "class 30" / "copy.jpg")
    config = finished.config.model_copy(update={"train": train, "photos": train})
    outcome = run_audit_here(config, tmp_path / "audit")
    (copy,) = [f for f in outcome.findings if f.image_id == "class 30/copy.jpg"]
    assert (copy.status, copy.num_inliers > 0) == (FindingStatus.OVERLAP, True)
    run = Audit(config, tmp_path / "audit").open().read_run()
    assert [pair.candidate.image_id for pair in run.pairs] == [LEAK_PATH]
    assert [landmark.title for landmark in run.classes.values()] == [LEAK_LABEL]


# What it does


def test_a_refused_match_lets_the_list_pass(audit):
    assert not audit.judge().certificate.verdict.passed
    _vote(audit, DIFFERENT)
    outcome = audit.judge()
    assert _find_leak(outcome) is FindingStatus.REFUSED
    assert outcome.certificate.verdict.passed
    assert outcome.certificate.votes.num_reviewers == 1


def test_a_confirmed_match_is_an_overlap(audit):
    _vote(audit, SAME)
    outcome = audit.judge()
    assert _find_leak(outcome) is FindingStatus.OVERLAP
    assert not outcome.certificate.verdict.passed


@pytest.mark.parametrize("then", [UNSURE, None])
def test_unsure_and_a_vote_taken_back_decide_nothing(audit, then):
    _vote(audit, DIFFERENT)
    _vote(audit, then)
    assert _find_leak(audit.judge()) is FindingStatus.UNDECIDED


def test_one_same_outweighs_others_until_a_lead_has_the_last_word(audit):
    folder = audit.open()
    review = _start(folder)
    (pair,) = review.run.pairs
    for name, decision in (("ana", SAME), ("ben", DIFFERENT)):
        Person(review, name).vote(pair, decision)
    export_review(folder)
    assert _find_leak(audit.judge()) is FindingStatus.OVERLAP
    lea = Person(review, "lea", Role.LEAD)
    lea.vote(pair, DIFFERENT)
    assert lea.post("/api/adjudications", settle_body(pair, DIFFERENT)).status_code == 201
    export_review(folder)
    assert _find_leak(audit.judge()) is FindingStatus.REFUSED


def test_a_review_touches_nothing_of_the_certificate(audit):
    before = audit.read_certified()
    _vote(audit, DIFFERENT)
    assert audit.read_certified() == before
    assert verify_review(audit.open()) == []
    agreement = json.loads((audit.out / "decisions/review_agreement.json").read_text())
    assert agreement["num_shared"] == 0
    assert (audit.out / "decisions/review_events.parquet").is_file()


def test_what_was_decided_is_shown_again_and_can_be_changed(audit):
    _vote(audit, DIFFERENT)
    audit.judge()
    _vote(audit, SAME)
    assert len(decision_parts(audit.out)) == 2
    assert _find_leak(audit.judge()) is FindingStatus.OVERLAP


@pytest.mark.parametrize(
    ("decided_at", "status"),
    [
        ("2001-01-01T12:00:00Z", FindingStatus.REFUSED),
        ("2999-01-01T12:00:00Z", FindingStatus.OVERLAP),
    ],
)
def test_of_decisions_in_both_places_the_later_one_counts(audit, tmp_path, decided_at, status):
    _vote(audit, DIFFERENT)
    given = _write_decision(tmp_path / "given.csv", SAME, decided_at)
    outcome = audit.judge(given)
    assert _find_leak(outcome) is status
    assert outcome.certificate.votes.num_reviewers == 1


def test_decisions_of_two_people_in_two_places_both_count(audit, tmp_path):
    _vote(audit, DIFFERENT)
    outcome = audit.judge(_write_decision(tmp_path / "given.csv", SAME, name="ben"))
    assert _find_leak(outcome) is FindingStatus.OVERLAP
    assert outcome.certificate.votes.num_reviewers == 2


def test_the_certificate_is_the_same_wherever_the_decisions_came_from(audit, finished, tmp_path):
    _vote(audit, DIFFERENT)
    audit.judge()
    other = Audit(finished.config, shutil.copytree(finished.out, tmp_path / "other"))
    other.judge(_write_decision(tmp_path / "given.csv", DIFFERENT))
    assert audit.read_certified() == other.read_certified()


# Which folders


def test_the_work_folder_is_refused_with_the_folder_to_give(audit):
    status, _, errors = _invoke("review", audit.out / WORK_FOLDER)
    assert status == 2
    assert errors.startswith("cleanmark: ")
    assert errors.rstrip().endswith(f"give the folder of its certificate, {audit.out}")
    assert not (audit.out / WORK_FOLDER / "review").exists()


def test_an_audit_without_matches_says_so_in_one_line(tmp_path):
    world = write_world(tmp_path)
    run_audit_here(world.configure(), tmp_path / "audit")
    status, _, errors = _invoke("review", tmp_path / "audit")
    assert status == 2
    assert "no match depends on people" in errors
    assert errors.count("\n") == 1


def test_an_audit_that_has_not_searched_yet_says_so(audit):
    shutil.rmtree(audit.out / WORK_FOLDER / "state" / "overlap")
    with pytest.raises(RunFolderError, match="run the same `cleanmark audit` command again"):
        audit.open().read_run()


def test_settings_that_cannot_be_understood_are_named(audit):
    (audit.out / WORK_FOLDER / "audit.json").write_text("{}")
    with pytest.raises(RunFolderError, match=r"audit\.json: train: must be given"):
        audit.open()


def test_nothing_is_written_while_an_audit_is_at_work(audit):
    folder = audit.open()
    with locked(audit.out / WORK_FOLDER), pytest.raises(RunFolderError, match="at work"):
        export_review(folder)
    assert decision_parts(audit.out) == []


def test_an_audit_does_not_go_into_the_folder_of_a_run(own_run, audit):
    arguments = ("audit", audit.config.train, "--out", own_run.run_dir)
    against = own_run.run_dir.parent / "set.yaml"
    against.write_text("name: walls\nimages: .\nground_truth: gnd.json\n")
    status, _, errors = _invoke(*arguments, "--against", against)
    assert status == 2
    assert "the folder of a run" in errors


def test_ids_that_are_paths_are_for_audits_alone(tmp_path):
    path = _write_decision(tmp_path / "given.csv", SAME)
    with pytest.raises(DecisionsError, match="is not 16 lower-case hexadecimal digits"):
        import_decisions(tmp_path / "run", path)
    import_decisions(tmp_path / "audit", path, any_image_id=True)
    (row,) = current_decisions(tmp_path / "audit", any_image_id=True)
    assert row.image_id == LEAK_PATH
    with pytest.raises(DecisionsError, match="is not 16 lower-case hexadecimal digits"):
        current_decisions(tmp_path / "audit")


# The command


def test_the_command_exports_imports_and_verifies(audit, finished, tmp_path):
    folder = audit.open()
    review = _start(folder)
    Person(review, "ana").vote(review.run.pairs[0], DIFFERENT)
    log = tmp_path / "log.parquet"
    status, output, _ = _invoke("review", audit.out, "--export", log)
    assert (status, output.startswith("1 decisions in")) == (0, True)
    other = Audit(finished.config, shutil.copytree(finished.out, tmp_path / "other"))
    status, output, _ = _invoke(
        "review", other.out, "--import", log, "--export", tmp_path / "again.parquet"
    )
    assert (status, output.startswith("1 new events")) == (0, True)
    assert other.judge().certificate.verdict.passed
    status, output, _ = _invoke("review", other.out, "--verify")
    assert (status, output.startswith("1 events, none changed")) == (0, True)
