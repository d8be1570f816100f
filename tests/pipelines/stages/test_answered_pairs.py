"""What people say of uncertain pairs, brought back into the cleaning."""

import csv
import json
import shutil
from dataclasses import dataclass

import pytest
from gldv2_layout import write_classes
from stage_runs import Run, read_outputs
from tiny_run import draw_view, draw_wall, encode_jpeg

from curation.train_split import CleanSettings
from manifests.lineage import digest_file
from manifests.manifest_json import ManualAnswers, read_manifest
from manifests.manual_answers import ManualAnswerError
from pipelines.run_config import RunConfig
from pipelines.settings import CleanStageSettings

CLASSES = (8, 9)


def _config(root, min_inliers=30):
    content = {
        "source": {"root": root},
        "describe": {"long_side_px": 420, "max_features": 300},
        "embed": {"num_words": 4, "dimensions": 8},
        "verify": {"uncertain_band": 0.9, "cascade": {"mode": "reject_early"}},
        "clean": {"min_verified_neighbours": 2, "min_inliers": min_inliers},
    }
    return RunConfig.model_validate(content)


@dataclass(frozen=True)
class World:
    """A finished run on two classes of three views, which need all their pairs.

    Attributes:
        run: its threshold is just above the weakest pair of all.
        lost: the class of that pair, which is dropped.
        found: the other class, which is kept.
        weakest: row of the table `matches`.
    """

    run: Run
    lost: int
    found: int
    weakest: dict[str, object]


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    folder = tmp_path_factory.mktemp("answered")
    views = [[encode_jpeg(draw_view(wall, view)) for view in range(3)] for wall in (1, 2)]
    classes = dict(zip(CLASSES, views, strict=True)) | {10: [encode_jpeg(draw_wall(5))]}
    write_classes(folder / "gldv2", classes, "images_000")
    run = Run(_config(folder / "gldv2"), folder / "run")
    run.finish("verify")
    pairs = sorted(run.rows("matches"), key=lambda row: row["num_inliers"])
    weakest = pairs[0]
    run = Run(_config(folder / "gldv2", weakest["num_inliers"] + 1), run.run_dir)
    run.finish()
    (found,) = set(CLASSES) - {weakest["landmark_id"]}
    return World(run, weakest["landmark_id"], found, weakest)


@pytest.fixture
def world(first, tmp_path):
    """A copy of the finished run that a test may change."""
    run_dir = shutil.copytree(first.run.run_dir, tmp_path / "run")
    return World(Run(first.run.config, run_dir), first.lost, first.found, first.weakest)


def _say(run, path, answers):
    """The run with a file of answers: (id, id) -> answer."""
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("comment", "image_id_a", "image_id_b", "answer"))
        writer.writerows(("", *ids, answer) for ids, answer in answers.items())
    return _with_answers(run, path)


def _with_answers(run, path):
    clean = run.config.clean.model_copy(update={"answers": path})
    return Run(run.config.model_copy(update={"clean": clean}), run.run_dir)


def _kept(run):
    rows = run.rows("verdicts")
    return {
        c: {r["image_id"] for r in rows if r["landmark_id"] == c and r["kept"]} for c in CLASSES
    }


def _ids(row):
    return row["image_id_a"], row["image_id_b"]


def _pairs(run, landmark_id):
    return [_ids(row) for row in run.rows("matches") if row["landmark_id"] == landmark_id]


def _units_of(run, step, landmark_id):
    return [u.unit_id for u in run.step(step).plan() if landmark_id in u.spec["classes"]]


def test_without_answers_one_class_is_lost(world):
    assert {c: len(ids) for c, ids in _kept(world.run).items()} == {world.lost: 0, world.found: 3}


def test_the_answer_same_brings_images_back(world, tmp_path):
    run = _say(world.run, tmp_path / "answers.csv", {_ids(world.weakest): "same"})
    before = run.rows("matches")
    run.finish()
    assert {c: len(ids) for c, ids in _kept(run).items()} == {world.lost: 3, world.found: 3}
    assert run.rows("matches") == before
    published = {row["landmark_id"] for row in run.manifest_rows("gldv2_clean")}
    assert published == set(CLASSES)


def test_the_answer_different_drops_images_that_were_kept(world, tmp_path):
    a, b = _pairs(world.run, world.found)[0]
    run = _say(world.run, tmp_path / "answers.csv", {(b, a): "different"})
    run.finish()
    assert {c: len(ids) for c, ids in _kept(run).items()} == {world.lost: 0, world.found: 0}


@pytest.mark.parametrize("policy", ["component", "kcore"])
def test_other_policies_go_by_the_answers_too(world, tmp_path, policy):
    clean = world.run.config.clean.model_copy(update={"policy": policy})
    run = Run(world.run.config.model_copy(update={"clean": clean}), world.run.run_dir)
    run.finish("clean")
    before = _kept(run)
    pairs = _pairs(run, world.found)
    run = _say(run, tmp_path / "answers.csv", dict.fromkeys(pairs, "different"))
    run.finish("clean.uncertain")
    assert before[world.found]
    assert _kept(run) == before | {world.found: set()}


