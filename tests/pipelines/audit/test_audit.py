"""Whole audits of a small list: what passes, what does not, and what must never depend on what."""

import csv
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from audit_world import (
    CLASSES,
    LEAK_CLASS,
    LEAK_ID,
    VIEWS,
    draw_photographs,
    run_audit_here,
    run_steps_here,
    write_gldv2,
    write_world,
)
from gldv2_layout import write_shard
from tiny_run import encode_jpeg

from curation.canary_choice import ID_PREFIX
from curation.shards import list_members, read_bytes
from manifests.certificates.covered_tables import (
    EVALUATION_IMAGES,
    FINDINGS,
    FOLDER,
    TRAINING_ROWS,
    UNCOVERED,
    FindingStatus,
)
from manifests.certificates.gates import GateName
from manifests.certificates.verify import verify_certificate

BLANK = encode_jpeg(np.full((320, 420, 3), 90, np.uint8))
HEADER = ("eval_set", "query_id", "image_id", "reviewer", "decision", "decided_at", "comment")


@pytest.fixture(scope="module")
def clean_world(tmp_path_factory):
    return write_world(tmp_path_factory.mktemp("clean"))


@pytest.fixture(scope="module")
def clean(clean_world, tmp_path_factory):
    """A finished audit of a list without overlap: its world, folder and outcome."""
    out = tmp_path_factory.mktemp("clean_audit")
    return clean_world, out, run_audit_here(clean_world.configure(), out)


@pytest.fixture(scope="module")
def leaky(tmp_path_factory):
    """The same of a list in which one photograph shows the landmark of a query."""
    world = write_world(tmp_path_factory.mktemp("leaky"), leak=True)
    out = tmp_path_factory.mktemp("leaky_audit")
    return world, out, run_audit_here(world.configure(), out)


def _failed(outcome):
    return {(gate.name, gate.kind) for gate in outcome.certificate.verdict.gates if not gate.passed}


def _read_covered(out):
    """The certificate, its tables and what waits for a decision."""
    files = [out / "certificate.json", out / "undecided.csv", *(out / FOLDER).iterdir()]
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(files)}


def _decide(path, *rows):
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([HEADER, *rows])
    return path


# What passes


def test_a_list_without_overlap_passes(clean):
    _, out, outcome = clean
    verdict = outcome.certificate.verdict
    assert verdict.passed, verdict.reason
    assert verify_certificate(out).is_sound
    assert outcome.findings == []
    coverage = outcome.certificate.coverage
    assert (coverage.listed, coverage.examined) == (VIEWS * len(CLASSES),) * 2


def test_every_kind_of_canary_and_control_was_tried(clean):
    _, _, outcome = clean
    certificate = outcome.certificate
    assert {part.kind: part.planted for part in certificate.recall} == {
        **dict.fromkeys(
            ("blurred", "cropped", "half_size", "perspective", "recompressed", "relit", "rotated"),
            2,
        ),
        "same_landmark_easy": 2,
        "same_landmark_hard": 2,
    }
    trials = {part.kind: part.trials for part in certificate.controls}
    # 14 views and 4 other photographs, each against the query of the other landmark.
    assert trials == {"scrambled": 2, "scrambled_mirrored": 2, "other_landmark": 18}


def test_no_canary_is_among_what_is_said_of_the_list(clean, leaky):
    for _, out, outcome in (clean, leaky):
        for table in (TRAINING_ROWS, UNCOVERED, FINDINGS, EVALUATION_IMAGES):
            text = (out / FOLDER / table.file_name).read_text()
            assert ID_PREFIX not in text
        assert ID_PREFIX not in (out / "undecided.csv").read_text()
        assert ID_PREFIX not in outcome.certificate.model_dump_json()
        # They are where they belong, so that the search above could have found them.
        assert ID_PREFIX in (out / FOLDER / "probes.tsv").read_text()


# What does not


