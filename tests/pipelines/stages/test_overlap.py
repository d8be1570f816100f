import dataclasses
import json
import shutil

import pytest
from PIL import Image
from stage_runs import Run
from tiny_run import OVERLAPPING_CLASS, QUERIES

from manifests.evaluation_sets import GroundTruthError
from manifests.lineage import digest_file
from pipelines.in_flight import Crash, record_crash
from pipelines.markers import CRASHES_SUFFIX
from pipelines.run_tables import open_features
from pipelines.run_unit import run_unit
from pipelines.units import UnitStatus


def _with(run, evaluation=(), **overlap_settings):
    """The run with other settings of the overlap and of the evaluation set."""
    (tiny,) = run.config.evaluation_sets
    updates = {
        "evaluation_sets": (tiny.model_copy(update=dict(evaluation)),),
        "overlap": run.config.overlap.model_copy(update=overlap_settings),
    }
    return Run(run.config.model_copy(update=updates), run.run_dir)


def _own_evaluation_set(run, tmp_path):
    """The run with a copy of the evaluation set that a test may change."""
    shutil.copytree(run.config.evaluation_sets[0].images, tmp_path / "eval")
    paths = {"images": tmp_path / "eval", "ground_truth": tmp_path / "eval/gnd_tiny.json"}
    return _with(run, paths)


def _visual(run, query_id):
    rows = [r for r in run.rows("candidates") if r["query_id"] == query_id]
    return sorted(rows, key=lambda row: row["rank"])


def test_the_overlapping_class_is_matched_and_no_other(tiny_run):
    matched = [row for row in tiny_run.rows("candidates") if row["verdict"] == "match"]
    assert {(row["query_id"], row["landmark_id"]) for row in matched} == {
        (QUERIES[0], OVERLAPPING_CLASS)
    }
    assert all(row["num_inliers"] >= tiny_run.config.overlap.min_inliers for row in matched)
    assert all(len(row["transform"]) == 6 for row in matched)


def test_queries_and_candidates_are_described_anew_for_the_comparison(own_run):
    """With more pixels and features than those that are stored of every image."""
    fine = own_run.config.overlap.describe
    stored = own_run.config.describe
    assert fine.max_features > stored.max_features
    again = {(r["query_id"], r["image_id"]): r for r in own_run.rows("candidates")}
    run = _with(own_run, {}, describe=None)
    run.finish("overlap")
    num_features = open_features(run.run_dir).num_features
    for row in run.rows("candidates"):
        if row["source"] == "visual":
            assert row["num_features_image"] == num_features(row["image_id"])
            assert row["num_features_query"] <= stored.max_features
            finer = again[row["query_id"], row["image_id"]]
            assert finer["num_features_image"] > row["num_features_image"]


def test_only_images_that_the_cleaning_kept_are_candidates(tiny_run):
    kept = {row["image_id"] for row in tiny_run.rows("verdicts") if row["kept"]}
    assert {row["image_id"] for row in tiny_run.rows("candidates")} <= kept


@pytest.mark.parametrize("number", [1, 5])
def test_the_nearest_are_shown_whatever_the_verifier_says(own_run, number):
    run = _with(own_run, always_show_top=number, top_k=9)
    run.finish("overlap")
    rows = _visual(run, QUERIES[1])
    assert [row["rank"] for row in rows] == list(range(1, number + 1))
    assert {row["verdict"] for row in rows} <= {"below_threshold", "rejected"}
    similarities = [row["similarity"] for row in rows]
    assert similarities == sorted(similarities, reverse=True)


def test_names_propose_a_class_by_one_kept_image(tiny_run):
    (row,) = [row for row in tiny_run.rows("candidates") if row["source"] == "text"]
    assert (row["query_id"], row["landmark_id"]) == ("text:bridge", OVERLAPPING_CLASS)
    assert (row["verdict"], row["landmark_name"]) == ("named", "Stone Bridge")
    evidence = ("rank", "probe", "similarity", "num_inliers", "transform")
    assert {row[name] for name in evidence} == {None}


