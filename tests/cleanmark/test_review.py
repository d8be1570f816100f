import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import yaml
from command_line import run_cleanmark
from review_client import Person, settle_body
from stage_runs import Run
from tiny_run import NAMES, OVERLAPPING_CLASS
from typer.testing import CliRunner

from cleanmark.cli import app
from cleanmark.review import (
    AGREEMENT_FILE,
    EXPORTED_EVENTS,
    choose_access,
    export_review,
    find_changes,
    load_review_settings,
    open_review,
    start_review,
    verify_review,
)
from cleanmark.review_error import ReviewError
from cleanmark.review_run import read_review_run
from manifests.decisions import DecisionRow
from manifests.manifest_json import read_manifest
from manifests.rows import CandidateVerdict, Decision
from pipelines.decision_log import current_decisions, decision_parts
from pipelines.run_folder import RunFolderError
from review_ui.access import AccessSettings
from review_ui.people import Role

SAME, DIFFERENT, UNSURE = Decision.SAME, Decision.DIFFERENT, Decision.UNSURE
NAME = NAMES[OVERLAPPING_CLASS]
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def _invoke(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def folder(own_run):
    return _open(own_run.run_dir)


def _open(run_dir, reviewers=None):
    return open_review(run_dir, reviewers, None)


def _start(folder):
    return start_review(folder, AccessSettings("http://127.0.0.1:8765"))


def _decided(run_dir):
    return {(row.reviewer, row.image_id): row.decision for row in current_decisions(run_dir)}


def _removed(run_dir, policy):
    status, output, errors = _invoke("emit", run_dir, "--policy", policy)
    assert status == 0, output + errors
    manifest = read_manifest(run_dir / "manifests/manifest.json")
    return {removal.landmark_id for removal in manifest.removed_classes}


# The evidence


def test_every_candidate_is_a_pair_with_its_pictures_and_points(folder):
    run = folder.read_run()
    review = _start(folder)
    assert len(run.pairs) == len(run.by_id)
    for pair in run.pairs:
        assert review.pictures.find_shape(pair.image).width > 0
        if pair.query is not None:
            points = run.finder.find(pair)
            assert len(points.in_query) == len(points.in_image) == pair.candidate.num_inliers
            for side in (points.in_query, points.in_image):
                assert ((side >= 0) & (side <= 1)).all()


def test_points_of_a_crop_lie_in_the_box(folder):
    run = folder.read_run()
    review = _start(folder)
    crops = [p for p in run.pairs if p.candidate.probe == "crop" and p.candidate.num_inliers]
    assert crops
    for pair in crops:
        left, top, right, bottom = review.pictures.find_box(pair.query)
        x, y = run.finder.find(pair).in_query.T
        assert (x >= left).all()
        assert (x <= right).all()
        assert (y >= top).all()
        assert (y <= bottom).all()


def test_a_class_that_bears_a_landmarks_name_is_shown_by_that_name(own_run):
    """Its query id begins with `name:`, as that of one found by a text term with `text:`."""
    sets = [
        s.model_copy(update={"landmark_names": (NAME,)}) for s in own_run.config.evaluation_sets
    ]
    config = own_run.config.model_copy(update={"evaluation_sets": tuple(sets)})
    Run(config, own_run.run_dir).finish()
    folder = _open(own_run.run_dir)
    run = folder.read_run()
    named = {pair.candidate.query_id: pair for pair in run.pairs if pair.query is None}
    assert {query_id: pair.text_term for query_id, pair in named.items()} == {
        "text:bridge": "bridge",
        f"name:{NAME}": NAME,
    }
    assert len(run.by_id) == len(run.pairs)
    Person(_start(folder), "ana").vote(named[f"name:{NAME}"], SAME)
    export_review(folder)
    assert _removed(own_run.run_dir, "confirmed") == {OVERLAPPING_CLASS}


def test_candidates_from_before_classes_were_judged_again_are_not_shown(own_run):
    clean = own_run.config.clean.model_copy(update={"min_verified_neighbours": 4})
    config = own_run.config.model_copy(update={"clean": clean})
    Run(config, own_run.run_dir).finish("clean")
    with pytest.raises(RunFolderError, match=r"not in the clean split any more; run the job again"):
        _open(own_run.run_dir).read_run()


def test_keys_survive_another_run_on_the_same_data(own_run, tiny_run, tmp_path):
    moved = tmp_path / "elsewhere"
    shutil.copytree(tiny_run.config.source.root, moved)
    settings = [
        s.model_copy(
            update={"images": moved / "eval", "ground_truth": moved / "eval/gnd_tiny.json"}
        )
        for s in own_run.config.evaluation_sets
    ]
    source = own_run.config.source.model_copy(update={"root": moved})
    config = own_run.config.model_copy(
        update={"source": source, "evaluation_sets": tuple(settings)}
    )
    here, there = (read_review_run(own_run.run_dir, c) for c in (own_run.config, config))
    assert [p.content_key for p in here.pairs] == [p.content_key for p in there.pairs]
    assert [p.evidence_digest for p in here.pairs] == [p.evidence_digest for p in there.pairs]


# Export


def test_what_was_decided_reaches_the_manifest(folder, own_run):
    ana = Person(_start(folder), "ana")
    for pair in folder.read_run().pairs:
        is_match = pair.candidate.verdict is CandidateVerdict.MATCH
        ana.vote(pair, SAME if is_match else DIFFERENT)
    num_decisions = export_review(folder)
    assert num_decisions == len(folder.read_run().pairs)
    assert _removed(own_run.run_dir, "confirmed") == {OVERLAPPING_CLASS}
    manifest = read_manifest(own_run.run_dir / "manifests/manifest.json")
    assert manifest.pending == manifest.unmatched_decisions == 0
    assert manifest.removed_classes[0].reviewers == ("ana",)


def test_an_export_adds_only_what_changed(folder, own_run):
    ana = Person(_start(folder), "ana")
    pair = folder.read_run().pairs[0]
    ana.vote(pair, SAME)
    export_review(folder)
    assert len(decision_parts(own_run.run_dir)) == 1
    export_review(folder)
    assert len(decision_parts(own_run.run_dir)) == 1
    ana.vote(pair, DIFFERENT)
    export_review(folder)
    assert len(decision_parts(own_run.run_dir)) == 2
    assert list(_decided(own_run.run_dir).values()) == [DIFFERENT]


def test_a_vote_taken_back_after_an_export_counts_no_more(folder, own_run):
    ana = Person(_start(folder), "ana")
    pairs = [p for p in folder.read_run().pairs if p.candidate.verdict is CandidateVerdict.MATCH]
    ana.vote(pairs[0], SAME)
    export_review(folder)
    assert _removed(own_run.run_dir, "confirmed") == {OVERLAPPING_CLASS}
    ana.vote(pairs[0], None)
    export_review(folder)
    assert list(_decided(own_run.run_dir).values()) == [UNSURE]
    assert _removed(own_run.run_dir, "confirmed") == set()


def test_the_last_word_replaces_exported_votes(folder, own_run):
    review = _start(folder)
    ana, ben = Person(review, "ana"), Person(review, "ben")
    lea = Person(review, "lea", Role.LEAD)
    pair = next(p for p in review.run.pairs if p.candidate.verdict is CandidateVerdict.MATCH)
    ana.vote(pair, SAME)
    ben.vote(pair, DIFFERENT)
    export_review(folder)
    assert _removed(own_run.run_dir, "confirmed") == {OVERLAPPING_CLASS}
    lea.vote(pair, DIFFERENT)
    assert lea.post("/api/adjudications", settle_body(pair, DIFFERENT)).status_code == 201
    export_review(folder)
    assert _removed(own_run.run_dir, "confirmed") == set()
    decided = {reviewer: d for (reviewer, _), d in _decided(own_run.run_dir).items()}
    assert decided["lea (adjudication)"] is DIFFERENT


def test_decisions_that_came_by_another_way_are_left_alone():
    other = DecisionRow("tiny", "q", "0" * 16, "zoe", SAME, NOON, None)
    assert find_changes({other.key: other}, [], set()) == []
    assert [row.decision for row in find_changes({other.key: other}, [], {other.key})] == [UNSURE]


def test_a_replaced_decision_is_later_whatever_the_clocks_say():
    old = DecisionRow("tiny", "q", "0" * 16, "ana", SAME, NOON, None)
    new = replace(old, decision=DIFFERENT, decided_at=NOON.replace(hour=3))
    (row,) = find_changes({old.key: old}, [new], {old.key})
    assert row.decided_at > old.decided_at


def test_agreement_and_log_lie_beside_the_decisions(folder, own_run):
    review = _start(folder)
    pair = review.run.pairs[0]
    for name in ("ana", "ben"):
        Person(review, name).vote(pair, SAME)
    export_review(folder)
    agreement = json.loads((own_run.run_dir / "decisions" / AGREEMENT_FILE).read_text())
    assert (agreement["percent"], agreement["num_shared"]) == (100.0, 1)
    assert verify_review(folder) == []
    assert (own_run.run_dir / "decisions" / EXPORTED_EVENTS).is_file()


# Who may come in


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_on_loopback_the_user_of_the_machine_reviews_alone(folder, host):
    assert choose_access(folder.settings, host, 8765).open_as is not None


@pytest.mark.parametrize("host", ["192.168.1.5", "10.0.0.1", "review.example.org"])
def test_on_any_other_address_everybody_signs_in(folder, host):
    access = choose_access(folder.settings, host, 8765)
    assert access.open_as is None
    assert access.hosts == {f"{host}:8765"}


def test_an_address_that_names_nobody_is_refused(folder):
    with pytest.raises(ReviewError, match="public_url"):
        choose_access(folder.settings, "0.0.0.0", 8765)


def test_with_a_reviewers_file_everybody_signs_in(own_run, tmp_path):
    path = tmp_path / "reviewers.yaml"
    path.write_text(yaml.safe_dump({"reviewers": [{"name": "ana", "role": "lead"}]}))
    folder = _open(own_run.run_dir, path)
    assert choose_access(folder.settings, "127.0.0.1", 8765).open_as is None
    public = folder.settings.model_copy(update={"public_url": "https://review.example.org"})
    access = choose_access(public, "0.0.0.0", 8765)
    assert (access.hosts, access.is_secure) == ({"review.example.org"}, True)


@pytest.mark.parametrize(
    "content", ["reviewers: [{name: '<b>'}]", "reviewer: []", "a: [", "rule: {kind: most}", "- x"]
)
def test_a_wrong_reviewers_file_is_named(tmp_path, content):
    path = tmp_path / "reviewers.yaml"
    path.write_text(content)
    with pytest.raises(ReviewError, match=r"reviewers.yaml: .*docs/review.md"):
        load_review_settings(path)


# The command


def test_the_command_invites_verifies_exports_and_imports(own_run, tmp_path):
    run_dir = own_run.run_dir
    status, output, _ = _invoke("review", run_dir, "--invite", "ana", "--lead")
    assert status == 0
    assert output.startswith("http://127.0.0.1:8765/sign-in#")
    status, output, _ = _invoke("review", run_dir, "--verify")
    assert (status, output.startswith("0 events")) == (0, True)
    folder = _open(run_dir)
    Person(_start(folder), "ben").vote(folder.read_run().pairs[0], SAME)
    log = tmp_path / "log.parquet"
    status, output, _ = _invoke("review", run_dir, "--export", log)
    assert (status, "1 decisions in" in output, log.is_file()) == (0, True, True)
    other = f"sqlite:///{tmp_path / 'other.sqlite3'}"
    for num_new in (1, 0):
        status, output, _ = _invoke("review", run_dir, "--database", other, "--import", log)
        assert (status, output.startswith(f"{num_new} new events")) == (0, True)
    status, output, _ = _invoke("review", run_dir, "--revoke", "ana")
    assert status == 0


def test_the_command_names_the_event_that_was_touched(own_run):
    folder = _open(own_run.run_dir)
    ana = Person(_start(folder), "ana")
    for pair in folder.read_run().pairs[:3]:
        ana.vote(pair, SAME)
    with folder.store.engine.connect() as connection:
        connection.exec_driver_sql("UPDATE events SET decision = 'different' WHERE position = 2")
        connection.commit()
    status, output, _ = _invoke("review", own_run.run_dir, "--verify")
    assert status == 1
    assert "event 2: its content was changed" in output


@pytest.mark.parametrize(
    "options",
    [
        ("--database", "nonsense://x"), ("--host", "0.0.0.0"), ("--reviewers", "missing.yaml"),
        ("--import", "missing.parquet"), ("--invite", "<b>"), ("--revoke", "nobody"),
        ("--host", "203.0.113.7"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_in_one_line(own_run, options):
    status, _, errors = _invoke("review", own_run.run_dir, *options)
    assert status == 2
    assert errors.startswith("cleanmark: ")
    assert errors.count("\n") == 1


def test_a_run_without_candidates_is_refused(tmp_path):
    status, _, errors = run_cleanmark("review", tmp_path)
    assert status == 2
    assert "no run folder" in errors
