import shutil
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from drawn_images import encode
from gldv2_layout import write_classes
from PIL import Image
from small_networks import INFERENCE, make_network, write_checkpoint
from stage_runs import Run, read_outputs
from tiny_run import draw_view, encode_jpeg

from curation import shard_images
from manifests.rows import ImageStatus
from networks.checkpoints import load_checkpoint
from networks.inference import InferenceSettings, NetworkEmbedder
from networks.whitening import learn_pca
from pipelines import network_embedding
from pipelines.embedders import open_embedder
from pipelines.engines.workstation import count_children
from pipelines.in_flight import Crash, record_crash
from pipelines.markers import CRASHES_SUFFIX
from pipelines.run_config import RunConfig
from pipelines.run_tables import open_descriptors
from pipelines.stages.embed_network import EmbedByNetwork


@pytest.fixture(scope="module")
def ingested(tmp_path_factory):
    """Nine photographs of three sizes, ingested, not described."""
    folder = tmp_path_factory.mktemp("network")
    views = [encode_jpeg(draw_view(wall, view)) for wall in (1, 2) for view in range(3)]
    shapes = [(200, 150), (150, 200), (70, 66)]
    plain = [encode(Image.new("RGB", shape, "teal"), "PNG") for shape in shapes]
    write_classes(folder / "gldv2", {7: [*views[:3], *plain], 8: views[3:]}, "images_000")
    checkpoint = write_checkpoint(folder / "network.pth")
    content = {
        "source": {"root": folder / "gldv2"},
        "embed": {
            "method": "network",
            "network": {"checkpoint": checkpoint, "device": "cpu", "inference": INFERENCE},
        },
    }
    run = Run(RunConfig.model_validate(content), folder / "run")
    run.finish("embed")
    return run


@pytest.fixture
def own(ingested, tmp_path):
    """A copy that a test may change."""
    shutil.copytree(ingested.run_dir, tmp_path / "run")
    return replace(ingested, run_dir=tmp_path / "run")


def _with_network(run, **changes):
    network = run.config.embed.network.model_copy(update=changes)
    embed = run.config.embed.model_copy(update={"network": network})
    return replace(run, config=run.config.model_copy(update={"embed": embed}))


def _do_again(run):
    shutil.rmtree(run.run_dir / "state/embed")
    (report,) = run.do("embed").values()
    return report


def test_no_local_features_are_needed(ingested):
    assert not (ingested.run_dir / "features").exists()
    assert ingested.step("embed.codebook").plan() == []
    rows = ingested.rows("embeddings")
    assert [row["status"] for row in rows] == ["ok"] * 9
    assert [row["image_id"] for row in rows] == [
        row["image_id"] for row in ingested.rows("images") if row["status"] == "ok"
    ]


def test_the_stored_descriptor_is_that_of_the_image_alone(ingested):
    embedder = NetworkEmbedder(make_network(), InferenceSettings(**INFERENCE))
    (unit,) = ingested.step("embed").plan()
    images = ingested.step("embed")._list_images(unit)
    stored = open_descriptors(ingested.run_dir).load([image.image_id for image in images])
    alone = np.stack([embedder.embed([image])[0] for image in images])
    assert np.allclose(stored, alone, atol=2e-3)
    assert np.allclose(np.linalg.norm(stored, axis=1), 1, atol=2e-3)


def test_done_again_it_gives_the_same_bytes(own, ingested):
    assert _do_again(own).counts == {"images": 9, "described": 9}
    assert read_outputs(own.run_dir) == read_outputs(ingested.run_dir)


@pytest.mark.parametrize("num_threads", [2, 5])
def test_threads_that_decode_ahead_change_no_byte(own, ingested, monkeypatch, num_threads):
    seen = set()
    prepare = network_embedding._prepare

    def remember(embedder, image):
        seen.add(threading.current_thread())
        return prepare(embedder, image)

    monkeypatch.setattr(network_embedding, "_prepare", remember)
    monkeypatch.setattr(EmbedByNetwork, "_count_threads", lambda *_: num_threads)
    assert _do_again(own).error is None
    assert threading.main_thread() not in seen
    assert read_outputs(own.run_dir) == read_outputs(ingested.run_dir)


def test_a_changed_checkpoint_or_setting_redoes_the_units_and_another_device_does_not(
    own, tmp_path
):
    copied = write_checkpoint(tmp_path / "copy.pth")
    assert _with_network(own, checkpoint=copied, device="auto").waiting("embed") == []
    trained = write_checkpoint(tmp_path / "trained.pth", seed=1)
    assert _with_network(own, checkpoint=trained).waiting("embed") == ["images_000"]
    inference = own.config.embed.network.inference.model_copy(update={"scales": (1.0, 0.7)})
    assert _with_network(own, inference=inference).waiting("embed") == ["images_000"]
    # In place, under the same name.
    write_checkpoint(copied, seed=1)
    assert _with_network(own, checkpoint=copied).waiting("embed") == ["images_000"]


