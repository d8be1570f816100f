"""Every kind of list is accepted, and all its photographs are found where they are."""

import hashlib

import pyarrow.parquet as pq
import pytest
from audit_world import draw_photographs, run_steps_here, write_world

from manifests.arrow_schemas import FEATURES, IMAGES
from manifests.gldv2_csv import member_path, write_train_clean_csv
from manifests.parquet_io import read_table
from manifests.rows import ImageStatus
from pipelines.audit.scanning import PLANTED_PREFIX
from pipelines.audit.settings import load_audit
from pipelines.run_folder import table_parts
from pipelines.stages.ingest import Join

PHOTOGRAPHS = draw_photographs()
DIGESTS = {i: hashlib.sha256(data).hexdigest() for i, (_, data) in PHOTOGRAPHS.items()}
CLASS_OF = {i: landmark_id for i, (landmark_id, _) in PHOTOGRAPHS.items()}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return write_world(tmp_path_factory.mktemp("world"))


def _scan(config, work_dir):
    """The rows of the listed images, by image id."""
    run_steps_here(config, work_dir, until=Join.name)
    parts = [p for p in table_parts(work_dir, Join.name) if not p.name.startswith(PLANTED_PREFIX)]
    return {row["image_id"]: row for row in read_table(parts, IMAGES).to_pylist()}


def _check(rows, name_of=lambda image_id: image_id):
    """All photographs are read, and are those that the names stand for."""
    assert {image_id: row["sha256"] for image_id, row in rows.items()} == {
        name_of(image_id): digest for image_id, digest in DIGESTS.items()
    }
    assert {row["status"] for row in rows.values()} == {ImageStatus.OK}


