import csv
import hashlib
from pathlib import Path

import pyarrow.compute as pc
import pytest
from stage_runs import Run
from tiny_run import BROKEN_ID
from typer.testing import CliRunner

from benchmarks.published_lists import draw_class_sizes, write_published_list
from cleanmark.cli import app
from cleanmark.rgldv2 import Lists, OtherTotalsError, rebuild_rgldv2_clean
from cleanmark.rgldv2_locations import MissingImagesError
from curation.class_index import ValSplitSettings, choose_val_images, index_classes
from manifests.arrow_schemas import LISTED, MANIFEST, REMOVED
from manifests.exports.columns import SplitName
from manifests.exports.exported_rows import read_rows
from manifests.exports.id_ranges import IdRange
from manifests.exports.releases import Release
from manifests.gldv2_csv import member_path, read_train_clean_csv, write_train_clean_csv
from manifests.input_error import InputError
from manifests.manifest_json import read_manifest
from manifests.parquet_io import read_table
from manifests.reference.published_removal import read_published_classes
from training.manifest_checks import check_files, check_shards
from training.manifest_images import read_split

PUBLISHED = {c.landmark_id for c in read_published_classes()}
SMALL = {47378: ["00000000000000a1", "00000000000000a2"], 7: ["00000000000000b1"]} | {
    10 + n: [f"{4096 + 16 * n + k:016x}" for k in range(n + 1)] for n in range(1, 12)
}


@pytest.fixture(scope="module")
def sizes():
    return draw_class_sizes()


@pytest.fixture(scope="module")
def published_list(sizes, tmp_path_factory) -> Path:
    return write_published_list(tmp_path_factory.mktemp("lists") / "train_clean.csv", sizes)


@pytest.fixture
def small_list(tmp_path) -> Path:
    path = tmp_path / "train_clean.csv"
    write_train_clean_csv(path, SMALL)
    return path


def _rebuild_small(path, out, **options):
    return rebuild_rgldv2_clean(Lists(path, **options), out, allow_other_totals=True)


