"""Ranges of whole numbers for histograms."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanmark.reporting.bins import Bins, bins_around, bins_by_doubling


def test_bins_hold_their_first_number_and_name_their_range():
    bins = Bins((0, 1, 2, 5))
    assert bins.count({0: 7, 1: 1, 2: 1, 4: 2, 5: 1, 99: 1}) == [7, 1, 3, 2]
    assert bins.labels == ["0", "1", "2–4", "5+"]


def test_a_value_below_the_first_bin_is_an_error():
    with pytest.raises(ValueError, match="value 1 lies below"):
        Bins((2, 3)).count({1: 1})


def test_doubling_bins():
    assert bins_by_doubling(1).lower == (0, 1, 2)
    assert bins_by_doubling(3).lower == (0, 1, 2, 3)
    assert bins_by_doubling(5).lower == (0, 1, 2, 3, 5)
    assert bins_by_doubling(17).lower == (0, 1, 2, 3, 5, 9, 17)


@given(st.integers(1, 500), st.integers(0, 20_000))
def test_a_bin_begins_at_the_threshold_and_all_are_sorted(threshold, more):
    lower = bins_around(threshold, threshold + more).lower
    assert threshold in lower
    assert lower[0] == 0
    assert list(lower) == sorted(set(lower))


@given(st.dictionaries(st.integers(0, 3000), st.integers(1, 10**6), max_size=30))
def test_every_value_is_counted_once(tally):
    assert sum(bins_around(30, 3000).count(tally)) == sum(tally.values())