def test_a_planted_leak_is_found_by_class_and_query(leaky):
    _, out, outcome = leaky
    assert not outcome.certificate.verdict.passed
    assert _failed(outcome) == {(GateName.UNDECIDED, None)}
    (finding,) = outcome.findings
    assert (finding.image_id, finding.label) == (LEAK_ID, str(LEAK_CLASS))
    assert (finding.eval_set, finding.query_id) == ("walls", "north")
    assert verify_certificate(out).is_sound
    (row,) = csv.DictReader((out / "undecided.csv").read_text().splitlines())
    assert (row["query_id"], row["image_id"], row["decision"]) == ("north", LEAK_ID, "")


@pytest.fixture
def own_leaky(leaky, tmp_path):
    """A copy of the audit that found a leak, which a test may change."""
    world, out, _ = leaky
    shutil.copytree(out / "work", tmp_path / "out" / "work")
    return world, tmp_path / "out"


def test_canaries_take_no_place_from_listed_images(own_leaky):
    world, out = own_leaky
    # Every canary of the query is nearer to it than the leak, which is another view.
    outcome = run_audit_here(world.configure("overlap.top_k=1"), out)
    assert [finding.image_id for finding in outcome.findings] == [LEAK_ID]


@pytest.mark.parametrize(("said", "status"), [("different", "refused"), ("same", "overlap")])
def test_people_clear_a_match_or_confirm_it(own_leaky, tmp_path, said, status):
    world, out = own_leaky
    row = ("walls", "north", LEAK_ID, "ana", said, "2026-05-01T12:00:00Z", "")
    unrelated = ("other", "north", LEAK_ID, "ana", "same", "2026-05-01T12:00:00Z", "")
    path = _decide(tmp_path / "decisions.csv", row, unrelated)
    outcome = run_audit_here(world.configure(), out, path)
    assert [finding.status for finding in outcome.findings] == [FindingStatus(status)]
    assert outcome.certificate.verdict.passed is (said == "different")
    assert outcome.certificate.votes.counts[said] == 1
    assert outcome.num_other_votes == 1


def test_a_detector_that_finds_nothing_fails(own_leaky):
    world, out = own_leaky
    outcome = run_audit_here(world.configure("overlap.min_inliers=1000000"), out)
    assert outcome.findings == []
    kinds = {kind for name, kind in _failed(outcome) if name is GateName.RECALL}
    assert len(kinds) == 7
    assert not outcome.certificate.verdict.passed


def test_a_detector_that_finds_everything_fails(own_leaky):
    world, out = own_leaky
    lax = ("overlap.min_inliers=3", "verify.cascade.mode=exact", "verify.max_ratio=1")
    guards = {"max_scale": 1e6, "max_anisotropy": 1e6, "min_spread_cells": 1}
    config = world.configure(*lax, *(f"verify.guards.{k}={v}" for k, v in guards.items()))
    failed = _failed(run_audit_here(config, out))
    assert (GateName.FALSE_ACCEPTS, "other_landmark") in failed


def test_a_copy_of_a_database_image_is_overlap(clean_world, tmp_path):
    folder = tmp_path / "photos" / "gate"
    shutil.copytree(clean_world.root.parent / "eval" / "jpg", folder)
    for query in ("north", "south"):
        (folder / f"{query}.jpg").unlink()
    config = clean_world.configure(train=folder.parent)
    outcome = run_audit_here(config, tmp_path / "out")
    same = {f.query_id for f in outcome.findings if f.status is FindingStatus.OVERLAP}
    assert same == {f"database:{query}_{view}" for query in ("north", "south") for view in (1, 2)}


# What was not examined


def test_an_image_that_is_missing_is_uncovered(clean, tmp_path):
    world, *_ = clean
    (tmp_path / "list.csv").write_text(world.train.read_text() + "00000000000000ff,http://x,10\n")
    config = world.configure(train=tmp_path / "list.csv", photos=world.root)
    outcome = run_audit_here(config, tmp_path / "out")
    assert outcome.uncovered.to_pylist() == [
        {"image_id": "00000000000000ff", "reason": "not_found"}
    ]
    assert _failed(outcome) == {(GateName.EXAMINED, None)}
    assert verify_certificate(tmp_path / "out").is_sound
    lenient = world.configure(
        "gate.min_examined=0.9", train=tmp_path / "list.csv", photos=world.root
    )
    assert run_audit_here(lenient, tmp_path / "out").certificate.verdict.passed


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"<html>", "not_an_image"), (BLANK, "no_features"), (BLANK[:-300], "truncated")],
)
def test_an_image_that_cannot_be_compared_is_uncovered(clean_world, tmp_path, data, reason):
    folder = _write_folders(tmp_path / "photos")
    (folder / "10" / "odd.jpg").write_bytes(data)
    outcome = run_audit_here(clean_world.configure(train=folder), tmp_path / "out")
    assert outcome.uncovered.to_pylist() == [{"image_id": "10/odd.jpg", "reason": reason}]


