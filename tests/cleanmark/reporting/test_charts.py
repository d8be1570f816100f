"""The layout of the report's bar charts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanmark.reporting.charts import Bins, ChartWords, bins_around, bins_by_doubling, draw_bars

WORDS = ChartWords("key", "title", "summary", "x")


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


_TALLIES = st.dictionaries(st.integers(0, 3000), st.integers(1, 10**6), max_size=30)


@given(_TALLIES, _TALLIES, st.booleans())
def test_bars_stay_in_the_plot_and_grow_with_their_counts(first, second, stacked):
    bins = bins_around(30, 3000)
    chart = draw_bars(WORDS, bins, {"a": first, "b": second}, stacked=stacked, marker=(30, "30"))
    assert sum(sum(counts) for _, counts in chart.rows) == sum([*first.values(), *second.values()])
    for bar in chart.bars:
        assert chart.left <= bar.x
        assert bar.x + bar.width <= chart.right + 1e-6
        assert chart.top - 1e-6 <= bar.y
        assert bar.y + bar.height <= chart.bottom + 1e-6
    counts = [count for _, both in chart.rows for count in both if count]
    assert len(chart.bars) == len(counts)
    scales = {round(bar.height / count, 9) for bar, count in zip(chart.bars, counts, strict=True)}
    assert not scales or max(scales) - min(scales) < 1e-6


def test_stacked_bars_stand_on_each_other():
    chart = draw_bars(WORDS, Bins((0, 1)), {"a": {0: 3}, "b": {0: 1}}, stacked=True)
    lower, upper = chart.bars
    assert upper.y + upper.height == pytest.approx(lower.y)
    assert lower.y + lower.height == pytest.approx(chart.bottom)
    assert [label.text for label in chart.y_labels] == ["0", "1", "2", "3", "4"]


def test_a_chart_of_nothing_has_axes_and_no_bars():
    chart = draw_bars(WORDS, Bins((0, 1)), {"a": {}}, stacked=False)
    assert chart.bars == ()
    assert [label.text for label in chart.y_labels] == ["0", "1"]


def test_the_marker_stands_where_its_bin_begins():
    chart = draw_bars(WORDS, Bins((0, 10)), {"a": {10: 1}}, stacked=False, marker=(10, "10 needed"))
    (bar,) = chart.bars
    assert chart.left < chart.marker.position < bar.x
    assert chart.marker.position == pytest.approx((chart.left + chart.right) / 2)