def _digests(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


# The published totals


def test_the_published_list_gives_the_published_totals(published_list, sizes, tmp_path):
    manifest = rebuild_rgldv2_clean(Lists(published_list), tmp_path)
    assert (manifest.counts.images, manifest.counts.classes) == (1_578_905, 81_295)
    assert (manifest.gldv2_clean.images, manifest.gldv2_clean.classes) == (1_580_470, 81_313)
    assert {c.landmark_id: c.images for c in manifest.removed_classes} == {
        landmark_id: sizes[landmark_id] for landmark_id in PUBLISHED
    }
    rows = read_table(tmp_path / "rgldv2_clean/part-00000.parquet", LISTED)
    assert (len(rows), rows["class_index"].combine_chunks().unique().sort().to_pylist()) == (
        1_578_905,
        list(range(81_295)),
    )
    assert not pc.any(pc.is_in(rows["landmark_id"], pc.cast(list(PUBLISHED), "int64"))).as_py()


@pytest.mark.parametrize("change", [-1, 1])
@pytest.mark.parametrize("landmark_id", [47378, None])
def test_one_image_more_or_less_and_it_refuses(sizes, tmp_path, change, landmark_id):
    other = next(c for c, n in sizes.items() if c not in PUBLISHED and n > 2)
    changed = landmark_id or other
    other_sizes = sizes | {changed: sizes[changed] + change}
    path = write_published_list(tmp_path / "train_clean.csv", other_sizes)
    with pytest.raises(OtherTotalsError) as refused:
        rebuild_rgldv2_clean(Lists(path), tmp_path / "out")
    message = str(refused.value)
    assert f"{1_580_470 + change:,} images" in message
    assert ("class 47378 (Eiffel Tower)" in message) == (landmark_id is not None)
    assert "--allow-other-totals" in message
    assert not (tmp_path / "out").exists()


def test_equal_totals_do_not_hide_a_class_of_another_size(sizes, tmp_path):
    other = next(c for c, n in sizes.items() if c not in PUBLISHED and n > 2)
    moved = {47378: sizes[47378] + 1, other: sizes[other] - 1}
    path = write_published_list(tmp_path / "train_clean.csv", sizes | moved)
    with pytest.raises(OtherTotalsError, match=r"class 47378 \(Eiffel Tower\): 732 images"):
        rebuild_rgldv2_clean(Lists(path), tmp_path / "out")


# What is written, on a small list


def test_every_image_is_kept_or_removed_with_its_reason(small_list, tmp_path):
    manifest = _rebuild_small(small_list, tmp_path / "out")
    kept = read_table(tmp_path / "out/rgldv2_clean/part-00000.parquet", LISTED).to_pylist()
    gone = read_table(tmp_path / "out/removed/part-00000.parquet", REMOVED).to_pylist()
    listed = {i: c for c, image_ids in SMALL.items() for i in image_ids}
    assert {r["image_id"]: r["landmark_id"] for r in [*kept, *gone]} == listed
    assert [r["image_id"] for r in gone] == SMALL[47378]
    assert {(r["stage"], r["reason"]) for r in gone} == {("overlap", "published")}
    assert manifest.ingested == len(kept) + len(gone)
    assert manifest.removed == {"overlap": {"published": 2}}


def test_classes_are_numbered_and_split_as_the_job_does_it(small_list, tmp_path):
    _rebuild_small(small_list, tmp_path / "out")
    rows = read_table(tmp_path / "out/rgldv2_clean/part-00000.parquet", LISTED).to_pylist()
    stays = {c: ids for c, ids in SMALL.items() if c != 47378}
    numbers = index_classes(stays)
    val = {i for ids in stays.values() for i in choose_val_images(ids, ValSplitSettings())}
    for row in rows:
        image_id = row["image_id"]
        assert row["class_index"] == numbers[row["landmark_id"]]
        assert row["split"] == ("val" if image_id in val else "train")
        assert row["member"] == member_path(image_id)
    assert [r["image_id"] for r in rows] == sorted(r["image_id"] for r in rows)
    assert read_train_clean_csv(tmp_path / "out/rgldv2_clean/train_clean.csv") == {
        c: tuple(ids) for c, ids in stays.items()
    }


def test_names_addresses_and_rights_come_from_the_lists_that_are_given(small_list, tmp_path):
    one = "00000000000000b1"
    lists = {
        "categories": (
            ["landmark_id", "category"],
            [7, "http://commons.wikimedia.org/wiki/Category:A_%C3%89_b"],
        ),
        "train": (["id", "url", "landmark_id"], [one, "http://x/y.jpg", 7]),
        "attribution": (
            ["id", "url", "author", "license", "title"], [one, "http://x", "Ana", "CC BY", "T"],
        ),
    }  # fmt: skip
    paths = {}
    for name, rows in lists.items():
        paths[name] = tmp_path / f"{name}.csv"
        with paths[name].open("w", newline="") as stream:
            csv.writer(stream).writerows(rows)
    _rebuild_small(small_list, tmp_path / "out", **paths)
    rows = read_table(tmp_path / "out/rgldv2_clean/part-00000.parquet", LISTED).to_pylist()
    origin = ("landmark_name", "source_url", "author", "license", "title")
    found = {row["image_id"]: tuple(row[name] for name in origin) for row in rows}
    assert found.pop(one) == ("A É b", "http://x/y.jpg", "Ana", "CC BY", "T")
    assert set(found.values()) == {(None,) * 5}


def test_the_order_of_the_list_does_not_matter(small_list, tmp_path):
    _rebuild_small(small_list, tmp_path / "a")
    header, *lines = small_list.read_text().splitlines()
    backwards = [",".join([c, " ".join(reversed(ids.split()))]) for c, ids in
                 (line.split(",") for line in reversed(lines))]  # fmt: skip
    small_list.write_text("\n".join([header, *backwards]) + "\n")
    _rebuild_small(small_list, tmp_path / "b")
    differ = {k for k, v in _digests(tmp_path / "a").items() if _digests(tmp_path / "b")[k] != v}
    # The manifest names the digest of the list itself.
    assert differ == {"manifest.json"}


def test_removing_twice_is_removing_once(small_list, tmp_path):
    _rebuild_small(small_list, tmp_path / "a")
    again = _rebuild_small(tmp_path / "a/rgldv2_clean/train_clean.csv", tmp_path / "b")
    assert (again.removed, again.removed_classes) == ({}, ())
    part = "rgldv2_clean/part-00000.parquet"
    assert _digests(tmp_path / "a")[part] == _digests(tmp_path / "b")[part]


def test_the_manifest_vouches_for_every_file(small_list, tmp_path):
    manifest = _rebuild_small(small_list, tmp_path / "out")
    found = _digests(tmp_path / "out")
    del found["manifest.json"]
    assert dict(manifest.digests) == found
    assert read_manifest(tmp_path / "out/manifest.json") == manifest
    assert (
        manifest.parents["train_clean.csv"] == hashlib.sha256(small_list.read_bytes()).hexdigest()
    )


def test_a_run_that_fails_leaves_no_manifest_of_an_earlier_one(small_list, tmp_path):
    _rebuild_small(small_list, tmp_path / "out")
    (tmp_path / "out/removed/part-00000.parquet").unlink()
    (tmp_path / "out/removed").rmdir()
    (tmp_path / "out/removed").write_text("in the way")
    with pytest.raises(FileExistsError):
        _rebuild_small(small_list, tmp_path / "out")
    assert not (tmp_path / "out/manifest.json").exists()


# The command


def test_the_command_says_what_it_did(small_list, tmp_path):
    out = tmp_path / "out"
    command = ["rgldv2", "--train-clean", small_list, "--out", out, "--allow-other-totals"]
    result = CliRunner().invoke(app, [str(word) for word in command])
    assert result.exit_code == 0, result.stderr
    assert "removed class 47378 (Eiffel Tower, 2 images)" in result.stdout
    assert str(out) in result.stdout


def test_the_command_refuses_another_list_in_one_line(small_list, tmp_path):
    command = ["rgldv2", "--train-clean", small_list, "--out", tmp_path / "out"]
    result = CliRunner().invoke(app, [str(word) for word in command])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"cleanmark: {small_list}: not the published GLDv2-clean")
    assert result.stderr.count("\n") == 1


