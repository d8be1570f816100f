"""The distributions of a run, each with its numbers as a table."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from cleanmark.reporting.bins import Bins, bins_around, bins_by_doubling
from cleanmark.reporting.svg_figures import (
    CONTROL,
    DROP,
    FAINT,
    INK,
    KEEP,
    SHEET,
    embed_figure,
    make_figure,
)
from cleanmark.reporting.tables import ControlTallies, PairTallies, VerdictTallies

_MAX_LABELS = 12
_BAR_WIDTH = 0.84
_LEAST = (
    " Of pairs verified by a look at their strongest features, only the inliers of that look are "
    "counted; they have about as many or more."
)


@dataclass(frozen=True)
class Plot:
    """A drawing with its words and numbers.

    Attributes:
        key: unique on the page.
        title: what it shows.
        summary: how to read it.
        svg: the drawing.
        header: of the table of its numbers.
        rows: of the table.
    """

    key: str
    title: str
    summary: str
    svg: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def plot_inliers(
    pairs: PairTallies, controls: ControlTallies, threshold: int, *, are_least: bool = False
) -> Plot:
    """Histograms of inliers: verified, rejected and control pairs below each other.

    Args:
        pairs: pairs within the classes.
        controls: control pairs, images of two classes.
        threshold: inliers that the cleaning asks for.
        are_least: whether pairs may have been verified before all their inliers were counted.
    """
    panels = [
        ("verified pairs of one class", pairs.passed, KEEP),
        ("rejected pairs of one class", pairs.rejected, DROP),
        ("control pairs: photographs of two classes", controls.all, CONTROL),
    ]
    bins = bins_around(threshold, max([threshold, *pairs.passed, *pairs.rejected, *controls.all]))
    counts = [bins.count(tally) for _, tally, _ in panels]
    figure, axes = make_figure(10.6, 5.6, len(panels))
    for panel, (name, _, colour), heights in zip(axes, panels, counts, strict=True):
        panel.set_title(f"{name} ({sum(heights):,})", color=colour, loc="left", fontsize=10)
        _draw_histogram(panel, heights, colour, bins.lower.index(threshold) - 0.5)
    # What the calibration leaves out is drawn paler.
    pale = bins.count(controls.of_one_place)
    axes[-1].bar(range(len(pale)), pale, _BAR_WIDTH * 0.97, color=SHEET, alpha=0.62)
    _name_threshold(axes[0], bins, threshold)
    _label_bins(axes[-1], bins, "inliers (ranges grow by a factor of √2)")
    return Plot(
        "inliers",
        "Inliers of pairs, and the threshold",
        "Heights are on a logarithmic scale, so that single pairs show. Look for verified pairs "
        "far to the right of the dashed line and control pairs far to its left; what is near the "
        "line is open to doubt. Control pairs of classes that seem to be one place are pale: "
        "they say nothing of the threshold." + (_LEAST if are_least else ""),
        embed_figure(
            figure,
            "plot-inliers",
            f"Histograms of inliers of verified, rejected and control pairs with the threshold "
            f"{threshold}; the numbers are in the table below",
        ),
        ("inliers", "verified", "rejected", "control", "control, of one place"),
        _make_rows(bins, [*counts, pale]),
    )


def _draw_histogram(axes: Axes, heights: Sequence[int], colour: str, line: float) -> None:
    """Bars on a logarithmic scale that begins at 0, and a dashed vertical line."""
    axes.bar(range(len(heights)), heights, _BAR_WIDTH, color=colour)
    axes.set_yscale("symlog", linthresh=1, linscale=0.5)
    axes.set_ylim(0, max(10, max(heights) * 4))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.minorticks_off()
    axes.grid(visible=False, axis="x")
    axes.tick_params(axis="x", length=0)
    axes.axvline(line, color=INK, linestyle=(0, (4, 3)), lw=1.1)
    _write_counts(axes, heights)


def plot_neighbours(verdicts: VerdictTallies) -> Plot:
    """How many other photographs confirm an image: kept and dropped ones stacked."""
    tallies = (verdicts.neighbours_of_kept, verdicts.neighbours_of_dropped)
    bins = bins_by_doubling(max([1, *tallies[0], *tallies[1]]))
    counts = [bins.count(tally) for tally in tallies]
    figure, (axes,) = make_figure(5.2, 4.2)
    axes.bar(range(len(bins.lower)), counts[0], _BAR_WIDTH, color=KEEP, label="kept")
    axes.bar(range(len(bins.lower)), counts[1], _BAR_WIDTH, counts[0], color=DROP, label="dropped")
    axes.grid(visible=False, axis="x")
    axes.set_ylabel("images")
    axes.legend(loc="upper right", frameon=False)
    _label_bins(axes, bins, "verified neighbours")
    return Plot(
        "neighbours",
        "Verified neighbours of each image",
        "How many other photographs of its class confirm an image, copies counted once. Dropped "
        "images at 0 have no witness at all.",
        embed_figure(
            figure,
            "plot-neighbours",
            "Stacked histogram of verified neighbours of kept and dropped images; the numbers are "
            "in the table below",
        ),
        ("verified neighbours", "kept", "dropped"),
        _make_rows(bins, counts),
    )


def _make_rows(bins: Bins, counts: Sequence[Sequence[int]]) -> tuple[tuple[str, ...], ...]:
    per_bin = zip(bins.labels, *counts, strict=True)
    return tuple((label, *(f"{count:,}" for count in row)) for label, *row in per_bin)


def _write_counts(axes: Axes, heights: Sequence[int]) -> None:
    for position, height in enumerate(heights):
        if height:
            axes.annotate(
                f"{height:,}",
                (position, height),
                (0, 2),
                textcoords="offset points",
                ha="center",
                fontsize=7.5,
                color=FAINT,
            )


def _name_threshold(axes: Axes, bins: Bins, threshold: int) -> None:
    axes.annotate(
        f"{threshold} needed",
        (bins.lower.index(threshold) - 0.5, 1),
        (0, 3),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        ha="center",
        fontsize=9,
    )


def _label_bins(axes: Axes, bins: Bins, title: str) -> None:
    """Whole ranges where there is room for them, else the first numbers of some."""
    num_bins = len(bins.lower)
    every = -(-num_bins // _MAX_LABELS)
    texts = bins.labels if every == 1 else [f"{first:,}" for first in bins.lower]
    axes.set_xticks(range(0, num_bins, every), texts[::every])
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.6, num_bins - 0.4)
    axes.set_xlabel(title)
