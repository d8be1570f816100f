import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.features import GEOMETRY_DTYPE, LocalFeatures, pack_geometry

places = st.tuples(st.floats(0, 2047.9), st.floats(0, 2047.9))
keypoints = st.lists(
    st.tuples(places, st.floats(1, 4000), st.floats(-20, 20)), min_size=1, max_size=20
)


def unpack(geometry):
    descriptors = np.zeros((len(geometry), 128), np.uint8)
    return LocalFeatures(descriptors, geometry, 2048, 1024)


def pack_one(xy=(5.0, 5.0), size=8.0, angle=0.0):
    return pack_geometry(np.array([xy]), np.array([size]), np.array([angle]))


@given(keypoints)
def test_what_is_packed_comes_back_within_half_a_step(points):
    xy = np.array([place for place, _, _ in points])
    size = np.array([size for _, size, _ in points])
    angle = np.array([angle for _, _, angle in points])
    features = unpack(pack_geometry(xy, size, angle))
    assert np.abs(features.xy - xy).max() <= 0.5 / 32 + 1e-9
    assert np.abs(np.log2(features.size / size)).max() <= 0.5 / 2048 + 1e-9
    turned = features.angle - angle
    assert np.abs(np.exp(1j * turned) - 1).max() <= np.pi / 65536 + 1e-9
    assert (features.angle >= 0).all()
    assert (features.angle < 2 * np.pi).all()


@given(keypoints)
def test_packing_what_was_unpacked_changes_nothing(points):
    xy = np.array([place for place, _, _ in points])
    rest = np.array([(size, angle) for _, size, angle in points])
    packed = pack_geometry(xy, rest[:, 0], rest[:, 1])
    features = unpack(packed)
    again = pack_geometry(features.xy, features.size, features.angle)
    assert again.tobytes() == packed.tobytes()


def test_a_record_has_eight_bytes_in_a_fixed_order():
    packed = pack_one((1.0, 2.0), 2.0, np.pi)
    assert GEOMETRY_DTYPE.itemsize == 8
    assert packed.tobytes() == np.array([32, 64, 2048, 32768], "<u2").tobytes()


def test_a_full_turn_is_no_turn():
    assert pack_one(angle=2 * np.pi)["angle"] == 0
    assert pack_one(angle=-np.pi / 2)["angle"] == 49152
    # Rounds up to a whole turn, which has no code of its own.
    assert pack_one(angle=2 * np.pi - 1e-9)["angle"] == 0


def test_the_last_place_that_fits():
    assert pack_one((2047.98, 0.0))["x"] == 65535
    with pytest.raises(ValueError, match="outside"):
        pack_one((2047.99, 0.0))


@pytest.mark.parametrize("xy", [(-0.01, 5), (5, -1), (5, 2048), (np.nan, 5), (5, np.inf)])
def test_places_that_do_not_fit_are_refused(xy):
    with pytest.raises(ValueError, match=r"outside \[0, 2048\) px: describe at a smaller"):
        pack_one(xy)


@pytest.mark.parametrize("size", [0.99, 0.0, -3.0, np.nan, np.inf, 2.0**32])
def test_sizes_that_do_not_fit_are_refused(size):
    with pytest.raises(ValueError, match="diameter"):
        pack_one(size=size)


@pytest.mark.parametrize("angle", [np.nan, np.inf])
def test_angles_that_are_no_numbers_are_refused(angle):
    with pytest.raises(ValueError, match="angle"):
        pack_one(angle=angle)


def test_no_features_pack_to_nothing():
    nothing = np.empty(0)
    assert pack_geometry(np.empty((0, 2)), nothing, nothing).shape == (0,)


def test_the_long_side_is_the_longer_one():
    features = unpack(pack_one())
    assert (len(features), features.long_side) == (1, 2048)
    assert LocalFeatures(features.descriptors, features.geometry, 30, 40).long_side == 40