# Where the images are, from a run


@pytest.fixture
def tiny_list(tiny_run, tmp_path):
    """A list of what the tiny data set has: one of its images is broken, one is not there."""
    classes = {}
    for row in tiny_run.rows("images"):
        if row["landmark_id"] is not None:
            classes.setdefault(row["landmark_id"], []).append(row["image_id"])
    path = tmp_path / "train_clean.csv"
    write_train_clean_csv(path, classes | {47378: ["00000000000000e1"], 900: [GONE_ID]})
    return path


GONE_ID = "00000000000000e2"


def _page_id(run):
    (row,) = (row for row in run.rows("images") if row["status"] == "not_an_image")
    return row["image_id"]


def _rebuild(path, out, run, **options):
    return rebuild_rgldv2_clean(
        Lists(path), out, run_dir=run.run_dir, allow_other_totals=True, **options
    )


def test_images_that_the_run_has_not_got_are_refused_by_reason(tiny_list, tiny_run, tmp_path):
    with pytest.raises(MissingImagesError) as refused:
        _rebuild(tiny_list, tmp_path / "out", tiny_run)
    assert "3 are not there (1 not_an_image, 1 not_found, 1 truncated)" in str(refused.value)
    assert not (tmp_path / "out").exists()


def test_with_a_run_the_split_says_where_every_image_is(tiny_list, tiny_run, tmp_path):
    manifest = _rebuild(tiny_list, tmp_path / "out", tiny_run, allow_missing=True)
    rows = read_table(tmp_path / "out/rgldv2_clean/part-00000.parquet", MANIFEST).to_pylist()
    images = {row["image_id"]: row for row in tiny_run.rows("images") if row["status"] == "ok"}
    assert {row["image_id"] for row in rows} == images.keys()
    for row in rows:
        places = ("shard", "member", "offset", "num_bytes", "width", "height", "sha256")
        assert {n: row[n] for n in places} == {n: images[row["image_id"]][n] for n in places}
        assert row["num_verified_neighbours"] is None
    gone = read_table(tmp_path / "out/removed/part-00000.parquet", REMOVED).to_pylist()
    assert {r["image_id"]: (r["stage"], r["reason"]) for r in gone} == {
        "00000000000000e1": ("overlap", "published"),
        GONE_ID: ("ingest", "not_found"),
        BROKEN_ID: ("ingest", "truncated"),
        _page_id(tiny_run): ("ingest", "not_an_image"),
    }
    assert all(row["evidence"] for row in gone)
    assert manifest.removed == {
        "ingest": {"not_an_image": 1, "not_found": 1, "truncated": 1},
        "overlap": {"published": 1},
    }
    assert manifest.ingested == manifest.counts.images + 4
    assert manifest.parents.keys() > {"train_clean.csv", "images"}


def test_the_trainer_and_the_exports_read_such_a_split(tiny_list, tiny_run, tmp_path):
    out = tmp_path / "out"
    _rebuild(tiny_list, out, tiny_run, allow_missing=True)
    train = read_split(out / "rgldv2_clean", "train")
    assert check_files(out / "rgldv2_clean").is_certified is False
    check_shards(train, tiny_run.config.source.root, 100)
    exported = read_rows(Release.open(out), SplitName.TRAIN, IdRange(None, None))
    assert len(exported) == len(train)
    assert set(exported["reason_code"].to_pylist()) == {"listed"}
    assert exported["shard"].null_count == 0


def test_a_run_that_has_not_read_its_shards_is_refused(small_list, tiny_run, tmp_path):
    fresh = Run(tiny_run.config, tmp_path / "run")
    fresh.run_dir.mkdir()
    with pytest.raises(InputError, match="no run folder"):
        _rebuild(small_list, tmp_path / "out", fresh)
    fresh.finish("ingest.scan")
    with pytest.raises(InputError, match="its shards were not read yet"):
        _rebuild(small_list, tmp_path / "out", fresh)
