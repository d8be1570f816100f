import numpy as np
import pytest
from stage_runs import Run

from manifests.arrow_schemas import EMBEDDINGS
from manifests.parquet_io import write_rows
from pipelines.run_folder import RunFolderError, table_parts
from pipelines.run_tables import (
    DescriptorStore,
    matrix_path,
    open_descriptors,
    open_features,
    open_images,
)


@pytest.fixture(scope="module")
def usable(tiny_run: Run):
    return [row for row in tiny_run.rows("images") if row["status"] == "ok"]


def test_usable_images_come_sorted_by_class_and_id(tiny_run, usable):
    frame = open_images(tiny_run.run_dir).frame
    found = list(zip(frame["landmark_id"], frame["image_id"], strict=True))
    assert found == sorted((row["landmark_id"], row["image_id"]) for row in usable)


def test_class_sizes_count_usable_images_alone(tiny_run, usable):
    sizes = open_images(tiny_run.run_dir).class_sizes
    assert sum(sizes.values()) == len(usable) < len(tiny_run.rows("images"))
    assert sizes == {101: 5, 102: 4, 103: 4, 104: 2}
    assert all(isinstance(number, int) for pair in sizes.items() for number in pair)


@pytest.mark.parametrize("landmark_id", [101, 104])
def test_a_class_has_its_images_and_no_other(tiny_run, usable, landmark_id):
    rows = open_images(tiny_run.run_dir).of_class(landmark_id)
    expected = sorted(r["image_id"] for r in usable if r["landmark_id"] == landmark_id)
    assert rows["image_id"].tolist() == expected
    digests = {row["image_id"]: row["sha256"] for row in usable}
    assert rows["sha256"].tolist() == [digests[image_id] for image_id in expected]


@pytest.mark.parametrize("landmark_id", [0, 100, 999])
def test_an_unknown_class_is_empty(tiny_run, landmark_id):
    assert len(open_images(tiny_run.run_dir).of_class(landmark_id)) == 0


def test_names_are_those_of_the_lists(tiny_run):
    names = open_images(tiny_run.run_dir).landmark_names
    assert names[102] == "<script>alert(1)</script> Tower"
    assert names.keys() == {101, 102, 103, 104}


def test_a_table_is_opened_once_until_it_changes(own_run):
    first = open_features(own_run.run_dir)
    assert open_features(own_run.run_dir) is first
    (own_run.run_dir / "state/describe/images_001.json").unlink()
    second = open_features(own_run.run_dir)
    assert 0 < len(second.blocks) < len(first.blocks)


@pytest.mark.parametrize("open_table", [open_images, open_features, open_descriptors])
def test_a_folder_without_the_stage_is_refused(tmp_path, open_table):
    with pytest.raises(RunFolderError, match="nothing finished in stage"):
        open_table(tmp_path)


def test_every_usable_image_of_the_tiny_run_has_features_and_a_descriptor(tiny_run, usable):
    features, descriptors = open_features(tiny_run.run_dir), open_descriptors(tiny_run.run_dir)
    for row in usable:
        assert features.num_features(row["image_id"]) > 100
        assert descriptors.has(row["image_id"])


def test_descriptors_come_in_the_order_asked_for_across_parts(tiny_run, usable):
    store = open_descriptors(tiny_run.run_dir)
    assert len(table_parts(tiny_run.run_dir, "embed")) == 2
    ids = [row["image_id"] for row in usable]
    forwards, backwards = store.load(ids), store.load(ids[::-1])
    assert np.array_equal(forwards[::-1], backwards)
    assert forwards.dtype == np.float32
    by_id = {row["image_id"]: row["descriptor"] for row in tiny_run.rows("embeddings")}
    assert np.array_equal(forwards, np.array([by_id[image_id] for image_id in ids], np.float32))


def test_no_image_gives_no_descriptor(tiny_run):
    store = open_descriptors(tiny_run.run_dir)
    some = tiny_run.rows("embeddings")[0]["image_id"]
    assert store.load([]).shape == (0, store.load([some]).shape[1])


def test_an_image_without_a_descriptor_is_an_error_when_asked_for(tmp_path):
    part = tmp_path / "part.parquet"
    rows = [
        {"image_id": "a", "descriptor": [0.6, 0.8], "status": "ok"},
        {"image_id": "b", "descriptor": None, "status": "no_features"},
    ]
    write_rows(part, EMBEDDINGS, rows)
    np.save(matrix_path(part), np.array([[0.6, 0.8], [np.nan, np.nan]], np.float16))
    store = DescriptorStore([part])
    assert [store.has(image_id) for image_id in "abc"] == [True, False, False]
    assert store.load(["a", "a"]).shape == (2, 2)
    for image_id in "bc":
        with pytest.raises(KeyError):
            store.load([image_id])
