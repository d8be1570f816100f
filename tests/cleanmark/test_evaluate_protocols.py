"""GLDv2 and place recognition through the verb `evaluate`; numbers of the official test."""

import numpy as np
import pytest
from evaluate_verb import evaluate, refuse
from tiny_run import draw_view, encode_jpeg

from manifests.gldv2_csv import member_path
from training.evaluation.records import read_record

QUICK = ("--resamples", 100, "--projection", "pca")


def make_id(number):
    return f"{number:016x}"


A, B, C, D = (make_id(10 + number) for number in range(4))
INDEX = {name: make_id(1000 + int(name[1:])) for name in ("f00", "f10", "f20", "f30", "f40", "f50")}
RETRIEVAL = {A: ("f10", "f20"), B: ("f10",), C: ("f30", "f40", "f50"), D: ("f30",)}
RETRIEVED = {B: ("f00", "f10"), C: ("f40",), D: ("f30", "f40")}


def write_set(folder, solution, name="gldv2"):
    (folder / "solution.csv").write_text(solution)
    (folder / "images").mkdir(exist_ok=True)
    path = folder / f"{name}.yaml"
    path.write_text(f"name: {name}\nformat: gldv2\nimages: images\nground_truth: solution.csv\n")
    return path


@pytest.fixture
def retrieval_set(tmp_path):
    rows = [f"{q},{' '.join(INDEX[i] for i in right)},Private" for q, right in RETRIEVAL.items()]
    return write_set(tmp_path, "\n".join(["id,images,Usage", *rows, f"{make_id(99)},None,Ignored"]))


def test_a_retrieval_submission_as_in_the_official_test(retrieval_set, tmp_path):
    rows = [f"{q},{' '.join(INDEX[i] for i in found)}" for q, found in RETRIEVED.items()]
    (tmp_path / "submission.csv").write_text("\n".join(["id,images", *rows]))
    output = evaluate(
        "--set", retrieval_set, "--submission", tmp_path / "submission.csv",
        "--out", tmp_path / "out", *QUICK,
    )  # fmt: skip
    scores = read_record(tmp_path / "out/results.json").sets[0].gldv2
    assert scores.private_retrieval.mean_average_precision_at_100 == pytest.approx(
        0.458333, abs=1e-6
    )
    assert scores.private_retrieval.mean_precisions[1] == pytest.approx(0.5)
    assert scores.private_retrieval.mean_first_position == 26.25
    assert scores.private_retrieval.median_first_position == 1.5
    assert scores.public_retrieval is None
    assert "45.8" in output


def test_a_recognition_submission_as_in_the_official_test(tmp_path):
    ids = [f"{number}23456789abcdef0" for number in range(5)]
    truth = ["0 12", "100 200 300", "1", "", ""]
    rows = [f"{i},{right},Public" for i, right in zip(ids, truth, strict=True)]
    set_file = write_set(tmp_path, "\n".join(["id,landmarks,Usage", *rows]))
    answers = [f"{ids[1]},0 0.01", f"{ids[2]},1 10.0", f"{ids[3]},150 15.0"]
    (tmp_path / "submission.csv").write_text("\n".join(["id,landmarks", *answers]))
    out = tmp_path / "out"
    evaluate("--set", set_file, "--submission", tmp_path / "submission.csv", "--out", out)
    scores = read_record(out / "results.json").sets[0].gldv2.public_recognition
    assert scores.global_average_precision == pytest.approx(0.166667, abs=1e-6)
    assert scores.without_images_of_no_landmark == pytest.approx(1 / 3)
    assert scores.top1_accuracy == pytest.approx(1 / 3)


def test_the_index_is_searched_and_a_submission_written(retrieval_set, tmp_path):
    index = tmp_path / "index"
    for image_id in INDEX.values():
        (index / member_path(image_id)).parent.mkdir(parents=True, exist_ok=True)
        (index / member_path(image_id)).write_bytes(b"only its descriptor is used")
    database = tmp_path / "index.yaml"
    database.write_text("name: index\nformat: gldv2\nimages: index\nground_truth: solution.csv\n")
    names = [*RETRIEVAL, *INDEX.values()]
    rows = np.zeros((len(names), 4), np.float32)
    rows[:4] = np.eye(4)
    # b finds its image second, all others find theirs first.
    for query, ranking in {A: ("f10", "f20"), B: ("f00", "f10"), C: ("f30",), D: ("f30",)}.items():
        for place, image in enumerate(ranking):
            rows[names.index(INDEX[image]), [A, B, C, D].index(query)] = 0.9 - 0.1 * place
    np.savez(tmp_path / "all.npz", names=np.array(names), descriptors=rows)
    out = tmp_path / "out"
    arguments = ("--set", retrieval_set, "--descriptors", tmp_path / "all.npz", "--out", out)
    evaluate(*arguments, "--database", database, *QUICK)
    found = read_record(out / "results.json").sets[0]
    written = (out / "submission_gldv2.csv").read_text().splitlines()
    assert written[0] == "id,images"
    assert written[2].startswith(f"{B},{INDEX['f00']} {INDEX['f10']} ")
    assert found.num_database == len(INDEX)
    # Computed from the file, so that the file is right whatever the program thinks.
    total = 0.0
    for line in written[1:]:
        query, _, images = line.partition(",")
        right = {INDEX[name] for name in RETRIEVAL[query]}
        hits = [image in right for image in images.split(" ")]
        total += sum(sum(hits[: k + 1]) / (k + 1) for k, hit in enumerate(hits) if hit) / len(right)
    score = found.gldv2.private_retrieval.mean_average_precision_at_100
    assert score == pytest.approx(total / 4)
    page = (out / "report.html").read_text()
    assert page.index(f">{B}<") < page.index(f">{D}<")
    assert "--database" in refuse(*arguments)


