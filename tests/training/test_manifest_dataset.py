"""Images out of shards into batches."""

import pickle

import numpy as np
import pytest
import torch
from drawn_manifest import draw_view, write_drawn_split

from manifests.input_error import InputError
from training.augmentation import AugmentationSettings
from training.group_size_sampler import ImageRequest
from training.manifest_dataset import BrokenImage, LabelledImage, ManifestDataset, collate
from training.manifest_images import read_split
from training.shard_files import ShardFiles


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return write_drawn_split(tmp_path_factory.mktemp("drawn"))


@pytest.fixture
def broken_split(tmp_path):
    split = write_drawn_split(tmp_path / "broken", num_classes=2, num_train=2)
    with (split.shards / "train" / "images_000.tar").open("r+b") as stream:
        stream.seek(split.rows()[0]["offset"])
        stream.write(b"no image any more")
    return split


def open_dataset(split, augmentation=None, **options):
    return ManifestDataset(
        read_split(split.manifest, "train"), split.shards, augmentation, **options
    )


def test_an_image_comes_with_its_label_in_the_size_asked_for(drawn):
    dataset = open_dataset(drawn)
    row = 8
    sample = dataset[ImageRequest(row, 0, 96, 64)]
    assert sample.label == dataset.images.class_index[row] == 1
    assert sample.pixels.shape == (64, 96, 3)
    expected = draw_view(1, 2)
    assert expected.shape == (80, 80, 3)
    unchanged = dataset[ImageRequest(row, 0, 80, 80)].pixels
    assert np.abs(unchanged.astype(int) - expected).mean() < 6  # JPEG


def test_augmentation_depends_on_seed_epoch_row_and_copy_alone(drawn):
    settings = AugmentationSettings()
    request = ImageRequest(3, 7, 64, 64)
    first = open_dataset(drawn, settings)[request].pixels
    busy = open_dataset(drawn, settings)
    for row in range(5):
        busy[ImageRequest(row, 0, 64, 64)]
    np.testing.assert_array_equal(busy[request].pixels, first)
    others = (
        busy[request._replace(epoch=8)],
        busy[request._replace(copy=1)],
        open_dataset(drawn, settings, seed=1)[request],
    )
    assert all((other.pixels != first).any() for other in others)


def test_a_copy_for_another_process_opens_files_of_its_own(drawn):
    dataset = open_dataset(drawn)
    before = dataset[ImageRequest(0, 0, 64, 64)].pixels
    copied = pickle.loads(pickle.dumps(dataset))
    np.testing.assert_array_equal(copied[ImageRequest(0, 0, 64, 64)].pixels, before)


def test_a_broken_image_is_named_with_shard_and_offset(broken_split):
    dataset = open_dataset(broken_split)
    sample = dataset[ImageRequest(0, 0, 64, 64)]
    offset = broken_split.rows()[0]["offset"]
    assert isinstance(sample, BrokenImage)
    assert f"image {'0' * 16} in train/images_000.tar at offset {offset}: " in sample.reason


def test_another_image_stands_in_for_a_broken_one():
    pixels = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    batch = collate([BrokenImage("why"), LabelledImage(pixels, 5), LabelledImage(pixels // 2, 2)])
    assert batch.labels.tolist() == [5, 2, 5]
    assert batch.broken == ("why",)
    assert torch.equal(batch.images[0], batch.images[2])
    assert torch.equal(batch.images[0].permute(1, 2, 0), torch.from_numpy(pixels))


def test_batches_have_their_channels_last():
    sample = LabelledImage(np.zeros((4, 6, 3), np.uint8), 0)
    images = collate([sample, sample]).images
    assert images.shape == (2, 3, 4, 6)
    assert images.is_contiguous(memory_format=torch.channels_last)


def test_a_batch_of_broken_images_is_empty():
    batch = collate([BrokenImage("a"), BrokenImage("b")])
    assert len(batch) == 0
    assert batch.broken == ("a", "b")


def test_shard_files_read_what_is_asked_for(tmp_path):
    (tmp_path / "a.tar").write_bytes(b"0123456789")
    files = ShardFiles(tmp_path)
    assert files.read("a.tar", 3, 4) == b"3456"
    with pytest.raises(InputError, match=r"a.tar: ends before offset 12; fetch it again"):
        files.read("a.tar", 8, 4)
    with pytest.raises(InputError, match=r"b.tar: the shard cannot be opened"):
        files.read("b.tar", 0, 1)


def test_shard_files_keep_few_files_open(tmp_path, monkeypatch):
    monkeypatch.setattr("training.shard_files._MAX_OPEN", 2)
    for number in range(5):
        (tmp_path / f"{number}.tar").write_bytes(bytes([number]))
    files = ShardFiles(tmp_path)
    order = [0, 1, 2, 0, 3, 4, 0]
    assert [files.read(f"{n}.tar", 0, 1)[0] for n in order] == order
    assert len(files._open) == 2
