"""The verb `evaluate` from files to files, with a network that was never trained."""

import csv
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from benchmark_files import (
    BOX,
    DATABASE,
    NUM_LANDMARKS,
    QUERIES,
    write_benchmark,
    write_checkpoint,
    write_distractors,
    write_yaml,
)
from evaluate_verb import evaluate, refuse
from tiny_run import QUERIES as TINY_QUERIES
from tiny_run import confirm_overlap, draw_view, encode_jpeg
from typer.testing import CliRunner

from cleanmark.cli import app
from cleanmark.evaluation.overlapping import find_overlap
from pipelines.evaluation_sets import read_evaluation_set
from training.evaluation.records import read_record
from training.revisited_metrics import Protocol

QUICK = ("--resamples", 100, "--projection", "pca")
SMALL = ("--long-side", 128, "--scales", "1", *QUICK)


@dataclass(frozen=True)
class World:
    root: Path
    set_file: Path
    checkpoint: Path
    distractors: Path


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> World:
    root = tmp_path_factory.mktemp("benchmark")
    return World(
        root,
        write_benchmark(root / "set"),
        write_checkpoint(root / "network.pt"),
        write_distractors(root / "distractors"),
    )


@pytest.fixture(scope="module")
def evaluated(world, tmp_path_factory) -> Path:
    """The folder of an evaluation with everything; shared, so nobody may change it."""
    out = tmp_path_factory.mktemp("evaluated")
    arguments = (
        "--set", world.set_file, "--checkpoint", world.checkpoint, "--out", out,
        "--distractors", world.distractors, "--rerank", 6, "--method", "untrained", *SMALL,
    )  # fmt: skip
    (out / "console.txt").write_text(evaluate(*arguments))
    return out


def read(out):
    return read_record(out / "results.json")


def average_precisions(found):
    return {p.protocol: p.average_precisions for p in found.revisited.protocols}


def test_verified_results_come_first(evaluated):
    found = read(evaluated).sets[0]
    assert (found.num_database, found.num_distractors) == (len(DATABASE), 5)
    assert found.num_reranked == 6
    medium = average_precisions(found)[Protocol.MEDIUM]
    # Of three views the first six results hold at least some; verified, they stand in front.
    assert list(medium) == QUERIES
    assert all(value > 0 for value in medium.values())


def test_results_name_what_they_were_made_from(world, evaluated):
    record = read(evaluated)
    assert record.method == "untrained"
    assert record.describer["kind"] == "network"
    assert record.describer["inference"]["scales"] == [1.0]
    assert set(record.sets[0].inputs) == {"ground_truth", "queries", "database", "distractors"}
    assert set(record.libraries) >= {"numpy", "torch"}
    assert str(world.root) not in (evaluated / "results.json").read_text()


def test_tables_are_printed_and_written(evaluated):
    console = (evaluated / "console.txt").read_text()
    assert "drawn+5-M mAP/mP@10" in console
    assert "results.json" in console
    assert "| untrained |" in (evaluated / "results.md").read_text()
    header, row = csv.reader((evaluated / "results.csv").read_text().splitlines())
    assert (header[0], row[0]) == ("method", "untrained")
    assert len((evaluated / "protocols.csv").read_text().splitlines()) == 4


def test_the_page_is_self_contained_and_shows_every_query(evaluated):
    page = (evaluated / "report.html").read_text()
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)
    assert page.count('<article class="query">') == NUM_LANDMARKS
    assert page.count("<svg") == 1
    assert 'class="right"' in page
    assert 'class="wrong"' in page
    assert "inliers" in page
    assert page.count("data:image/jpeg") == NUM_LANDMARKS * 11


def test_the_same_again_gives_the_same_files_and_describes_nothing(world, evaluated, tmp_path):
    shutil.copytree(evaluated, tmp_path / "again")
    parts = sorted((tmp_path / "again" / "descriptors").rglob("*.npy"))
    times = [path.stat().st_mtime_ns for path in parts]
    evaluate(
        "--set", world.set_file, "--checkpoint", world.checkpoint, "--out", tmp_path / "again",
        "--distractors", world.distractors, "--rerank", 6, "--method", "untrained", *SMALL,
    )  # fmt: skip
    assert [path.stat().st_mtime_ns for path in parts] == times
    for name in ("results.json", "results.md", "report.html"):
        assert (tmp_path / "again" / name).read_bytes() == (evaluated / name).read_bytes()