def test_landmarks_are_recognised_by_a_runs_training_images(tiny_run, tmp_path):
    names = {
        make_id(1): (1, 101),
        make_id(2): (2, 102),
        make_id(3): (3, 103),
        make_id(4): (77, None),
    }
    rows = [f"{i},{'' if right is None else right},Public" for i, (_, right) in names.items()]
    set_file = write_set(tmp_path, "\n".join(["id,landmarks,Usage", *rows]))
    for image_id, (wall, _) in names.items():
        (tmp_path / f"images/{image_id}.jpg").write_bytes(encode_jpeg(draw_view(wall, 8)))
    out = tmp_path / "out"
    evaluate(
        "--set", set_file, "--vlad", tiny_run.run_dir, "--database", tiny_run.run_dir, "--out", out
    )
    found = read_record(out / "results.json").sets[0]
    scores = found.gldv2.public_recognition
    assert (scores.num_images, scores.num_with_landmark) == (4, 3)
    assert scores.top1_accuracy == 1.0
    assert scores.global_average_precision > 0.9
    assert len((out / "submission_gldv2.csv").read_text().splitlines()) == 5


def write_places(folder, name, positions):
    rows = [f"{name[0]}{i},{name[0]}{i}.jpg,{x},0" for i, x in enumerate(positions)]
    (folder / f"{name}.csv").write_text("\n".join(["query_id,path,east_m,north_m", *rows]))
    path = folder / f"{name}.yaml"
    path.write_text(f"name: {name}\nformat: table\nimages: images\nground_truth: {name}.csv\n")
    return path


@pytest.fixture
def places(tmp_path):
    """The toy of 25 metres, with descriptors that rank as it says."""
    database = write_places(tmp_path, "database", [0, 10, 24.9, 25, 25.1, 100])
    queries = write_places(tmp_path, "queries", [0, 50, 1000])
    rows = np.zeros((9, 3), np.float32)
    rows[:3] = np.eye(3)
    rankings = [5, 4, 2, 0, 1, 3], [5, 3, 4, 0, 1, 2], [0, 1, 2, 3, 4, 5]
    for query, ranking in enumerate(rankings):
        rows[3 + np.array(ranking), query] = np.linspace(0.9, 0.4, 6)
    names = [*(f"q{i}" for i in range(3)), *(f"d{i}" for i in range(6))]
    np.savez(tmp_path / "all.npz", names=np.array(names), descriptors=rows)
    return ("--set", queries, "--descriptors", tmp_path / "all.npz", "--database", database)


def test_recall_of_the_toy(places, tmp_path):
    output = evaluate(*places, "--out", tmp_path / "out")
    recall = read_record(tmp_path / "out/results.json").sets[0].recall
    assert recall.recall_at == pytest.approx({1: 0, 5: 2 / 3, 10: 2 / 3, 20: 2 / 3})
    assert (recall.num_without_positives, recall.rule) == (1, "distance")
    assert "R@20" in output


def test_empty_queries_and_panoramas(places, tmp_path):
    evaluate(*places, "--out", tmp_path / "out", "--skip-empty")
    recall = read_record(tmp_path / "out/results.json").sets[0].recall
    assert (recall.recall_at[5], recall.skipped_empty) == (1.0, True)
    # With three views a panorama there are only two results: 5 and 2 of the first query.
    evaluate(*places, "--out", tmp_path / "out", "--views-per-panorama", 3, "--radius-m", 9)
    recall = read_record(tmp_path / "out/results.json").sets[0].recall
    assert recall.recall_at[5] == 0.0


def test_a_table_needs_a_database(places, tmp_path):
    assert "--database" in refuse(*places[:4], "--out", tmp_path / "out")
