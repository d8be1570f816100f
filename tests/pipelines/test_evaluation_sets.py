"""Evaluation sets of the configuration: every format from its YAML file to the query's bytes."""

import shutil
from pathlib import Path

import pytest
import yaml
from gldv2_layout import image_id, write_shard
from stage_runs import Run
from tiny_run import OVERLAPPING_CLASS, QUERIES

from cleanmark import demo
from manifests.evaluation_sets import GroundTruthError
from manifests.gldv2_csv import member_path
from pipelines.evaluation_sets import locate_image, read_evaluation_set
from pipelines.run_config import RunConfig
from pipelines.settings import EvaluationSetSettings

CONFIGS = Path(__file__).parents[2] / "configs" / "evaluation"
FILES = sorted(CONFIGS.glob("*.yaml"))
A, B = image_id(10), image_id(11)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_evaluation_set_is_a_small_file(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 25
    EvaluationSetSettings.model_validate(yaml.safe_load(text))


def test_every_shipped_file_is_explained():
    text = (CONFIGS.parents[1] / "docs/data.md").read_text(encoding="utf-8")
    assert [path.name for path in FILES if f"| `{path.name}` |" not in text] == []


def test_the_shipped_files_show_every_format():
    formats = {yaml.safe_load(path.read_text()).get("format", "revisited") for path in FILES}
    assert formats == {"revisited", "oxford5k", "gldv2", "folder", "table"}


def test_the_file_of_the_miniature_says_what_the_demo_says():
    (entry,) = demo._CONFIG["evaluation_sets"]
    assert yaml.safe_load((CONFIGS / "miniworld.yaml").read_text()) == entry


@pytest.mark.parametrize("name", ["roxford5k", "rparis6k"])
def test_the_shipped_file_reads_the_real_ground_truth(groundtruth_root, name):
    content = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())
    content["ground_truth"] = groundtruth_root / Path(content["ground_truth"]).name
    found = read_evaluation_set(EvaluationSetSettings.model_validate(content))
    assert len(found.queries) == 70
    assert all(query.box is not None for query in found.queries)


def _gldv2(tmp_path):
    path = tmp_path / "retrieval_solution_v2.1.csv"
    path.write_text(f"id,images,Usage\n{A},{B},Public\n")
    return EvaluationSetSettings(
        name="gldv2", format="gldv2", images=tmp_path / "train", ground_truth=path
    )


def test_gldv2_images_are_read_from_unpacked_folders(tmp_path):
    settings = _gldv2(tmp_path)
    for name, data in ((member_path(A), b"nested"), (f"{B}.jpg", b"flat")):
        path = settings.images / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    assert locate_image(settings, A).read() == b"nested"
    assert locate_image(settings, B).read() == b"flat"


def test_gldv2_images_are_read_from_shards_by_offset(tmp_path):
    settings = _gldv2(tmp_path)
    write_shard(tmp_path, "images_000", [(member_path(A), b"first"), (f"../{B}.jpg", b"unsafe")])
    write_shard(tmp_path, "images_001", [(member_path(B), b"second")])
    assert locate_image(settings, A).read() == b"first"
    assert locate_image(settings, B).read() == b"second"
    write_shard(tmp_path, "images_001", [(member_path(image_id(12)), b"x"), (member_path(B), b"2")])
    assert locate_image(settings, B).read() == b"2"
    with pytest.raises(GroundTruthError, match=r"no image .* in its 2 shards"):
        locate_image(settings, image_id(99))


def _as_folder(folder, pictures):
    return {"format": "folder", "images": pictures}


def _as_table(folder, pictures):
    rows = [f"{query},{query}.jpg,20,20,400,300" for query in QUERIES]
    (folder / "queries.csv").write_text("\n".join(["query_id,path,x1,y1,x2,y2", *rows]) + "\n")
    return {"format": "table", "images": pictures, "ground_truth": folder / "queries.csv"}


def _as_oxford5k(folder, pictures):
    for query in QUERIES:
        (folder / f"{query}_query.txt").write_text(f"oxc1_{query} 20 20 400 300\n")
        (folder / f"{query}_good.txt").write_text(f"{query}\n")
        (folder / f"{query}_ok.txt").touch()
        (folder / f"{query}_junk.txt").touch()
    return {"format": "oxford5k", "images": pictures, "ground_truth": folder}


def _as_gldv2(folder, pictures):
    ids = dict(zip(QUERIES, (A, B), strict=True))
    members = [(member_path(ids[q]), (pictures / f"{q}.jpg").read_bytes()) for q in QUERIES]
    write_shard(folder, "images_000", members)
    path = folder / "solution.csv"
    path.write_text("\n".join(["id,images,Usage", f"{A},{B},Public", f"{B},{A},Private"]) + "\n")
    return {"format": "gldv2", "images": folder / "train", "ground_truth": path}


@pytest.mark.parametrize("make", [_as_folder, _as_table, _as_oxford5k, _as_gldv2])
def test_the_overlap_is_found_whatever_the_format(own_run, tmp_path, make):
    pictures, folder = tmp_path / "pictures", tmp_path / "truth"
    folder.mkdir()
    shutil.copytree(own_run.config.evaluation_sets[0].images, pictures)
    content = {"name": "other", **make(folder, pictures)}
    sections = own_run.config.model_dump() | {"evaluation_sets": [content]}
    run = Run(RunConfig.model_validate(sections), own_run.run_dir)
    run.finish("overlap")
    matches = [row for row in run.rows("candidates") if row["verdict"] == "match"]
    assert {row["landmark_id"] for row in matches} == {OVERLAPPING_CLASS}
    assert {row["eval_set"] for row in matches} == {"other"}
    has_boxes = content["format"] in ("table", "oxford5k")
    assert has_boxes or {row["probe"] for row in run.rows("candidates")} == {"whole"}


def test_distractors_are_no_queries(own_run, tmp_path):
    (tmp_path / "revisitop1m.txt").write_text("00/a.jpg\n")
    content = {"name": "r1m", "images": tmp_path, "ground_truth": tmp_path / "revisitop1m.txt"}
    sections = own_run.config.model_dump() | {"evaluation_sets": [content]}
    run = Run(RunConfig.model_validate(sections), own_run.run_dir)
    assert read_evaluation_set(run.config.evaluation_sets[0]).database == ("00/a.jpg",)
    assert run.step("overlap.queries").plan() == []
    assert run.step("overlap").plan() == []