def test_scales_and_whitening_reach_the_network(world, tmp_path):
    small = ("--long-side", 96, *QUICK)
    arguments = ("--set", world.set_file, "--checkpoint", world.checkpoint, *small)
    evaluate(*arguments, "--scales", "0.7071,1", "--out", tmp_path, "--whitening", "none")
    describer = read(tmp_path).describer
    assert describer["inference"]["scales"] == [0.7071, 1.0]
    assert describer["is_whitened"] is False
    line = refuse(*arguments, "--whitening", world.checkpoint, "--out", tmp_path)
    assert "holds no whitening" in line


def make_descriptors():
    """Descriptors by hand: every landmark is an axis, junk and others lie elsewhere."""
    names = [*QUERIES, *DATABASE]
    rows = np.zeros((len(names), NUM_LANDMARKS + 1), np.float32)
    for row, name in enumerate(names):
        number = re.search(r"\d", name)[0]
        rows[row, NUM_LANDMARKS if name.startswith("other") else int(number)] = 1.0
    return names, rows


@pytest.fixture
def descriptors(tmp_path):
    names, rows = make_descriptors()
    np.savez(tmp_path / "descriptors.npz", names=np.array(names), descriptors=rows)
    return tmp_path / "descriptors.npz"


def test_descriptors_of_another_program(world, descriptors, tmp_path):
    evaluate(
        "--set", world.set_file, "--descriptors", descriptors, "--out", tmp_path / "out", *QUICK
    )
    record = read(tmp_path / "out")
    scores = average_precisions(record.sets[0])
    assert scores[Protocol.MEDIUM] == dict.fromkeys(QUERIES, 1.0)
    assert scores[Protocol.HARD] == {"query0": None, "query1": 1.0, "query2": None}
    assert record.describer["kind"] == "file"


def test_distractors_from_a_file_lower_the_score(world, descriptors, tmp_path):
    before = np.concatenate([2 * np.eye(NUM_LANDMARKS + 1, dtype=np.float16)[:1]] * 3)
    np.save(tmp_path / "million.npy", before)
    evaluate(
        "--set", world.set_file, "--descriptors", descriptors, "--out", tmp_path / "out",
        "--distractors", tmp_path / "million.npy", *QUICK,
    )  # fmt: skip
    found = read(tmp_path / "out").sets[0]
    easy = average_precisions(found)[Protocol.EASY]
    assert found.num_distractors == 3
    # Three distractors stand before the two right images of the first query only.
    assert easy["query0"] == pytest.approx((0 + 1 / 4 + 1 / 4 + 2 / 5) / 4)
    assert easy["query1"] == 1.0


def test_descriptors_that_lack_an_image_are_refused(world, tmp_path):
    names, rows = make_descriptors()
    np.savez(tmp_path / "few.npz", names=np.array(names[:-1]), descriptors=rows[:-1])
    line = refuse("--set", world.set_file, "--descriptors", tmp_path / "few.npz", "--out", tmp_path)
    assert "other3" in line


@pytest.fixture
def damaged(world, tmp_path):
    """The set without one database image and one query, and with a page instead of an image."""
    shutil.copytree(world.set_file.parent, tmp_path / "set")
    (tmp_path / "set/jpg/wall0_1.jpg").unlink()
    (tmp_path / "set/jpg/query2.jpg").unlink()
    (tmp_path / "set/jpg/wall1_0.jpg").write_bytes(b"<html>")
    return tmp_path / "set" / world.set_file.name


def test_missing_images_are_refused_with_the_remedy(world, damaged, tmp_path):
    arguments = ("--checkpoint", world.checkpoint, "--out", tmp_path / "out", *SMALL)
    line = refuse("--set", damaged, *arguments)
    assert "1 of 3 images are not there: query2" in line
    assert "--allow-missing" in line
    # A set that is complete does not have to be described before the other is looked at.
    damaged.write_text(damaged.read_text().replace("name: drawn", "name: damaged"))
    refuse("--set", world.set_file, "--set", damaged, *arguments)
    assert not (tmp_path / "out/descriptors").exists()