def test_a_class_that_bears_the_name_of_a_landmark_is_proposed(own_run):
    run = _with(own_run, {"text_terms": (), "landmark_names": ("STONE-bridge", "Bridge of Stone")})
    run.finish("overlap")
    (row,) = [row for row in run.rows("candidates") if row["source"] == "text"]
    assert (row["query_id"], row["landmark_id"]) == ("name:STONE-bridge", OVERLAPPING_CLASS)
    assert (row["verdict"], row["landmark_name"]) == ("named", "Stone Bridge")


def test_a_further_name_of_a_class_proposes_it_and_is_shown(own_run, tmp_path):
    aliases = tmp_path / "names.csv"
    aliases.write_text("landmark_id,name\n103,Le Pont de Pierre\n999,Pont de Pierre\n")
    wanted = {"text_terms": (), "landmark_names": ("pont de pierre",)}
    run = _with(own_run, wanted, class_aliases=aliases)
    run.finish("overlap")
    (row,) = [row for row in run.rows("candidates") if row["source"] == "text"]
    assert (row["query_id"], row["landmark_id"]) == ("name:pont de pierre", OVERLAPPING_CLASS)
    assert row["landmark_name"] == "Le Pont de Pierre"
    aliases.write_text("landmark_id,name\n101,Pont de Pierre\n")
    assert run.waiting("overlap") == ["text"]
    run.finish("overlap")
    assert [r["landmark_id"] for r in run.rows("candidates") if r["source"] == "text"] == [101]


def test_without_terms_there_is_no_unit_for_names(own_run):
    run = _with(own_run, {"text_terms": ()})
    assert [unit.unit_id for unit in run.step("overlap").plan()] == ["tiny-000"]
    run.finish("overlap")
    assert {row["source"] for row in run.rows("candidates")} == {"visual"}


def test_without_an_evaluation_set_there_is_nothing_to_compare(own_run):
    run = Run(own_run.config.model_copy(update={"evaluation_sets": ()}), own_run.run_dir)
    assert run.step("overlap").plan() == []
    run.finish()
    assert not (run.run_dir / "candidates/tiny-000.parquet").exists()
    assert len(run.manifest_rows("rgldv2_clean")) == 12


def _sorted_rows(run):
    return sorted(run.rows("candidates"), key=lambda r: (r["query_id"], r["image_id"]))


def test_how_queries_are_cut_into_units_changes_no_row(own_run):
    before = _sorted_rows(own_run)
    run = _with(own_run, queries_per_unit=1)
    assert run.finish("overlap")["overlap"] == ["tiny-000", "tiny-001"]
    assert _sorted_rows(run) == before


@pytest.mark.parametrize("search_bytes", [1, 500, 100_000])
def test_the_memory_of_the_search_changes_no_row(own_run, search_bytes):
    """With next to none, queries are looked for one by one and the split comes row by row."""
    before = _sorted_rows(own_run)
    step = dataclasses.replace(own_run.step("overlap"), search_bytes=search_bytes)
    shutil.rmtree(own_run.run_dir / "state/overlap")
    for unit in step.plan():
        assert run_unit(step, own_run.run_dir, unit).error is None
    assert _sorted_rows(own_run) == before


def test_the_threshold_of_the_overlap_counts_not_that_of_the_cleaning(own_run, tmp_path):
    run = _own_evaluation_set(own_run, tmp_path)
    path = tmp_path / "eval/overlapping.jpg"
    with Image.open(path) as image:
        image.reduce(3).save(path)
    threshold = 150
    updates = {
        name: getattr(run.config, name).model_copy(update={"min_inliers": threshold})
        for name in ("verify", "clean")
    }
    run = Run(run.config.model_copy(update=updates), run.run_dir)
    run.finish("overlap")
    inliers = [row["num_inliers"] for row in run.rows("candidates") if row["verdict"] == "match"]
    assert inliers
    assert min(inliers) < threshold