def test_only_the_classes_concerned_are_judged_again(world, tmp_path):
    run = _say(world.run, tmp_path / "answers.csv", {_ids(world.weakest): "same"})
    done = run.finish("clean.uncertain")
    (unit,) = _units_of(run, "clean", world.lost)
    assert unit not in _units_of(run, "clean", world.found)
    # Control pairs are drawn from the clean split, which the answer has changed.
    assert {name: units for name, units in done.items() if units} == {
        "clean": [unit],
        "clean.calibrate": ["part-000"],
        "clean.uncertain": [unit],
    }
    assert run.waiting("clean") == run.waiting("clean.uncertain") == []


def test_what_changes_no_answer_does_nothing_again_but_the_manifest(world, tmp_path):
    path = tmp_path / "answers.csv"
    (a, b), (c, d) = _ids(world.weakest), _pairs(world.run, world.found)[0]
    _say(world.run, path, {(a, b): "same", (c, d): ""}).finish()
    run = _say(world.run, path, {(c, d): "", (b, a): "SAME"})
    done = run.finish()
    assert {name for name, units in done.items() if units} == {"emit"}
    manifest = read_manifest(run.run_dir / "manifests/manifest.json")
    assert manifest.answers.sha256 == digest_file(path)


def test_units_without_answers_are_told_what_they_were_told_before(world, tmp_path):
    run = _say(world.run, tmp_path / "answers.csv", {_ids(world.weakest): "same"})
    own = set(_units_of(run, "clean", world.lost))
    plain = {unit.unit_id: unit for unit in world.run.step("clean").plan()}
    for unit in run.step("clean").plan():
        before = plain[unit.unit_id]
        assert before.spec.keys() == {"classes", "matches", "tables"}
        if unit.unit_id in own:
            answers = {"answers": [[*_ids(world.weakest), "same"]]}
            assert json.dumps(unit.spec) == json.dumps(dict(before.spec) | answers)
        else:
            assert (json.dumps(unit.spec), unit.fingerprint) == (
                json.dumps(before.spec),
                before.fingerprint,
            )


def test_an_answered_pair_is_uncertain_no_more(world, tmp_path):
    listed = {_ids(row) for row in world.run.rows("uncertain_pairs")}
    answered = {_ids(world.weakest): "same", _pairs(world.run, world.found)[0]: "different"}
    assert answered.keys() <= listed
    run = _say(world.run, tmp_path / "answers.csv", answered)
    run.finish()
    assert {_ids(row) for row in run.rows("uncertain_pairs")} == listed - answered.keys()


def test_what_hinges_on_other_pairs_is_told_with_the_answers(world, tmp_path):
    """With the weakest pair verified, each pair of the class decides."""
    run = _say(world.run, tmp_path / "answers.csv", {_ids(world.weakest): "same"})
    run.finish()
    others = [row for row in run.rows("uncertain_pairs") if row["landmark_id"] == world.lost]
    assert len(others) == 2
    for row in others:
        assert (row["kept_a"], row["kept_b"]) == (True, True)
        assert (row["decides_a"], row["decides_b"]) == (True, True)


def test_without_the_file_everything_is_as_it_was(world, tmp_path):
    before = read_outputs(world.run.run_dir)
    run = _say(world.run, tmp_path / "answers.csv", {_ids(world.weakest): "same"})
    run.finish()
    assert read_outputs(run.run_dir) != before
    world.run.finish()
    assert read_outputs(world.run.run_dir) == before


def test_the_list_for_people_can_be_filled_in_as_it_is(world, tmp_path):
    path = tmp_path / "answers.csv"
    listed = world.run.run_dir / "manifests/decisive_pairs.csv"
    with listed.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert rows
    assert list(rows[0])[-1] == "answer"
    assert {row["answer"] for row in rows} == {""}
    shutil.copy(listed, path)
    unanswered = _with_answers(world.run, path)
    assert unanswered.waiting("clean") == unanswered.waiting("clean.uncertain") == []
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], *(f"{line}different" for line in lines[1:])]))
    run = _with_answers(world.run, path)
    run.finish()
    assert not any(_kept(run).values())


def test_the_manifest_counts_the_answers_and_names_the_file(world, tmp_path):
    manifest = read_manifest(world.run.run_dir / "manifests/manifest.json")
    assert manifest.answers is None
    path = tmp_path / "answers.csv"
    different = dict.fromkeys(_pairs(world.run, world.found), "different")
    run = _say(world.run, path, {_ids(world.weakest): "same"} | different)
    run.finish()
    manifest = read_manifest(run.run_dir / "manifests/manifest.json")
    assert manifest.answers == ManualAnswers(num_same=1, num_different=3, sha256=digest_file(path))


def test_bad_answers_are_refused_before_anything_is_judged(world, tmp_path):
    run = _say(world.run, tmp_path / "answers.csv", {("x", "y"): "same"})
    before = read_outputs(run.run_dir)
    for step in ("clean", "clean.uncertain"):
        with pytest.raises(ManualAnswerError, match="no usable image 'x'"):
            run.step(step).plan()
    assert read_outputs(run.run_dir) == before
    (tmp_path / "answers.csv").unlink()
    for step in ("clean", "emit"):
        with pytest.raises(ManualAnswerError, match="No such file"):
            run.step(step).plan()


def test_the_path_of_the_file_decides_nothing(tmp_path):
    given = CleanStageSettings(answers=tmp_path).dump_decisive()
    assert given == CleanStageSettings().dump_decisive() == CleanSettings().model_dump(mode="json")