def test_missing_images_can_be_counted_as_not_found(world, damaged, tmp_path):
    output = evaluate(
        "--set", damaged, "--checkpoint", world.checkpoint, "--out", tmp_path / "out",
        "--allow-missing", *SMALL,
    )  # fmt: skip
    found = read(tmp_path / "out").sets[0]
    assert found.missing == ("query2", "wall0_1")
    assert list(found.unreadable) == ["wall1_0"]
    assert "wall1_0: not_an_image" in output
    medium = average_precisions(found)[Protocol.MEDIUM]
    assert medium["query2"] == 0.0
    assert found.revisited.num_undescribed == 2
    assert found.revisited.num_unanswered == 1
    assert "not there" in (tmp_path / "out/report.html").read_text()


def write_original(root):
    """The same images as Oxford5k gives them: text files, with the queries' images among them."""
    shutil.copytree(root, root.parent / "original")
    truth = json.loads((root / "gnd_drawn.json").read_text())
    folder = root.parent / "original/gt"
    folder.mkdir()
    for number, (name, lists) in enumerate(zip(QUERIES, truth["gnd"], strict=True)):
        box = " ".join(map(str, BOX))
        (folder / f"wall_{number}_query.txt").write_text(f"oxc1_{name} {box}\n")
        good = [DATABASE[position] for position in lists["easy"]] + [name]
        (folder / f"wall_{number}_good.txt").write_text("\n".join(good))
        for kind, key in (("ok", "hard"), ("junk", "junk")):
            text = "\n".join(DATABASE[position] for position in lists[key])
            (folder / f"wall_{number}_{kind}.txt").write_text(text)
    return write_yaml(
        root.parent / "original/original.yaml", "gt", name="original", more="format: oxford5k\n"
    )


def test_the_original_protocol_has_the_query_images_in_the_database(world, tmp_path):
    shutil.copytree(world.set_file.parent, tmp_path / "set")
    original = write_original(tmp_path / "set")
    out = tmp_path / "out"
    output = evaluate("--set", original, "--checkpoint", world.checkpoint, "--out", out, *SMALL)
    found = read(out).sets[0]
    assert found.num_database == len(DATABASE) + len(QUERIES)
    assert [p.protocol for p in found.revisited.protocols] == [Protocol.ORIGINAL]
    assert "original mAP " in output


def test_a_runs_own_embedder_and_its_decisions(tiny_run, tiny_root, tmp_path):
    """The clean images of the run are the database: a set made of its own queries."""
    images = tmp_path / "jpg"
    shutil.copytree(tiny_root / "eval", images)
    for view in range(1, 4):
        (images / f"view{view}.jpg").write_bytes(encode_jpeg(draw_view(3, view)))
    truth = json.loads((tiny_root / "eval/gnd_tiny.json").read_text())
    truth["imlist"] = ["view1", "view2", "view3"]
    truth["gnd"] = [found | {"easy": [0, 1], "hard": [], "junk": [2]} for found in truth["gnd"]]
    (tmp_path / "gnd.json").write_text(json.dumps(truth))
    set_file = write_yaml(tmp_path / "tiny.yaml", "gnd.json", name="tiny")
    decisions = tmp_path / "decisions.csv"
    match = next(r for r in tiny_run.rows("candidates") if r["verdict"] == "match")
    decisions.write_text(
        "eval_set,query_id,image_id,reviewer,decision,decided_at\n"
        f"tiny,{match['query_id']},{match['image_id']},ann,same,2024-05-01T12:00:00Z\n"
    )
    out = tmp_path / "out"
    output = evaluate(
        "--set", set_file, "--vlad", tiny_run.run_dir, "--decisions", decisions, "--out", out,
        *QUICK,
    )  # fmt: skip
    record = read(out)
    assert record.describer["kind"] == "vlad"
    assert record.sets[0].overlapping == (TINY_QUERIES[0],)
    easy = record.sets[0].revisited.protocols[0]
    parts = (easy.overlapping, easy.others)
    # The parts weigh up to the whole.
    weighted = sum(p.mean_average_precision * p.num_queries for p in parts)
    assert weighted / 2 == pytest.approx(easy.all_queries.mean_average_precision)
    assert "Queries whose landmark is in the training set (Y)" in output
    # No class was removed in this run, so by its own account no query overlaps.
    evaluate(
        "--set", set_file, "--vlad", tiny_run.run_dir, "--run", tiny_run.run_dir, "--out", out,
        *QUICK,
    )  # fmt: skip
    assert read(out).sets[0].overlapping == ()


