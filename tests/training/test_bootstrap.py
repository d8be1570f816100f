import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.bootstrap import BootstrapSettings, bootstrap_difference, bootstrap_mean

_FEW = BootstrapSettings(num_resamples=200)
_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=20).map(np.array)


def test_the_interval_is_that_of_all_resamples():
    # Three values have 27 resamples, few enough to list.
    values = np.array([0.0, 0.3, 1.0])
    means = [np.mean(drawn) for drawn in product(values, repeat=3)]
    found = bootstrap_mean(values, BootstrapSettings(num_resamples=100_000, confidence=0.8))
    assert found.low == pytest.approx(np.quantile(means, 0.1), abs=1e-9)
    assert found.high == pytest.approx(np.quantile(means, 0.9), abs=1e-9)
    assert found.mean == pytest.approx(np.mean(values))


def test_the_width_is_that_of_the_normal_law():
    values = np.random.default_rng(1).normal(size=400)
    found = bootstrap_mean(values)
    expected = 2 * 1.96 * values.std() / math.sqrt(400)
    assert found.high - found.low == pytest.approx(expected, rel=0.05)


def test_the_seed_decides():
    values = np.random.default_rng(2).random(30)
    assert bootstrap_mean(values, _FEW) == bootstrap_mean(values, _FEW)
    other = BootstrapSettings(num_resamples=200, seed=1)
    assert bootstrap_mean(values, _FEW) != bootstrap_mean(values, other)


@given(_VALUES)
def test_the_interval_lies_among_the_values(values):
    found = bootstrap_mean(values, _FEW)
    assert values.min() - 1e-12 <= found.low <= found.high <= values.max() + 1e-12
    assert found.num_queries == len(values)


@given(_VALUES, st.floats(-1, 1))
def test_an_equal_gain_on_every_query_is_certain(values, gain):
    found = bootstrap_difference(values, values + gain, _FEW)
    assert (found.low, found.high) == pytest.approx((gain, gain), abs=1e-9)


@given(_VALUES)
def test_pairs_stay_together(values):
    reversed_pairs = bootstrap_difference(values, values[::-1].copy(), _FEW)
    assert reversed_pairs.mean == pytest.approx(0, abs=1e-9)
    assert not bootstrap_difference(values, values, _FEW).excludes_zero


def test_queries_without_positives_are_left_out():
    before, after = np.array([np.nan, 0.2, 0.4]), np.array([np.nan, 0.3, 0.5])
    found = bootstrap_difference(before, after, _FEW)
    assert found.num_queries == 2
    assert found.mean == pytest.approx(0.1)
    assert found.excludes_zero


@pytest.mark.parametrize("after", [np.array([0.1]), np.array([np.nan, 0.1])])
def test_other_queries_cannot_be_paired(after):
    with pytest.raises(ValueError, match="paired comparison"):
        bootstrap_difference(np.array([0.1, 0.2]), after)


def test_nothing_to_resample_is_refused():
    with pytest.raises(ValueError, match="nothing to resample"):
        bootstrap_mean(np.array([np.nan]))