def test_an_empty_clean_split_gives_no_candidates(own_run):
    clean = own_run.config.clean.model_copy(update={"min_verified_neighbours": 50})
    run = Run(own_run.config.model_copy(update={"clean": clean}), own_run.run_dir)
    run.finish()
    assert run.rows("candidates") == []
    assert len(run.manifest_rows("removed")) == len(run.rows("images"))


def test_a_missing_query_image_is_refused_by_name(own_run, tmp_path):
    run = _own_evaluation_set(own_run, tmp_path)
    (tmp_path / "eval/other.jpg").unlink()
    with pytest.raises(GroundTruthError, match=f"{tmp_path / 'eval'}: no image 'other'"):
        run.step("overlap.queries").plan()


@pytest.mark.parametrize(
    ("data", "complaint"),
    [(b"", "not_an_image: not JPEG"), (b"\xff\xd8\xff\xe0broken", "truncated: begins as JPEG")],
)
def test_a_broken_query_image_fails_its_unit_by_name(own_run, tmp_path, data, complaint):
    run = _with(_own_evaluation_set(own_run, tmp_path), queries_per_unit=1)
    path = tmp_path / "eval/other.jpg"
    path.write_bytes(data)
    run.finish("overlap.queries")
    reports = run.do("overlap")
    error = reports["tiny-001"].error.splitlines()[0]
    assert error.startswith(f"GroundTruthError: {path}: query other: {complaint}")
    assert error.endswith("replace the image")
    assert reports["tiny-000"].status is UnitStatus.DONE


def test_a_query_that_stopped_workers_fails_its_unit_and_is_not_passed_over(own_run):
    run = _with(own_run, queries_per_unit=1)
    run.finish("overlap.queries")
    unit = next(u for u in run.step("overlap").plan() if u.unit_id == "tiny-001")
    crashes = unit.state_path(run.run_dir, CRASHES_SUFFIX)
    for _ in range(2):
        record_crash(crashes, unit.fingerprint, "other", Crash("killed by SIGSEGV"))
    error = run.do("overlap")["tiny-001"].error
    assert "other.jpg: killed by SIGSEGV; replace the image" in error


def test_a_replaced_query_image_redoes_its_unit_only(own_run, tmp_path):
    run = _with(_own_evaluation_set(own_run, tmp_path), queries_per_unit=1)
    run.finish("overlap")
    shutil.copy(tmp_path / "eval/overlapping.jpg", tmp_path / "eval/other.jpg")
    assert run.finish("overlap")["overlap"] == ["tiny-001"]
    assert any(row["verdict"] == "match" for row in _visual(run, "other"))


def test_a_changed_box_redoes_the_queries(own_run, tmp_path):
    run = _own_evaluation_set(own_run, tmp_path)
    run.finish("overlap")
    path = tmp_path / "eval/gnd_tiny.json"
    content = json.loads(path.read_text())
    content["gnd"][0]["bbx"] = [0, 0, 200, 200]
    before = digest_file(path)
    path.write_text(json.dumps(content))
    assert digest_file(path) != before
    assert run.finish("overlap.queries")["overlap.queries"] == ["tiny-000"]
    assert run.waiting("overlap") == ["tiny-000"]


def test_a_box_outside_the_image_fails_the_unit_with_the_box(own_run, tmp_path):
    run = _own_evaluation_set(own_run, tmp_path)
    path = tmp_path / "eval/gnd_tiny.json"
    content = json.loads(path.read_text())
    content["gnd"][1]["bbx"] = [9000, 9000, 9100, 9100]
    path.write_text(json.dumps(content))
    run.finish("overlap.queries")
    error = run.do("overlap")["tiny-000"].error.splitlines()[0]
    assert (
        f"{tmp_path / 'eval/other.jpg'}: query other: crop (9000.0, 9000.0, 9100.0, 9100.0)"
        in error
    )