def test_an_image_that_went_bad_after_it_was_ingested_is_a_row_with_a_reason(own, monkeypatch):
    bad = own.rows("images")[3]["image_id"]
    good_bytes = {r["image_id"]: r["descriptor"] for r in own.rows("embeddings")}
    position = own.rows("images")[3]["offset"]

    def read_rotten(shard, offset, num_bytes):
        data = shard_images_read(shard, offset, num_bytes)
        return data[: len(data) // 2] if offset == position else data

    shard_images_read = shard_images.read_bytes
    monkeypatch.setattr(shard_images, "read_bytes", read_rotten)
    assert _do_again(own).counts == {"images": 9, "described": 8}
    rows = {row["image_id"]: row for row in own.rows("embeddings")}
    assert rows[bad] == {"image_id": bad, "descriptor": None, "status": "truncated"}
    assert not open_descriptors(own.run_dir).has(bad)
    others = [name for name in rows if name != bad]
    for name in others:
        assert np.allclose(rows[name]["descriptor"], good_bytes[name], atol=2e-3)


def test_a_descriptor_without_direction_is_a_row_with_a_reason(own, monkeypatch):
    monkeypatch.setattr(
        NetworkEmbedder, "embed_prepared", lambda self, images: [None for _ in images]
    )
    assert _do_again(own).counts == {"images": 9, "described": 0}
    assert {row["status"] for row in own.rows("embeddings")} == {"no_features"}


def test_an_image_that_stopped_two_workers_is_left_alone(own, monkeypatch):
    (unit,) = own.step("embed").plan()
    fatal = own.rows("images")[0]["image_id"]
    shutil.rmtree(own.run_dir / "state/embed")
    path = unit.state_path(own.run_dir, CRASHES_SUFFIX)
    for _ in range(2):
        record_crash(path, unit.fingerprint, fatal, Crash("the worker was killed"))

    def decode_but(self):
        assert self.image_id != fatal
        return np.zeros((self.height, self.width, 3), np.uint8)

    monkeypatch.setattr(shard_images.ShardImage, "load_image", decode_but)
    assert own.do("embed")["images_000"].error is None
    status = {row["image_id"]: row["status"] for row in own.rows("embeddings")}
    assert status[fatal] == "decoder_crashed"


def test_after_a_crash_among_several_images_they_are_decoded_one_by_one(own, monkeypatch):
    stage = own.step("embed")
    (unit,) = stage.plan()
    monkeypatch.setattr(EmbedByNetwork, "_has_gpu", lambda _: True)
    many = replace(stage, num_workers=6)
    assert many._count_threads(unit) == 6
    path = unit.state_path(own.run_dir, CRASHES_SUFFIX)
    record_crash(path, unit.fingerprint, network_embedding.SEVERAL, Crash("the worker was killed"))
    assert many._count_threads(unit) == 1


def test_one_process_owns_a_gpu_and_a_cpu_has_one_for_each_core(ingested, monkeypatch):
    stage = ingested.step("embed")
    assert count_children(stage, 8) == 8
    monkeypatch.setattr(EmbedByNetwork, "_has_gpu", lambda _: True)
    assert count_children(stage, 8) == 1
    assert count_children(ingested.step("describe"), 8) == 8


def test_torch_keeps_to_one_thread(ingested):
    torch.set_num_threads(2)
    open_embedder(ingested.run_dir, ingested.config.embed)
    assert torch.get_num_threads() == 1


def test_the_whitening_of_the_checkpoint_is_applied_unless_it_is_turned_off(own, tmp_path):
    stored = np.array([row["descriptor"] for row in own.rows("embeddings")], np.float32)
    whitening = learn_pca(stored, 4)
    path = write_checkpoint(tmp_path / "whitened.pth", whitening=whitening)
    plain = _with_network(own, checkpoint=path, apply_whitening=False)
    plain.do("embed")
    same = np.array([row["descriptor"] for row in plain.rows("embeddings")], np.float32)
    assert np.array_equal(same, stored)
    whitened = _with_network(own, checkpoint=path)
    whitened.do("embed")
    found = np.array([row["descriptor"] for row in whitened.rows("embeddings")], np.float32)
    assert found.shape == (9, 4)
    assert np.allclose(found, whitening.apply(stored), atol=0.05)
    assert load_checkpoint(path).whitening is not None


def test_a_hanging_image_is_decoded_once_more_alone_for_the_driver_to_see(own, monkeypatch):
    """The first look hangs; the second, noted under the image's own id, is quick."""
    slow = own.rows("images")[2]["image_id"]
    release, looks, noted = threading.Event(), [], []
    load = shard_images.ShardImage.load_image

    def hang_once(self):
        if self.image_id == slow:
            looks.append(threading.current_thread())
            if len(looks) == 1:
                release.wait(30)
            else:
                release.set()
        return load(self)

    class Notes:
        def __init__(self):
            self.crashed = {}

        def item(self, item_id, timeout_seconds):
            noted.append(item_id)
            return threading.Lock()

    monkeypatch.setattr(shard_images.ShardImage, "load_image", hang_once)
    stage = own.step("embed")
    (unit,) = stage.plan()
    embedder = open_embedder(own.run_dir, own.config.embed)
    decoding = network_embedding.Decoding(2, 0.2, 60)
    images = stage._list_images(unit)
    described = network_embedding.describe_shard(embedder, images, decoding, Notes())
    assert [d.status for d in described] == [ImageStatus.OK] * 9
    assert looks[0] is not threading.main_thread()
    assert looks[1] is threading.main_thread()
    assert set(noted) == {network_embedding.SEVERAL, slow}


def test_an_image_of_a_shard_has_pixels_and_no_features(ingested):
    (unit,) = ingested.step("embed").plan()
    image = ingested.step("embed")._list_images(unit)[0]
    assert image.load_image().shape == (image.height, image.width, 3)
    with pytest.raises(NotImplementedError, match="pixels are read here"):
        image.load_features()
