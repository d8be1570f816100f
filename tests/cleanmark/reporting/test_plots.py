"""Plots of the report: their numbers, and SVG that fits a page of many."""

import re
from collections import Counter

import numpy as np
import pytest
from html_page import Page
from hypothesis import given
from hypothesis import strategies as st

from cleanmark.reporting.class_size_plots import (
    choose_ranks,
    choose_ticks,
    merge_equal_sizes,
    plot_ranks,
    plot_sizes,
)
from cleanmark.reporting.classes import ClassRow
from cleanmark.reporting.plots import plot_inliers, plot_neighbours
from cleanmark.reporting.svg_figures import INK, KEEP, embed_figure, make_figure
from cleanmark.reporting.tables import ControlTallies, PairTallies, VerdictTallies

PAIRS = PairTallies(passed=Counter({30: 2, 90: 5}), rejected=Counter({3: 11, 29: 1}))
CONTROLS = ControlTallies(Counter({5: 70, 31: 1}), Counter({31: 1}))


def make_row(landmark_id, usable, published, *, is_overlapping=False):
    return ClassRow(landmark_id, None, usable, usable, published, published, is_overlapping)


def test_an_embedded_figure_takes_the_colours_of_the_page_and_ids_of_its_own():
    figures = []
    for key in ("first", "second"):
        figure, (axes,) = make_figure(3, 2)
        axes.plot([0, 1], [0, 1], color=KEEP, marker="o", markerfacecolor=INK)
        figures.append(embed_figure(figure, key, "a <line> & dots"))
    ids = [re.findall(r' id="([^"]+)"', svg) for svg in figures]
    assert ids[0]
    assert not set(ids[0]) & set(ids[1])
    for svg, own in zip(figures, ids, strict=True):
        references = re.findall(r'(?:href="#|url\(#)([^")]+)', svg)
        assert set(references) == set(own)
        assert "var(--keep)" in svg
        assert KEEP not in svg
        assert "var(--ink)" in svg
        assert 'aria-label="a &lt;line&gt; &amp; dots"' in svg
        assert "DejaVu" not in svg
        Page(svg)


def test_equal_figures_are_equal_text():
    assert plot_inliers(PAIRS, CONTROLS, 30).svg == plot_inliers(PAIRS, CONTROLS, 30).svg


def test_the_inlier_plot_counts_every_pair_and_draws_the_threshold():
    plot = plot_inliers(PAIRS, CONTROLS, 30)
    sums = [sum(int(row[column]) for row in plot.rows) for column in range(1, 5)]
    assert sums == [7, 12, 71, 1]
    at_threshold = next(row for row in plot.rows if row[0].startswith("30"))
    assert at_threshold[1:] == ("2", "0", "1", "1")
    assert "30 needed" in plot.svg
    assert plot.svg.count("stroke-dasharray") == 3
    moved = plot_inliers(PAIRS, CONTROLS, 90)
    assert "90 needed" in moved.svg


def test_the_inlier_plot_says_where_more_inliers_may_be():
    words = "only the inliers of that look are counted"
    assert words not in plot_inliers(PAIRS, CONTROLS, 30).summary
    assert words in plot_inliers(PAIRS, CONTROLS, 30, are_least=True).summary


def test_a_run_without_pairs_still_has_axes():
    plot = plot_inliers(PairTallies(), ControlTallies(), 30)
    assert "<svg" in plot.svg
    assert all(cell == "0" for row in plot.rows for cell in row[1:])


def test_the_plot_of_neighbours_counts_kept_and_dropped():
    tallies = VerdictTallies(
        neighbours_of_kept=Counter({3: 4, 9: 1}), neighbours_of_dropped=Counter({0: 6})
    )
    plot = plot_neighbours(tallies)
    assert plot.rows[0] == ("0", "0", "6")
    assert sum(int(row[1]) for row in plot.rows) == 5


def test_classes_are_summed_up_by_what_became_of_them():
    rows = [
        make_row(1, 10, 10),
        make_row(2, 10, 4),
        make_row(3, 3, 0),
        make_row(4, 50, 0, is_overlapping=True),
    ]
    assert plot_sizes(rows).rows == (
        ("1 published whole", "10", "10"),
        ("1 smaller", "10", "4"),
        ("1 gone in the cleaning", "3", "0"),
        ("1 removed for overlap", "50", "0"),
    )
    assert plot_ranks(rows).rows == (("1", "50", "10"), ("2", "10", "4"))


def test_a_hundred_thousand_classes_draw_as_few_dots():
    rng = np.random.default_rng(0)
    sizes = np.minimum(rng.zipf(1.6, 100_000), 20_000).tolist()
    rows = [make_row(i, size, size - i % (size + 1)) for i, size in enumerate(sizes)]
    dots = merge_equal_sizes(rows)
    assert sum(dots.values()) == len(rows)
    assert len(dots) < 8000
    assert len(plot_ranks(rows).svg) < 60_000


@pytest.mark.parametrize("plot", [plot_sizes, plot_ranks])
def test_plots_of_no_class(plot):
    assert "<svg" in plot([]).svg


@given(st.integers(1, 10**6))
def test_ranks_go_from_the_first_class_to_the_last(num_classes):
    ranks = choose_ranks(num_classes)
    assert ranks[0] == 1
    assert ranks[-1] == num_classes
    assert len(ranks) <= 240
    assert (np.diff(ranks) > 0).all()


@given(st.integers(1, 10**7))
def test_ticks_are_round_few_and_within_the_axis(largest):
    ticks = choose_ticks(largest)
    assert ticks[0] == 1
    assert ticks[-1] <= largest
    assert len(ticks) <= 9
    assert largest < 10 * ticks[-1]
