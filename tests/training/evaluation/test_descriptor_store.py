import json

import numpy as np
import pytest
from tiny_run import encode_jpeg

from training.evaluation import descriptor_store
from training.evaluation.descriptor_store import DescribeOptions, describe_images
from training.evaluation.evaluation_images import EvaluationImage


class MeanColour:
    """Describes an image by its mean colour, of unit length; a black one by nothing."""

    long_side_px = 64
    dimensions = 3

    def __init__(self, version=1, stop_after=None):
        self.lineage = {"version": version}
        self.num_prepared = 0
        self._stop_after = stop_after

    def prepare(self, pixels):
        self.num_prepared += 1
        if self._stop_after is not None and self.num_prepared > self._stop_after:
            raise KeyboardInterrupt
        return pixels.mean(axis=(0, 1))

    def embed_prepared(self, images):
        return [
            (colour / np.linalg.norm(colour)).astype(np.float32) if colour.max() > 1 else None
            for colour in images
        ]


def make_image(name, colour, stamp="1", data=None):
    data = data or encode_jpeg(np.full((40, 40, 3), colour, np.uint8))
    return EvaluationImage(name, stamp, lambda: data)


@pytest.fixture
def images():
    colours = np.random.default_rng(0).integers(40, 255, (7, 3))
    return [make_image(f"image{number}", colour) for number, colour in enumerate(colours)]


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch):
    monkeypatch.setattr(descriptor_store, "PART_IMAGES", 3)


def describe(describer, images, folder, **options):
    options = {"num_workers": 1} | options
    return describe_images(describer, images, folder, "set", DescribeOptions(**options))


def test_rows_are_in_the_order_of_the_images(images, tmp_path):
    store = describe(MeanColour(), images, tmp_path)
    expected = MeanColour().embed_prepared(image.load().mean(axis=(0, 1)) for image in images)
    assert np.array_equal(store.read(), np.array(expected, np.float16))
    assert [len(chunk) for chunk in store] == [3, 3, 1]
    assert store.read().dtype == np.float16
    assert describe(MeanColour(), images, tmp_path, dtype="float32").read().dtype == np.float32


def test_described_images_are_not_described_again(images, tmp_path):
    first = describe(MeanColour(), images, tmp_path)
    again = MeanColour()
    assert np.array_equal(describe(again, images, tmp_path).read(), first.read())
    assert again.num_prepared == 0


def test_what_was_stopped_goes_on(images, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        describe(MeanColour(stop_after=4), images, tmp_path)
    resumed = MeanColour()
    store = describe(resumed, images, tmp_path)
    assert resumed.num_prepared == 4
    whole = describe(MeanColour(), images, tmp_path / "other")
    assert np.array_equal(store.read(), whole.read())
    assert store.images_sha256 == whole.images_sha256


def test_a_damaged_part_is_made_again(images, tmp_path):
    store = describe(MeanColour(), images, tmp_path)
    part = store.folder / "part-000001.npy"
    whole = part.read_bytes()
    part.write_bytes(whole[:-4])
    describe(MeanColour(), images, tmp_path)
    assert part.read_bytes() == whole


@pytest.mark.parametrize("num_workers", [1, 3])
def test_threads_do_not_change_the_files(images, tmp_path, num_workers):
    store = describe(MeanColour(), images, tmp_path, num_workers=num_workers)
    single = describe(MeanColour(), images, tmp_path / "single")
    for path in sorted(single.folder.iterdir()):
        assert (store.folder / path.name).read_bytes() == path.read_bytes()


def test_another_embedder_or_image_has_a_folder_of_its_own(images, tmp_path):
    stores = [
        describe(MeanColour(), images, tmp_path),
        describe(MeanColour(version=2), images, tmp_path),
        describe(MeanColour(), [make_image("image0", 99, "2"), *images[1:]], tmp_path),
        describe(MeanColour(), images[:6], tmp_path),
    ]
    assert len({store.folder for store in stores}) == 4
    lineage = json.loads((stores[1].folder / "lineage.json").read_text())
    assert lineage["describer"] == {"version": 2}
    assert stores[0].images_sha256 == stores[1].images_sha256 != stores[2].images_sha256


def test_unusable_images_are_rows_of_nan_with_a_reason(images, tmp_path):
    images[1] = make_image("page", 0, data=b"<html>")
    images[2] = EvaluationImage("gone", "missing", None)
    images[4] = make_image("black", 0)
    store = describe(MeanColour(), images, tmp_path)
    absent = np.isnan(store.read()).all(axis=1)
    assert absent.tolist() == [False, True, True, False, True, False, False]
    assert list(store.problems) == ["page", "gone"]
    assert "not_an_image" in store.problems["page"]
    assert describe(MeanColour(), images, tmp_path).problems == store.problems


def test_progress_counts_every_image(images, tmp_path):
    for _ in range(2):
        counts = []
        options = DescribeOptions(num_workers=2)
        describe_images(MeanColour(), images, tmp_path, "set", options, counts.append)
        assert sum(counts) == len(images)
