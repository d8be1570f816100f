import numpy as np
import pytest

from training.descriptor_files import (
    DescriptorFileError,
    NamedDescriptors,
    describe_images,
    read_descriptors,
    write_descriptors,
)


class NamedImage:
    """An image that is a number, and its own name."""

    def __init__(self, number):
        self.image_id = str(number)


class NumberEmbedder:
    """Describes a number by itself and its square; thirteen gives nothing to describe."""

    dimensions = 2

    def embed(self, images):
        numbers = [float(image.image_id) for image in images]
        return [None if n == 13 else np.array([n, n * n], np.float32) for n in numbers]


@pytest.fixture
def named():
    return describe_images(NumberEmbedder(), [NamedImage(n) for n in range(600)])


def test_every_image_is_described_in_its_row(named):
    assert named.names == tuple(map(str, range(600)))
    assert np.isnan(named.descriptors[13]).all()
    assert np.isnan(named.descriptors).sum() == 2
    assert named.descriptors[599].tolist() == [599, 599**2]


def test_a_file_gives_back_what_was_written(named, tmp_path):
    for name in ("a.npz", "b.npz"):
        write_descriptors(tmp_path / name, named)
    back = read_descriptors(tmp_path / "a.npz")
    assert back.names == named.names
    assert np.array_equal(back.descriptors, named.descriptors, equal_nan=True)
    assert back.descriptors.dtype == np.float32
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_images_are_selected_by_name(named):
    assert named.select(["5", "2", "5"])[:, 0].tolist() == [5, 2, 5]
    assert named.select([]).shape == (0, 2)
    with pytest.raises(DescriptorFileError, match="no row for 2 of 3 images, the first 'x'"):
        named.select(["x", "1", "y"])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"names": np.array(["a"])}, "descriptors"),
        ({"names": np.array(["a"]), "descriptors": np.zeros((2, 3))}, "one text"),
        ({"names": np.array([1]), "descriptors": np.zeros((1, 3))}, "one text"),
        ({"names": np.array(["a"]), "descriptors": np.zeros((1, 3), int)}, "one text"),
        ({"names": np.array(["a", "a"]), "descriptors": np.zeros((2, 3))}, "'a' is named twice"),
        ({"names": np.array(["a"], object), "descriptors": np.zeros((1, 3))}, "pickle"),
    ],
)
def test_malformed_files_are_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(DescriptorFileError, match=message):
        read_descriptors(tmp_path / "bad.npz")


def test_other_files_are_refused(tmp_path):
    (tmp_path / "text.npz").write_text("no archive")
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04 cut short")
    np.save(tmp_path / "array.npy", np.zeros(3))
    for name in ("text.npz", "cut.npz", "array.npy", "missing.npz"):
        with pytest.raises(DescriptorFileError, match=name):
            read_descriptors(tmp_path / name)


def test_names_and_rows_travel_together():
    named = NamedDescriptors(("b", "a"), np.array([[1.0], [2.0]]))
    assert named.select(["a", "b"]).tolist() == [[2.0], [1.0]]
