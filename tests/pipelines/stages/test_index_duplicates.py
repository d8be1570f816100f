import shutil

import pytest
from crossed_classes import crossed_config, draw_front, recompress, tilt
from gldv2_layout import image_id, write_classes, write_shard
from stage_runs import Run
from tiny_run import encode_jpeg

from curation.shards import ShardError
from manifests.gldv2_csv import member_path
from manifests.manifest_json import read_manifest
from pipelines.run_config import RunConfig

NUM_WALLS = 3
EXACT, COPY, OTHER_WALL, BROKEN = (image_id(number) for number in (0xA1, 0xA2, 0xA3, 0xA4))
RESOLVE = {"index_duplicates": "drop"}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Two views of each of three walls to train on; the index split has copies of two of them."""
    root = tmp_path_factory.mktemp("gldv2")
    fronts = [draw_front(wall) for wall in range(NUM_WALLS)]
    classes = {wall: [encode_jpeg(f), encode_jpeg(tilt(f))] for wall, f in enumerate(fronts)}
    write_classes(root, classes, "images_000")
    (root / "metadata/train_label_to_category.csv").unlink()
    first = [(EXACT, classes[0][1]), (OTHER_WALL, encode_jpeg(draw_front(9)))]
    second = [(COPY, recompress(fronts[1])), (BROKEN, b"no image")]
    for number, files in enumerate((first, second)):
        members = [(member_path(name), data) for name, data in files]
        write_shard(root, f"images_{number:03d}", members, "index")
    return root


def _run(root, run_dir, **sections):
    duplicates = {"max_hash_bits": 2, "index": {"root": root}}
    run = Run(crossed_config(root, **{"duplicates": duplicates} | sections), run_dir)
    run.finish()
    return run


@pytest.fixture(scope="module")
def finished(world, tmp_path_factory):
    return _run(world, tmp_path_factory.mktemp("run"))


def _pairs(run, kind):
    rows = run.rows("index_duplicates")
    return {(row["image_id"], row["index_image_id"]) for row in rows if row["kind"] == kind}


# Images are numbered from 1: the first wall has 1 and 2, the second 3 and 4.
FOUND = {"exact": {(image_id(2), EXACT)}, "near": {(image_id(3), COPY)}, "same_scene": set()}


def test_equal_files_and_copies_in_the_index_are_found_and_nothing_else(finished):
    assert {kind: _pairs(finished, kind) for kind in FOUND} == FOUND
    for row in finished.rows("index_duplicates"):
        assert row["shard"] == f"index/images_{int(row['index_image_id'] == COPY):03d}.tar"
        assert row["landmark_id"] == int(row["index_image_id"] == COPY)


def test_the_manifest_counts_what_was_compared_and_what_could_not_be_read(finished):
    found = read_manifest(finished.run_dir / "manifests/manifest.json").index_duplicates
    assert (found.split, found.num_images, found.num_unreadable) == ("index", 3, 1)
    assert found.num_pairs == {kind: len(pairs) for kind, pairs in FOUND.items()}
    assert found.num_dropped == 0
    assert "Against 3 images of the split index: 1 pairs of equal files, 1 of copies" in (
        found.describe()
    )


def test_copies_of_index_images_leave_if_they_are_to_and_say_why(world, finished, tmp_path):
    run = _run(world, tmp_path, emit=RESOLVE)
    before = {row["image_id"] for row in finished.manifest_rows("gldv2_clean")}
    for table in ("gldv2_clean", "rgldv2_clean"):
        left = {row["image_id"] for row in run.manifest_rows(table)}
        assert before - left == {image_id(2), image_id(3)}
    gone = {row["image_id"]: row for row in run.manifest_rows("removed")}
    assert gone[image_id(3)]["reason"] == "index_duplicate"
    assert gone[image_id(3)]["evidence"].endswith(f"Copies: {COPY}.")
    manifest = read_manifest(run.run_dir / "manifests/manifest.json")
    assert manifest.index_duplicates.num_dropped == 2
    assert manifest.ingested == manifest.counts.images + sum(manifest.removed["clean"].values())


def test_a_changed_shard_of_the_index_is_compared_again_and_no_other(world, tmp_path):
    root = shutil.copytree(world, tmp_path / "gldv2")
    run = _run(root, tmp_path / "run")
    write_shard(root, "images_001", [(member_path(COPY), encode_jpeg(draw_front(8)))], "index")
    assert run.waiting("clean.index_duplicates") == ["index-images_001"]
    run.finish()
    assert _pairs(run, "near") == set()
    assert _pairs(run, "exact") == FOUND["exact"]


def test_without_an_index_nothing_is_planned_and_nothing_can_be_resolved(world, tmp_path):
    config = crossed_config(world)
    assert Run(config, tmp_path).step("clean.index_duplicates").plan() == []
    with pytest.raises(ValueError, match=r"needs duplicates\.index"):
        RunConfig.model_validate(config.model_dump() | {"emit": RESOLVE})


def test_a_folder_without_its_shards_is_refused_with_the_remedy(world, tmp_path):
    index = {"root": tmp_path / "nowhere"}
    run = Run(crossed_config(world, duplicates={"index": index}), tmp_path / "run")
    with pytest.raises(ShardError, match="fetch gldv2 --split index"):
        run.step("clean.index_duplicates").plan()


def test_where_the_index_lies_changes_neither_the_digest_nor_what_is_done(
    world, finished, tmp_path
):
    (tmp_path / "moved").symlink_to(world)
    moved = crossed_config(
        world, duplicates={"max_hash_bits": 2, "index": {"root": tmp_path / "moved"}}
    )
    assert moved.digest == finished.config.digest
    assert Run(moved, finished.run_dir).waiting("clean.index_duplicates") == []
