"""Sizes of the classes before and after: class by class, and by rank."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from numpy.typing import NDArray

from cleanmark.reporting.classes import ClassRow
from cleanmark.reporting.plots import Plot
from cleanmark.reporting.svg_figures import DROP, FAINT, KEEP, embed_figure, make_figure

_EXACT_UP_TO = 30
"""Sizes up to here are drawn where they are, larger ones to two digits."""
_MAX_RANKS = 240
_MAX_FINE_DECADES = 3
_SUMMARY_RANKS = (1, 2, 5)


def plot_sizes(rows: Sequence[ClassRow]) -> Plot:
    """Usable against published images of each class, on logarithmic axes.

    Classes of equal sizes share one dot, whose area grows with their number, so that a hundred
    thousand classes still draw as a few thousand dots.
    """
    present = [row for row in rows if row.num_usable]
    figure, (axes,) = make_figure(5.2, 4.2)
    largest = max([1, *(row.num_usable for row in present)])
    axes.plot([1, largest], [1, largest], color=FAINT, lw=0.9, linestyle=(0, (4, 3)), zorder=1)
    for is_overlapping, colour in ((False, KEEP), (True, DROP)):
        _scatter(axes, (r for r in present if r.is_overlapping is is_overlapping), colour)
    axes.set_xscale("log")
    axes.set_yscale("symlog", linthresh=1, linscale=0.3)
    axes.set_xlim(0.8, largest * 1.4)
    axes.set_ylim(-0.4, largest * 1.4)
    ticks = choose_ticks(largest)
    _set_ticks(axes.xaxis, ticks)
    _set_ticks(axes.yaxis, [0, *ticks])
    axes.set_xlabel("usable images of the class")
    axes.set_ylabel("images published")
    return Plot(
        "sizes",
        "Size of each class before and after",
        "On the dashed line a class is published whole; below it, it lost images; at 0 it is "
        "gone. Orange: removed for overlap.",
        embed_figure(
            figure,
            "plot-sizes",
            "Scatter plot on logarithmic axes: usable images of each class against images "
            "published; sums are in the table below",
        ),
        ("classes", "before", "after"),
        _summarise_changes(present),
    )


def plot_ranks(rows: Sequence[ClassRow]) -> Plot:
    """Sizes in falling order, before and after, on logarithmic axes."""
    before = _sort_sizes(row.num_usable for row in rows)
    after = _sort_sizes(row.num_published for row in rows)
    figure, (axes,) = make_figure(5.2, 4.2)
    for sizes, colour, name in ((before, FAINT, "usable"), (after, KEEP, "published")):
        ranks = choose_ranks(len(sizes))
        marker = "o" if len(sizes) <= _MAX_RANKS // 4 else ""
        axes.plot(ranks, sizes[ranks - 1], color=colour, lw=1.6, marker=marker, ms=3.5, label=name)
    axes.set_xscale("log")
    axes.set_yscale("log")
    _set_ticks(axes.xaxis, choose_ticks(len(before)))
    _set_ticks(axes.yaxis, choose_ticks(int(before.max(initial=1))))
    axes.set_xlabel("rank of the class by size")
    axes.set_ylabel("images")
    axes.legend(loc="lower left", frameon=False)
    return Plot(
        "ranks",
        "Classes by rank",
        "The long tail: how large the largest, the tenth and the thousandth class are. The line "
        "of the published split ends earlier where classes are gone.",
        embed_figure(
            figure,
            "plot-ranks",
            "Sizes of classes in falling order before and after, on logarithmic axes; some are in "
            "the table below",
        ),
        ("rank", "usable", "published"),
        _list_ranks(before, after),
    )


def choose_ranks(num_classes: int) -> NDArray[np.int64]:
    """At most `_MAX_RANKS` ranks from 1 to `num_classes`, evenly on a logarithmic scale."""
    if num_classes == 0:
        return np.empty(0, np.int64)
    return np.unique(np.rint(np.geomspace(1, num_classes, _MAX_RANKS)).astype(np.int64))


def merge_equal_sizes(rows: Iterable[ClassRow]) -> Counter[tuple[int, int]]:
    """(usable, published) -> number of classes; sizes above 30 are rounded to two digits."""
    return Counter((_round_size(row.num_usable), _round_size(row.num_published)) for row in rows)


def _round_size(size: int) -> int:
    return size if size <= _EXACT_UP_TO else int(float(f"{size:.2g}"))


def _scatter(axes: Axes, rows: Iterable[ClassRow], colour: str) -> None:
    dots = sorted(merge_equal_sizes(rows).items())
    if dots:
        x, y = zip(*(place for place, _ in dots), strict=True)
        areas = [22 + 14 * np.log2(number) for _, number in dots]
        axes.scatter(x, y, areas, color=colour, alpha=0.62, linewidths=0, zorder=2, clip_on=False)


def choose_ticks(largest: int) -> list[int]:
    """Round numbers from 1 to `largest`: 1, 2, 5, 10 and so on, or powers of ten if too many."""
    powers = [10**power for power in range(len(str(max(largest, 1))))]
    fine = [step * power for power in powers for step in (1, 2, 5)]
    ticks = fine if len(powers) <= _MAX_FINE_DECADES else powers
    return [tick for tick in ticks if tick <= max(largest, 1)]


def _set_ticks(axis: Axis, ticks: Sequence[int]) -> None:
    axis.set_ticks(list(ticks), [f"{tick:,}" for tick in ticks])
    axis.set_ticks([], minor=True)


def _sort_sizes(sizes: Iterable[int]) -> NDArray[np.int64]:
    return np.array(sorted((size for size in sizes if size), reverse=True), np.int64)


def _summarise_changes(rows: Sequence[ClassRow]) -> tuple[tuple[str, ...], ...]:
    groups = [
        ("published whole", [r for r in rows if r.num_published == r.num_usable]),
        ("smaller", [r for r in rows if 0 < r.num_published < r.num_usable]),
        ("gone in the cleaning", [r for r in rows if not r.num_published and not r.is_overlapping]),
        ("removed for overlap", [r for r in rows if not r.num_published and r.is_overlapping]),
    ]
    return tuple(
        (
            f"{len(group):,} {name}",
            f"{sum(row.num_usable for row in group):,}",
            f"{sum(row.num_published for row in group):,}",
        )
        for name, group in groups
    )


def _list_ranks(before: NDArray[np.int64], after: NDArray[np.int64]) -> tuple[tuple[str, ...], ...]:
    ranks = [m * 10**power for power in range(7) for m in _SUMMARY_RANKS]
    return tuple(
        (f"{rank:,}", *(_size_at(sizes, rank) for sizes in (before, after)))
        for rank in ranks
        if rank <= len(before)
    )


def _size_at(sizes: NDArray[np.int64], rank: int) -> str:
    return f"{sizes[rank - 1]:,}" if rank <= len(sizes) else "–"