def _write_files(folder, path_of):
    for image_id, (_, data) in PHOTOGRAPHS.items():
        path = folder / path_of(image_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _write_lines(path, path_of):
    path.write_text("".join(f"{path_of(i)} {landmark_id}\n" for i, landmark_id in CLASS_OF.items()))
    return path


def test_train_csv_and_shards(world, tmp_path):
    rows = _scan(world.configure(), tmp_path)
    _check(rows)
    assert {i: row["landmark_id"] for i, row in rows.items()} == CLASS_OF


def test_train_clean_csv_and_shards(world, tmp_path):
    classes = {c: [i for i in CLASS_OF if CLASS_OF[i] == c] for c in set(CLASS_OF.values())}
    write_train_clean_csv(tmp_path / "train_clean.csv", classes)
    _check(
        _scan(
            world.configure(train=tmp_path / "train_clean.csv", photos=world.root), tmp_path / "w"
        )
    )


def test_paths_and_labels_of_images_in_shards(world, tmp_path):
    path = _write_lines(tmp_path / "train.txt", lambda i: f"train/{member_path(i)}")
    _check(_scan(world.configure(train=path, photos=world.root), tmp_path / "w"))


def test_paths_and_labels_beside_the_files(world, tmp_path):
    _write_files(tmp_path, lambda i: f"pictures/p{i}.jpg")
    path = _write_lines(tmp_path / "train.txt", lambda i: f"pictures/p{i}.jpg")
    _check(_scan(world.configure(train=path), tmp_path / "w"), lambda i: f"pictures/p{i}.jpg")


def test_ids_and_files_that_lie_as_in_gldv2(world, tmp_path):
    _write_files(tmp_path / "photos", member_path)
    config = world.configure(train=world.train, photos=tmp_path / "photos")
    _check(_scan(config, tmp_path / "w"))


def test_a_folder_for_each_class(world, tmp_path):
    folder = tmp_path / "photos"
    _write_files(folder, lambda i: f"class {CLASS_OF[i]}/p{i}.jpg")
    rows = _scan(world.configure(train=folder), tmp_path / "w")
    _check(rows, lambda i: f"class {CLASS_OF[i]}/p{i}.jpg")
    assert {row["landmark_id"] for row in rows.values()} == {0, 1, 2}


@pytest.mark.parametrize("path", ["", "manifests", "manifests/gldv2_clean"])
def test_a_run_and_its_manifests(world, tiny_run, tmp_path, path):
    # A run knows where its photographs are.
    train = tiny_run.run_dir / path
    rows = _scan(load_audit(train, [world.against], None), tmp_path)
    split = "gldv2_clean" if path.endswith("gldv2_clean") else "rgldv2_clean"
    manifest = {row["image_id"]: row for row in tiny_run.manifest_rows(split)}
    assert len(manifest) > 5
    columns = ("landmark_id", "sha256", "shard", "offset", "num_bytes", "width", "height")
    for row in (*rows.values(), *manifest.values()):
        row["shown"] = [row[column] for column in columns]
    assert {i: r["shown"] for i, r in rows.items()} == {i: r["shown"] for i, r in manifest.items()}


def test_parquet_with_ids_and_labels_alone(world, tiny_run, tmp_path):
    (part, *_) = sorted((tiny_run.run_dir / "manifests" / "rgldv2_clean").glob("*.parquet"))
    listed = pq.read_table(part, columns=["image_id", "landmark_id"])
    pq.write_table(listed.rename_columns(["image_id", "label"]), tmp_path / "list.parquet")
    config = world.configure(train=tmp_path / "list.parquet", photos=tiny_run.config.source.root)
    rows = _scan(config, tmp_path / "w")
    assert set(rows) == set(listed["image_id"].to_pylist())
    assert {row["status"] for row in rows.values()} == {ImageStatus.OK}


def test_bytes_other_than_those_of_the_manifest_are_refused(world, tiny_run, tmp_path):
    (part, *_) = sorted((tiny_run.run_dir / "manifests" / "rgldv2_clean").glob("*.parquet"))
    listed = pq.read_table(part)
    wrong = ["0" * 64, *listed["sha256"].to_pylist()[1:]]
    listed = listed.set_column(listed.column_names.index("sha256"), "sha256", [wrong])
    pq.write_table(listed, tmp_path / "list.parquet")
    config = world.configure(train=tmp_path / "list.parquet", photos=tiny_run.config.source.root)
    rows = _scan(config, tmp_path / "w")
    statuses = [rows[image_id]["status"] for image_id in listed["image_id"].to_pylist()]
    assert statuses == [ImageStatus.NOT_FOUND, *[ImageStatus.OK] * (len(listed) - 1)]


def test_a_shard_that_is_not_there_is_said_of_each_of_its_images(world, tiny_run, tmp_path):
    parts = sorted((tiny_run.run_dir / "manifests" / "rgldv2_clean").glob("*.parquet"))
    photos = tmp_path / "photos"
    (photos / "train").mkdir(parents=True)
    (photos / "train/images_000.tar").symlink_to(
        tiny_run.config.source.root / "train/images_000.tar"
    )
    config = world.configure(train=parts[0].parent, photos=photos)
    rows = _scan(config, tmp_path / "w")
    statuses = {(row["shard"], row["status"]) for row in rows.values()}
    assert statuses == {
        ("train/images_000.tar", ImageStatus.OK),
        ("train/images_001.tar", ImageStatus.NOT_FOUND),
    }


def test_a_shard_of_which_nothing_is_listed_is_an_empty_part(world, tmp_path):
    (image_id, *_) = sorted(CLASS_OF)
    write_train_clean_csv(tmp_path / "one.csv", {7: [image_id]})
    config = world.configure(train=tmp_path / "one.csv", photos=world.root)
    run_steps_here(config, tmp_path / "w", until="describe")
    parts = sorted((tmp_path / "w" / "features").glob("images_*.parquet"))
    assert [read_table(part, FEATURES)["image_id"].to_pylist() for part in parts] == [
        [image_id],
        [],
    ]