def test_of_two_files_with_one_id_one_is_not_examined(tmp_path):
    world = write_world(tmp_path)
    tar = world.root / "train" / "images_000.tar"
    first = list_members(tar)[0]
    data = read_bytes(tar, first.offset, first.num_bytes)
    write_shard(world.root, "images_002", [(first.name, data)])
    outcome = run_audit_here(world.configure(), tmp_path / "out")
    image_id = Path(first.name).stem
    assert outcome.uncovered.to_pylist() == [{"image_id": image_id, "reason": "duplicate_id"}]


def test_a_query_without_features_is_not_compared(clean_world, tmp_path):
    world = write_world(tmp_path)
    query = world.root.parent / "eval" / "jpg" / "south.jpg"
    query.write_bytes(BLANK)
    outcome = run_audit_here(world.configure(), tmp_path / "out")
    assert (GateName.EVALUATION_READ, None) in _failed(outcome)


def _write_folders(folder):
    for image_id, (landmark_id, data) in draw_photographs().items():
        path = folder / str(landmark_id) / f"{image_id}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


# Whatever the order, and wherever it stopped


def test_the_order_of_the_list_does_not_matter(leaky, tmp_path):
    world, out, _ = leaky
    header, *rows = world.train.read_text().splitlines()
    random.Random(4).shuffle(rows)
    shuffled = tmp_path / world.train.name
    shuffled.write_text("\n".join([header, *rows, ""]))
    config = world.configure(train=shuffled, photos=world.root)
    run_audit_here(config, tmp_path / "out")
    assert _read_covered(tmp_path / "out") == _read_covered(out)


def test_an_audit_goes_on_where_it_stopped(leaky, tmp_path):
    world, out, _ = leaky
    config = world.configure()
    first = run_steps_here(config, tmp_path / "work", until="embed")
    assert all(first.values())
    second = run_steps_here(config, tmp_path / "work")
    assert {name: second[name] for name in first} == dict.fromkeys(first, 0)
    assert second["overlap"]
    run_audit_here(config, tmp_path)
    assert _read_covered(tmp_path) == _read_covered(out)


def test_a_finished_audit_has_nothing_to_do(leaky):
    world, out, _ = leaky
    assert set(run_steps_here(world.configure(), out / "work").values()) == {0}


def test_one_image_less_redoes_one_part(own_leaky):
    world, out = own_leaky
    kept = [line for line in world.train.read_text().splitlines() if not line.startswith(LEAK_ID)]
    shorter = out / "train.csv"
    shorter.write_text("\n".join([*kept, ""]))
    # The copy of the work folder has planted images at other places.
    run_steps_here(world.configure(), out / "work")
    config = world.configure(train=shorter, photos=world.root)
    num_run = run_steps_here(config, out / "work")
    assert (num_run["ingest.find"], num_run["ingest.canaries"]) == (0, 0)
    assert (num_run["ingest.join"], num_run["describe"]) == (1, 1)
    assert run_audit_here(config, out).certificate.verdict.passed


def test_a_shard_that_was_replaced_is_read_again(tmp_path):
    world = write_world(tmp_path)
    config = world.configure()
    run_steps_here(config, tmp_path / "work", until="describe")
    photographs = draw_photographs()
    image_id = sorted(photographs)[0]
    photographs[image_id] = (photographs[image_id][0], photographs[image_id][1] + b"more")
    write_gldv2(world.root, photographs)
    num_run = run_steps_here(config, tmp_path / "work", until="describe")
    assert num_run["describe"] == 1
