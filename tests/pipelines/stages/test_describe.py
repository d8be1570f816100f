import numpy as np
import pytest
from drawn_images import encode, make_texture
from gldv2_layout import write_classes
from PIL import Image
from stage_runs import Run
from tiny_run import draw_view, encode_jpeg

from curation.images import decode_image
from curation.shards import read_bytes
from curation.sift import extract_sift
from manifests.feature_store import FeatureStore
from pipelines.in_flight import Crash, record_crash
from pipelines.markers import CRASHES_SUFFIX
from pipelines.run_config import RunConfig
from pipelines.run_folder import table_parts


@pytest.fixture
def mixed(tmp_path):
    """A view, an even grey picture and a broken file, ingested."""
    files = [encode_jpeg(draw_view(1, 0)), encode(Image.new("RGB", (200, 150), "grey"), "PNG"), b""]
    write_classes(tmp_path / "gldv2", {7: files}, "images_000")
    content = {"source": {"root": tmp_path / "gldv2"}, "describe": {"max_features": 300}}
    run = Run(RunConfig.model_validate(content), tmp_path / "run")
    run.finish("ingest.join")
    return run


def test_stored_features_are_those_of_the_decoded_image(mixed, tmp_path):
    mixed.finish("describe")
    row = mixed.rows("images")[0]
    data = read_bytes(tmp_path / "gldv2" / row["shard"], row["offset"], row["num_bytes"])
    fresh = extract_sift(decode_image(data).pixels, mixed.config.describe)
    stored = FeatureStore(table_parts(mixed.run_dir, "describe")).load(row["image_id"])
    assert len(fresh) > 100
    assert np.array_equal(stored.descriptors, fresh.descriptors)
    assert np.array_equal(stored.geometry, fresh.geometry)
    assert (stored.width, stored.height) == (fresh.width, fresh.height)


def test_usable_images_alone_are_described_and_an_even_one_has_no_features(mixed):
    report = mixed.do("describe")["images_000"]
    usable = [row["image_id"] for row in mixed.rows("images") if row["status"] == "ok"]
    rows = mixed.rows("features")
    assert [row["image_id"] for row in rows] == usable
    assert [row["status"] for row in rows] == ["ok", "no_features"]
    assert rows[1]["num_features"] == 0
    assert report.counts == {"images": 2, "features": rows[0]["num_features"]}


def test_an_image_that_stopped_workers_is_recorded_without_features(mixed):
    (unit,) = mixed.step("describe").plan()
    first, second = (row["image_id"] for row in mixed.rows("images")[:2])
    crashes = unit.state_path(mixed.run_dir, CRASHES_SUFFIX)
    for _ in range(2):
        record_crash(crashes, unit.fingerprint, first, Crash("killed by SIGSEGV"))
    mixed.finish("describe")
    assert [(r["image_id"], r["status"], r["num_features"]) for r in mixed.rows("features")] == [
        (first, "decoder_crashed", 0),
        (second, "no_features", 0),
    ]


def test_a_shard_without_usable_images_gives_empty_tables(tmp_path):
    write_classes(tmp_path / "gldv2", {7: [b"", b"x"]}, "images_000")
    config = RunConfig.model_validate({"source": {"root": tmp_path / "gldv2"}})
    run = Run(config, tmp_path / "run")
    assert run.finish("describe")["describe"] == ["images_000"]
    assert run.rows("features") == []


@pytest.mark.parametrize(
    ("section", "change", "redone"),
    [
        ("describe", {"max_features": 301}, True),
        ("describe", {"long_side_px": 640}, True),
        ("ingest", {"item_timeout_seconds": 5.0}, False),
        ("verify", {"min_inliers": 5}, False),
    ],
)
def test_only_its_own_settings_redo_the_stage(own_run, section, change, redone):
    settings = getattr(own_run.config, section).model_copy(update=change)
    run = Run(own_run.config.model_copy(update={section: settings}), own_run.run_dir)
    assert (run.waiting("describe") != []) is redone


def test_a_shard_that_was_replaced_after_ingest_fails_the_unit(mixed, tmp_path):
    tar = tmp_path / "gldv2/train/images_000.tar"
    tar.write_bytes(encode(make_texture(3), "JPEG"))
    error = mixed.do("describe")["images_000"].error
    assert f"ShardError: {tar}" in error
    assert "ingest it again" in error
