import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.features import DESCRIPTOR_BYTES
from networks.descriptor_codes import STEPS_PER_UNIT, encode_unit_vectors


def random_units(seed, count=20, dimensions=40):
    vectors = np.random.default_rng(seed).normal(size=(count, dimensions))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@given(st.integers(0, 200), st.sampled_from([1, 40, 128]))
def test_codes_keep_distances(seed, dimensions):
    vectors = random_units(seed, dimensions=dimensions)
    codes = encode_unit_vectors(vectors)
    assert codes.shape == (20, DESCRIPTOR_BYTES)
    assert codes.dtype == np.uint8
    assert codes.max() <= 127
    assert (codes[:, :dimensions] >= 1).all()
    assert not codes[:, dimensions:].any()
    exact = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
    wide = codes.astype(np.int64)
    coded = np.linalg.norm(wide[:, None] - wide[None], axis=2) / STEPS_PER_UNIT
    # Each of two values is off by at most half a step.
    assert np.abs(coded - exact).max() <= np.sqrt(dimensions) / STEPS_PER_UNIT


def test_the_ends_of_the_range():
    assert encode_unit_vectors(np.array([[-1.0, 0.0], [1.0, 0.0]]))[:, :2].tolist() == [
        [1, 64],
        [127, 64],
    ]


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="129 dimensions in a record of 128"):
        encode_unit_vectors(random_units(0, dimensions=129))
    with pytest.raises(ValueError, match="unit length"):
        encode_unit_vectors(np.array([[1.1, 0.0]]))
    with pytest.raises(ValueError, match="unit length"):
        encode_unit_vectors(np.array([[np.nan, 0.0]]))
