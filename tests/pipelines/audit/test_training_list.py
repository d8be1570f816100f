import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests.gldv2_csv import member_path, write_train_clean_csv
from manifests.image_lists import ImageListError, ListKind
from pipelines.audit.training_list import Layout, choose_layout, find_shards, read_training_list

A, B, C = (f"{n:016x}" for n in (161, 177, 193))


@pytest.fixture(autouse=True)
def _forget():
    read_training_list.cache_clear()


def _lines(path, rows):
    path.write_text("".join(f"{image} {label}\n" for image, label in rows))
    return path


def _columns(path, *names):
    images = read_training_list(path).images
    return list(zip(*(images[name].to_pylist() for name in names), strict=True))


def test_rows_are_sorted_whatever_their_order(tmp_path):
    rows = [(f"photos/{n}.jpg", n % 3) for n in range(20)]
    lists = []
    for number in range(2):
        random.Random(number).shuffle(rows)
        lists.append(read_training_list(_lines(tmp_path / f"{number}.txt", rows)))
        read_training_list.cache_clear()
    assert lists[0].images.equals(lists[1].images)
    assert lists[0].digest == lists[1].digest


def test_another_label_makes_another_digest(tmp_path):
    digests = set()
    for label in "12":
        digests.add(
            read_training_list(_lines(tmp_path / f"{label}.txt", [("a.jpg", label)])).digest
        )
    assert len(digests) == 2


def test_numbers_stay_the_numbers_of_their_classes(tmp_path):
    write_train_clean_csv(tmp_path / "c.csv", {7: [A, B], 3: [C]})
    columns = _columns(tmp_path / "c.csv", "image_id", "label", "landmark_id")
    assert columns == [(A, "7", 7), (B, "7", 7), (C, "3", 3)]


def test_names_of_classes_are_numbered_in_their_order(tmp_path):
    path = _lines(tmp_path / "l.txt", [("x.jpg", "tower"), ("y.jpg", "gate"), ("z.jpg", "007")])
    assert _columns(path, "label", "landmark_id") == [("tower", 2), ("gate", 1), ("007", 0)]


def test_equal_file_names_in_two_folders_are_two_images(tmp_path):
    for name in ("gate/1.jpg", "tower/1.jpg"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    assert _columns(tmp_path, "image_id", "label") == [
        ("gate/1.jpg", "gate"),
        ("tower/1.jpg", "tower"),
    ]


def test_a_file_with_the_name_of_an_image_of_gldv2_is_that_image(tmp_path):
    assert _columns(_lines(tmp_path / "l.txt", [(f"x/{A}.jpg", 1)]), "image_id") == [(A,)]


def test_an_empty_list_is_refused(tmp_path):
    with pytest.raises(ImageListError, match="names no image"):
        read_training_list(_lines(tmp_path / "l.txt", []))


def test_an_image_without_a_class_is_refused_by_its_row(tmp_path):
    pq.write_table(pa.table({"image_id": [A, B], "label": ["x", None]}), tmp_path / "x.parquet")
    with pytest.raises(ImageListError, match="row 2: label is empty"):
        read_training_list(tmp_path / "x.parquet")


def test_no_image_may_pass_for_a_canary(tmp_path):
    path = _lines(tmp_path / "l.txt", [("canary:rotated:12", 1)])
    with pytest.raises(ImageListError, match="'canary:rotated:12' begins as the canaries"):
        read_training_list(path)


def test_shards_are_found_in_the_folder_or_in_train(tmp_path):
    (tmp_path / "images_001.tar").touch()
    assert [p.name for p in find_shards(tmp_path)] == ["images_001.tar"]
    (tmp_path / "train").mkdir()
    (tmp_path / "train/images_000.tar").touch()
    assert [p.name for p in find_shards(tmp_path)] == ["images_000.tar"]


def test_ids_are_looked_for_as_files_and_in_shards(tmp_path):
    found = read_training_list(_lines(tmp_path / "l.txt", [(f"x/{A}.jpg", 1)]))
    (tmp_path / "images_000.tar").touch()
    assert choose_layout(found, tmp_path) is Layout.SHARDS
    (tmp_path / "x").mkdir()
    (tmp_path / f"x/{A}.jpg").touch()
    assert choose_layout(found, tmp_path) is Layout.LOOSE


def test_ids_alone_are_found_where_gldv2_has_them(tmp_path):
    write_train_clean_csv(tmp_path / "c.csv", {7: [A]})
    found = read_training_list(tmp_path / "c.csv")
    file = tmp_path / member_path(A)
    file.parent.mkdir(parents=True)
    file.touch()
    assert found.kind is ListKind.TRAIN_CLEAN
    assert choose_layout(found, tmp_path) is Layout.LOOSE


def test_a_folder_without_any_of_the_photographs_is_refused(tmp_path):
    found = read_training_list(_lines(tmp_path / "l.txt", [("x.jpg", 1)]))
    with pytest.raises(ImageListError, match=r"such as x\.jpg; give .* with --photos"):
        choose_layout(found, tmp_path)
