import numpy as np
import pytest
from drawn_places import describe_place
from hypothesis import given
from hypothesis import strategies as st
from planted_features import make_descriptors

from curation.sketches import SKETCH_BYTES, are_short, sketch_descriptors

ROWS, COLUMNS, ORIENTATIONS = np.meshgrid(np.arange(4), np.arange(4), np.arange(8), indexing="ij")


@pytest.fixture(scope="module")
def descriptors():
    return describe_place(1).descriptors


def sketch(descriptors):
    return sketch_descriptors(descriptors, are_short=are_short(descriptors))


def square_distances(values):
    values = values.astype(np.int64)
    return ((values[:, None] - values[None, :]) ** 2).sum(axis=2)


def test_sketches_have_seven_bits_in_a_quarter_of_the_numbers(descriptors):
    sketches = sketch(descriptors)
    assert sketches.shape == (len(descriptors), SKETCH_BYTES)
    assert sketches.dtype == np.uint8
    assert sketches.max() <= 127
    # A sketch that is cut off at an end says less.
    assert np.mean((sketches == 0) | (sketches == 127)) < 0.001


def test_sketches_hold_most_of_every_distance(descriptors):
    """On the scale of 0.4, at most 0.16 of a squared distance is left, and rounding adds to it."""
    whole = square_distances(descriptors[:200])[np.triu_indices(200, 1)]
    sketched = square_distances(sketch(descriptors[:200]))[np.triu_indices(200, 1)]
    rounding = np.sqrt(SKETCH_BYTES)
    assert (np.sqrt(sketched) <= 0.4 * np.sqrt(whole) + rounding).all()
    assert np.median(sketched / (0.16 * whole)) > 0.6
    assert np.corrcoef(whole, sketched)[0, 1] > 0.9


def test_what_is_smooth_is_kept_and_what_is_rough_is_not():
    """A change along a kept axis shows on the scale of 0.4, one along any other not at all."""
    flat = np.full((4, 4, 8), 20.0)
    smooth = flat + 19 * np.cos(np.pi * (2 * ROWS + 1) / 8) * np.cos(np.pi * ORIENTATIONS / 4)
    rough = flat + 19 * (-1.0) ** (ROWS + COLUMNS + ORIENTATIONS)
    values = np.stack([flat, smooth, rough]).reshape(3, 128).round().astype(np.uint8)
    whole, sketched = square_distances(values), square_distances(sketch(values))
    assert sketched[0, 1] == pytest.approx(0.16 * whole[0, 1], rel=0.1)
    assert sketched[0, 2] <= SKETCH_BYTES < whole[0, 2]


def test_the_axes_do_not_disturb_one_another():
    """The sketch turns and cuts off, but bends nothing."""
    values = np.random.default_rng(0).integers(0, 40, (3000, 128)).astype(np.uint8)
    sketches = sketch(values).astype(np.float64)
    constant = np.ones((len(values), 1))
    axes = np.linalg.lstsq(np.hstack([values, constant]), sketches, rcond=None)[0][:-1]
    assert np.allclose(axes.T @ axes, 0.16 * np.eye(SKETCH_BYTES), atol=0.005)


@given(st.integers(0, 1000), st.integers(1, 64))
def test_short_descriptors_are_sketched_by_their_first_dimensions(seed, dimensions):
    learned = np.zeros((5, 128), np.uint8)
    learned[:, :dimensions] = make_descriptors(seed, 5)[:, :dimensions]
    assert np.array_equal(sketch(learned), learned[:, :SKETCH_BYTES])


def test_every_descriptor_is_sketched_by_itself(descriptors):
    alone = [sketch(descriptors[i : i + 1])[0] for i in range(20)]
    assert np.array_equal(sketch(descriptors)[:20], alone)


def test_no_descriptors_have_no_sketches():
    assert sketch(np.empty((0, 128), np.uint8)).shape == (0, SKETCH_BYTES)
