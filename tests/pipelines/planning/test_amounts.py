import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.planning.amounts import Amount, add_up
from pipelines.planning.bootstrap import estimate_from_strata, estimate_mean, estimate_share


@given(st.floats(0, 1e6), st.floats(0, 1), st.floats(0, 1e3))
def test_scaling_scales_the_interval(value, share, factor):
    scaled = Amount.within(value, share).scale(factor)
    assert scaled.value == pytest.approx(value * factor)
    assert scaled.low <= scaled.value <= scaled.high


def test_errors_of_a_sum_add_in_squares():
    total = add_up([Amount(value=10, low=7, high=14), Amount(value=20, low=16, high=23)])
    assert total == Amount(value=30, low=25, high=35)


def test_relative_errors_of_a_product_add_in_squares():
    product = Amount.within(10, 0.3).times(Amount.within(20, 0.4))
    assert (product.value, product.low, product.high) == pytest.approx((200, 100, 300))


def test_what_is_known_has_no_interval():
    assert add_up([Amount.exact(1), Amount.exact(2)]).times(Amount.exact(4)) == Amount.exact(12)


def test_a_sum_of_nothing_is_nothing():
    assert add_up([]) == Amount.exact(0)


def test_a_mean_is_bracketed_and_the_same_each_time():
    values = np.random.default_rng(0).exponential(2.0, 400).tolist()
    found = estimate_mean(values, 5)
    assert found.low < found.value < found.high
    assert found.value == pytest.approx(np.mean(values))
    assert found == estimate_mean(values, 5)


def test_a_larger_sample_gives_a_narrower_interval():
    values = np.random.default_rng(0).exponential(2.0, 1600).tolist()
    few, many = estimate_mean(values[:100], 0), estimate_mean(values, 0)
    assert many.high - many.low < 0.5 * (few.high - few.low)


def test_intervals_of_means_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(100):
        found = estimate_mean(rng.normal(3.0, 1.0, 60).tolist(), 0)
        hits += found.low <= 3.0 <= found.high
    assert 86 <= hits <= 100


def test_a_share_of_nothing_bad_in_few_leaves_room_for_some():
    found = estimate_share(50, 50)
    assert found.value == found.high == 1
    assert 0.9 < found.low < 1
    assert estimate_share(5000, 5000).low > found.low


def test_of_a_stratum_with_one_item_nothing_varies():
    values = np.array([3.0, 1.0, 1.0])
    found = estimate_from_strata([0, 1, 1], lambda chosen: float(values[chosen].sum()), 0)
    assert found == Amount.exact(5)
