"""The interval of a counted share."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.proportions import Z_95, estimate_share


@st.composite
def counts(draw):
    num_trials = draw(st.integers(1, 10**6))
    return draw(st.integers(0, num_trials)), num_trials


@given(counts())
def test_the_ends_are_the_shares_that_would_be_z_deviations_off(sample):
    """Wilson's definition: at either end, the share found is z standard deviations away."""
    num_hits, num_trials = sample
    found = num_hits / num_trials
    for end in estimate_share(num_hits, num_trials):
        deviation = math.sqrt(end * (1 - end) / num_trials)
        assert abs(found - end) == pytest.approx(Z_95 * deviation, abs=1e-9)


@given(counts())
def test_misses_mirror_hits(sample):
    num_hits, num_trials = sample
    low, high = estimate_share(num_hits, num_trials)
    assert 0 <= low <= num_hits / num_trials <= high <= 1
    mirrored = estimate_share(num_trials - num_hits, num_trials)
    assert mirrored == pytest.approx((1 - high, 1 - low))


def test_nothing_tried_says_nothing():
    assert estimate_share(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("num_hits", "num_trials"), [(3, 2), (-1, 2), (0, -1)])
def test_what_is_no_share(num_hits, num_trials):
    with pytest.raises(ValueError, match="is no share"):
        estimate_share(num_hits, num_trials)