@pytest.mark.parametrize("removes", ["classes", "images"])
def test_queries_overlap_whatever_leaves_the_split_for_them(own_run, tmp_path, removes):
    confirm_overlap(own_run.run_dir, tmp_path)
    emitted = CliRunner().invoke(app, ["emit", str(own_run.run_dir), "--removes", removes])
    assert emitted.exit_code == 0, emitted.output
    (settings,) = own_run.config.evaluation_sets
    found = find_overlap(read_evaluation_set(settings), own_run.run_dir, None)
    assert found == {TINY_QUERIES[0]}


def test_a_run_without_manifests_cannot_tell_which_queries_overlap(world, own_run, tmp_path):
    source = ("--vlad", own_run.run_dir, "--out", tmp_path / "out")
    given = ("--set", world.set_file, *source, "--run")
    assert "nowhere: no run folder" in refuse(*given, tmp_path / "nowhere")
    (own_run.run_dir / "manifests/manifest.json").unlink()
    assert f"{own_run.run_dir}: has no manifests yet" in refuse(*given, own_run.run_dir)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "exactly one of"),
        (("--checkpoint", "network.pt", "--vlad", "run"), "exactly one of"),
        (("--checkpoint", "gone.pt"), "gone.pt"),
        (("--checkpoint", "drawn.yaml"), "checkpoint"),
        (("--checkpoint", "network.pt", "--scales", "big"), "--scales"),
        (("--checkpoint", "network.pt", "--long-side", "100"), "--long-side"),
        (("--vlad", "nowhere"), "no run folder"),
        (("--descriptors", "gone.npz"), "gone.npz"),
        (("--submission", "gone.csv"), "GLDv2 alone"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(world, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "network.pt").symlink_to(world.checkpoint)
    (tmp_path / "drawn.yaml").symlink_to(world.set_file)
    assert message in refuse("--set", world.set_file, "--out", "out", *arguments)


def test_sets_without_answers_are_refused(world, tmp_path):
    path = tmp_path / "folder.yaml"
    path.write_text(f"name: mine\nformat: folder\nimages: {world.set_file.parent / 'jpg'}\n")
    arguments = ("--checkpoint", world.checkpoint, "--out", tmp_path / "out")
    assert "ground truth" in refuse("--set", path, *arguments)
    assert "two sets" in refuse("--set", world.set_file, "--set", world.set_file, *arguments)
    path.write_text('name: mine\nimages: "{source.root}/jpg"\nground_truth: gnd.json\n')
    assert "folder.yaml" in refuse("--set", path, *arguments)


@pytest.mark.parametrize("name", ["roxford5k", "rparis6k"])
def test_equal_descriptors_score_as_the_official_code_scores_the_list(
    groundtruth_root, tmp_path, name
):
    """All ties go to the smaller position, so the ranking is the list itself."""
    truth = groundtruth_root / f"gnd_{name}.pkl"
    set_file = write_yaml(tmp_path / "set.yaml", truth, name=name)
    listed = json.loads((groundtruth_root / f"gnd_{name}.json").read_text())
    names = np.array([*listed["qimlist"], *listed["imlist"]])
    np.savez(tmp_path / "equal.npz", names=names, descriptors=np.ones((len(names), 2)))
    out = tmp_path / "out"
    evaluate("--set", set_file, "--descriptors", tmp_path / "equal.npz", "--out", out, *QUICK)
    expected = json.loads((groundtruth_root / "expected_revisited_metrics.json").read_text())
    for found in read(out).sets[0].revisited.protocols:
        official = expected[f"{name}/identity/{found.protocol}"]
        means = found.all_queries
        assert means.mean_average_precision == pytest.approx(official["mAP"], abs=1e-7)
        assert list(means.mean_precisions.values()) == pytest.approx(
            official["mP@1,5,10"], abs=1e-7
        )
        assert means.num_without_positives == official["n_queries_without_positives"]
