from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests.gldv2_csv import (
    Gldv2CsvError,
    read_train_clean_csv,
    write_train_clean_csv,
)
from manifests.image_lists import ImageListError, ListKind, read_image_list
from manifests.manifest_json import read_manifest

A, B, C = "00000000000000a1", "00000000000000b1", "00000000000000c1"


def _read(path):
    found = read_image_list(path)
    rows = zip(*(found.images[name].to_pylist() for name in ("image_id", "label")), strict=True)
    return found.kind, dict(rows)


def test_train_clean_is_read(tmp_path):
    write_train_clean_csv(tmp_path / "list.csv", {7: [A, B], 3: [C]})
    assert _read(tmp_path / "list.csv") == (ListKind.TRAIN_CLEAN, {A: "7", B: "7", C: "3"})


def test_train_is_read(tmp_path):
    (tmp_path / "train.csv").write_text(f"id,url,landmark_id\n{A},http://x,7\n{B},http://y,3\n")
    assert _read(tmp_path / "train.csv") == (ListKind.TRAIN, {A: "7", B: "3"})


@pytest.mark.parametrize("column", ["landmark_id", "label"])
def test_parquet_of_others_is_read(tmp_path, column):
    pq.write_table(pa.table({"image_id": [A, B], column: [7, 3]}), tmp_path / "x.parquet")
    assert _read(tmp_path / "x.parquet") == (ListKind.PARQUET, {A: "7", B: "3"})


def test_parquet_without_classes_is_refused(tmp_path):
    pq.write_table(pa.table({"image_id": [A], "score": [1.0]}), tmp_path / "x.parquet")
    with pytest.raises(ImageListError, match=r"columns are image_id, score; expected"):
        read_image_list(tmp_path / "x.parquet")


def test_lines_of_paths_and_labels_are_read(tmp_path):
    (tmp_path / "l.txt").write_text(f"train/0/0/0/{A}.jpg 7\n\nmy photos/{B}.png\t3\n")
    assert _read(tmp_path / "l.txt") == (ListKind.PATH_LABEL, {A: "7", B: "3"})


def test_a_line_without_a_label_is_refused_by_its_number(tmp_path):
    (tmp_path / "l.txt").write_text(f"{A}.jpg 7\n{B}.jpg\n")
    with pytest.raises(ImageListError, match=r"l\.txt: row 2: '00000000000000b1\.jpg'"):
        read_image_list(tmp_path / "l.txt")


def test_a_folder_per_class_is_read(tmp_path):
    for name in ("tower/deep/a.jpg", "tower/b.PNG", "gate/c.webp", "gate/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    kind, images = _read(tmp_path)
    assert (kind, images) == (ListKind.CLASS_FOLDERS, {"a": "tower", "b": "tower", "c": "gate"})


def test_one_name_in_two_classes_is_refused(tmp_path):
    for folder in ("tower", "gate"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.jpg").touch()
    with pytest.raises(ImageListError, match="image a occurs 2 times"):
        read_image_list(tmp_path)


def test_an_empty_folder_is_nothing(tmp_path):
    with pytest.raises(ImageListError, match="neither a run"):
        read_image_list(tmp_path)


def test_a_missing_path_is_named(tmp_path):
    with pytest.raises(ImageListError, match=r"nowhere: no such file"):
        read_image_list(tmp_path / "nowhere")


def test_a_broken_row_of_a_gldv2_list_is_refused(tmp_path):
    (tmp_path / "c.csv").write_text("landmark_id,images\n7,zz\n")
    with pytest.raises(Gldv2CsvError, match="row 2"):
        read_image_list(tmp_path / "c.csv")


def test_a_run_its_manifests_and_one_split_are_read(tiny_run):
    folder = tiny_run.run_dir / "manifests"
    splits = {}
    for name in ("rgldv2_clean", "gldv2_clean"):
        classes = read_train_clean_csv(folder / name / "train_clean.csv")
        splits[name] = {i: str(c) for c, image_ids in classes.items() for i in image_ids}
        assert splits[name]
        assert _read(folder / name) == (ListKind.MANIFEST, splits[name])
    assert _read(tiny_run.run_dir) == _read(folder) == _read(folder / "rgldv2_clean")


def test_a_manifest_says_why_images_are_missing(tiny_run):
    folder = tiny_run.run_dir / "manifests"
    counts = read_manifest(folder / "manifest.json").removed
    for name in ("rgldv2_clean", "gldv2_clean"):
        removed = read_image_list(folder / name).removed
        pairs = zip(removed["stage"].to_pylist(), removed["reason"].to_pylist(), strict=True)
        stages = ("ingest", "clean", "overlap") if name == "rgldv2_clean" else ("ingest", "clean")
        assert Counter(pairs) == {(s, r): n for s in stages for r, n in counts.get(s, {}).items()}


def test_places_are_read_when_they_are_asked_for(tiny_run):
    folder = tiny_run.run_dir / "manifests" / "rgldv2_clean"
    assert read_image_list(folder).images.column_names == ["image_id", "label"]
    images = read_image_list(folder, with_places=True).images
    rows = {row["image_id"]: row for row in tiny_run.manifest_rows("rgldv2_clean")}
    for row in images.to_pylist():
        place = {name: rows[row["image_id"]][name] for name in ("shard", "member", "offset")}
        assert row.items() >= place.items()
    assert len(images) == len(rows)


def test_with_places_files_of_one_name_are_told_apart(tmp_path):
    (tmp_path / "l.txt").write_text(f"a/1.jpg 7\nb/1.jpg 7\nc/{A}.jpg 3\n")
    with pytest.raises(ImageListError, match="occurs 2 times"):
        read_image_list(tmp_path / "l.txt")
    images = read_image_list(tmp_path / "l.txt", with_places=True).images
    assert images["image_id"].to_pylist() == ["a/1.jpg", "b/1.jpg", A]
    assert images["path"].to_pylist() == ["a/1.jpg", "b/1.jpg", f"c/{A}.jpg"]
