import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted_features import draw_points, make_descriptors, make_features

from manifests.feature_store import FeatureStore, binary_path, write_features
from manifests.features import LocalFeatures, pack_geometry
from manifests.parquet_io import TableError


def make_image(seed, count, width=640):
    xy = draw_points(seed, count)
    return make_features(xy, 8.0, 30.0, make_descriptors(seed, count), width, 480)


def same(first: LocalFeatures, second: LocalFeatures):
    return (
        np.array_equal(first.descriptors, second.descriptors)
        and np.array_equal(first.geometry, second.geometry)
        and (first.width, first.height) == (second.width, second.height)
    )


@pytest.fixture
def part(tmp_path):
    return tmp_path / "features" / "images_000.parquet"


def test_features_come_back_as_they_were(part):
    images = {"a": make_image(1, 30), "b": make_image(2, 7, 320), "c": make_image(3, 1)}
    count = write_features(part, [(key, image, "ok") for key, image in images.items()])
    assert count == 38
    store = FeatureStore([part])
    assert list(store.blocks) == ["a", "b", "c"]
    assert all(same(store.load(key), image) for key, image in images.items())
    assert [store.num_features(key) for key in "abcd"] == [30, 7, 1, 0]


@given(counts=st.lists(st.integers(0, 12), max_size=8))
def test_any_mixture_of_full_and_empty_images_comes_back(tmp_path_factory, counts):
    part = tmp_path_factory.mktemp("features") / "part.parquet"
    images = {f"{n:x}": make_image(n, count) for n, count in enumerate(counts)}
    write_features(part, [(key, image, "ok") for key, image in images.items()])
    store = FeatureStore([part])
    assert all(same(store.load(key), image) for key, image in images.items())
    assert binary_path(part).stat().st_size == 136 * sum(counts)


def test_the_binary_file_is_descriptors_then_geometry(part):
    image = make_image(1, 3)
    write_features(part, [("x", None, "decoder_crashed"), ("a", image, "ok")])
    expected = image.descriptors.tobytes() + image.geometry.tobytes()
    assert binary_path(part).read_bytes() == expected


def test_reading_maps_the_file_and_copies_nothing(part):
    write_features(part, [("a", make_image(1, 30), "ok"), ("b", make_image(2, 5), "ok")])
    store = FeatureStore([part])
    first, again, other = store.load("a"), store.load("a"), store.load("b")
    for array in (first.descriptors, first.geometry):
        assert isinstance(array, np.memmap)
        assert not array.flags.writeable
    assert np.shares_memory(first.descriptors, again.descriptors)
    assert not np.shares_memory(first.descriptors, other.descriptors)


def test_a_mapped_image_can_be_computed_with(part):
    image = make_image(4, 12)
    write_features(part, [("a", image, "ok")])
    loaded = FeatureStore([part]).load("a")
    assert np.array_equal(loaded.xy, image.xy)
    assert np.array_equal(loaded.size, image.size)
    assert np.array_equal(loaded.angle, image.angle)
    packed = pack_geometry(loaded.xy, loaded.size, loaded.angle)
    assert packed.tobytes() == image.geometry.tobytes()


def test_an_image_without_features_is_listed_and_empty(part):
    write_features(part, [("blank", make_image(1, 0), "no_features"), ("gone", None, "truncated")])
    store = FeatureStore([part])
    assert (len(store.load("blank")), store.load("blank").width) == (0, 640)
    assert (len(store.load("gone")), store.load("gone").width) == (0, 0)


def test_a_part_without_images_is_empty(part):
    assert write_features(part, []) == 0
    assert FeatureStore([part]).blocks == {}


def test_parts_are_read_together(part):
    other = part.with_name("images_001.parquet")
    write_features(part, [("a", make_image(1, 4), "ok")])
    write_features(other, [("b", make_image(2, 6), "ok")])
    store = FeatureStore([part, other])
    assert same(store.load("a"), make_image(1, 4))
    assert same(store.load("b"), make_image(2, 6))


def test_an_unknown_image_is_a_key_error(part):
    write_features(part, [("a", make_image(1, 4), "ok")])
    with pytest.raises(KeyError, match="zzz"):
        FeatureStore([part]).load("zzz")


@pytest.mark.parametrize("missing_bytes", [1, 136, 4 * 136])
def test_a_short_binary_file_is_named_with_the_image(part, missing_bytes):
    write_features(part, [("a", make_image(1, 4), "ok"), ("b", make_image(2, 4), "ok")])
    path = binary_path(part)
    path.write_bytes(path.read_bytes()[:-missing_bytes])
    store = FeatureStore([part])
    assert len(store.load("a")) == 4
    with pytest.raises(TableError, match=r"images_000\.bin: .*image b ends at 1088; .*describe"):
        store.load("b")


def test_an_emptied_binary_file_is_an_error_too(part):
    write_features(part, [("a", make_image(1, 4), "ok")])
    binary_path(part).write_bytes(b"")
    with pytest.raises(TableError, match="0 bytes"):
        FeatureStore([part]).load("a")


def test_equal_images_give_equal_bytes(part, tmp_path):
    images = [("a", make_image(1, 9), "ok"), ("b", None, "truncated")]
    other = tmp_path / "again.parquet"
    write_features(part, images)
    write_features(other, images)
    assert part.read_bytes() == other.read_bytes()
    assert binary_path(part).read_bytes() == binary_path(other).read_bytes()


def test_an_image_that_fails_midway_leaves_no_part(part):
    def images():
        yield "a", make_image(1, 9), "ok"
        raise OSError("the shard ends here")

    with pytest.raises(OSError, match="the shard ends here"):
        write_features(part, images())
    assert list(part.parent.iterdir()) == []
