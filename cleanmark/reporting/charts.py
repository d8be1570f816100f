"""Bar charts of the report: numbers in, positions of bars and labels out; a template draws them."""

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 350, 226
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 16, 28, 44
_PLOT_WIDTH = WIDTH - _LEFT - _RIGHT
_PLOT_HEIGHT = HEIGHT - _TOP - _BOTTOM
_GAP_SHARE = 0.16
_MAX_TICKS = 4
_LABEL_PX = 32
"""Room that the longest usual label needs."""


@dataclass(frozen=True)
class Bins:
    """Ranges of whole numbers; `lower` holds the first number of each, the last has no end."""

    lower: tuple[int, ...]

    def count(self, values: Mapping[int, int]) -> list[int]:
        """Sort a tally (value -> how often) into the bins; values below the first are an error.

        Raises:
            ValueError: a value lies below the first bin.
        """
        counts = [0] * len(self.lower)
        for value, number in values.items():
            position = bisect_right(self.lower, value) - 1
            if position < 0:
                raise ValueError(f"value {value} lies below the first bin, {self.lower[0]}")
            counts[position] += number
        return counts

    @property
    def labels(self) -> list[str]:
        """Each range in words, such as `15–20` or `480+`."""
        ends = [following - 1 for following in self.lower[1:]]
        inner = [
            str(first) if first == last else f"{first:,}–{last:,}"
            for first, last in zip(self.lower, ends, strict=False)
        ]
        return [*inner, f"{self.lower[-1]:,}+"]


@dataclass(frozen=True)
class Bar:
    """One bar in the coordinates of the drawing; `series` is its position in the legend."""

    x: float
    y: float
    width: float
    height: float
    series: int
    title: str


@dataclass(frozen=True)
class Label:
    """A text and where it stands along its axis."""

    position: float
    text: str


@dataclass(frozen=True)
class ChartWords:
    """The words of a chart.

    Attributes:
        key: unique on the page.
        title: what it shows.
        summary: how to read it, in a sentence.
        x_title: what the horizontal axis counts.
    """

    key: str
    title: str
    summary: str
    x_title: str


@dataclass(frozen=True)
class Chart:
    """A bar chart, ready to be drawn.

    Attributes:
        words: title and explanations.
        series: names, in the order of the colours.
        rows: label of each bin and the counts of the series, for the table beside the drawing.
        bars: without the empty ones.
        x_labels: of bins, thinned so that they do not touch.
        y_labels: round numbers.
        marker: a threshold; None if there is none.
    """

    words: ChartWords
    series: tuple[str, ...]
    rows: tuple[tuple[str, tuple[int, ...]], ...]
    bars: tuple[Bar, ...]
    x_labels: tuple[Label, ...]
    y_labels: tuple[Label, ...]
    marker: Label | None

    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    top: int = _TOP
    bottom: int = HEIGHT - _BOTTOM


def bins_around(threshold: int, largest: int) -> Bins:
    """Bins that grow by half octaves and of which one begins at `threshold`; the first is 0."""
    edges = {0, 1, threshold}
    for sign in (-1, 1):
        step = 1
        while 1 <= (edge := round(threshold * 2 ** (sign * step / 2))) <= largest:
            edges.add(edge)
            step += 1
    return Bins(tuple(sorted(edges)))


def bins_by_doubling(largest: int) -> Bins:
    """The bins 0, 1, 2, 3-4, 5-8, 9-16 and so on, as far as `largest`."""
    edges = [0, 1, 2]
    power = 2
    while power < largest:
        edges.append(power + 1)
        power *= 2
    return Bins(tuple(edges))


def draw_bars(
    words: ChartWords,
    bins: Bins,
    tallies: Mapping[str, Mapping[int, int]],
    *,
    stacked: bool,
    marker: tuple[int, str] | None = None,
) -> Chart:
    """Lay out a bar chart.

    Args:
        words: title and explanations.
        bins: ranges along the horizontal axis.
        tallies: name of a series -> value -> how often.
        stacked: bars of a bin on top of each other, else side by side.
        marker: a value at which a bin begins, and its text.
    """
    counts = [bins.count(tally) for tally in tallies.values()]
    per_bin = list(zip(*counts, strict=True))
    tallest = max((sum(c) if stacked else max(c) for c in per_bin), default=0)
    ticks = _choose_ticks(tallest)
    series = tuple(tallies)
    slot = _PLOT_WIDTH / len(bins.lower)
    return Chart(
        words=words,
        series=series,
        rows=tuple(zip(bins.labels, per_bin, strict=True)),
        bars=tuple(_place_bars(per_bin, bins.labels, series, ticks[-1], stacked=stacked)),
        x_labels=tuple(_thin_labels(bins, slot)),
        y_labels=tuple(Label(_y(tick, ticks[-1]), f"{tick:,}") for tick in ticks),
        marker=None
        if marker is None
        else Label(_LEFT + slot * bins.lower.index(marker[0]), marker[1]),
    )


def _place_bars(
    per_bin: Sequence[tuple[int, ...]],
    labels: Sequence[str],
    series: Sequence[str],
    top: int,
    *,
    stacked: bool,
) -> list[Bar]:
    slot = _PLOT_WIDTH / max(len(per_bin), 1)
    inner = slot * (1 - _GAP_SHARE)
    width = inner if stacked else inner / len(series)
    bars = []
    for position, counts in enumerate(per_bin):
        left = _LEFT + slot * position + slot * _GAP_SHARE / 2
        below = 0
        for number, count in enumerate(counts):
            x = left if stacked else left + width * number
            upper, lower = _y(below + count, top), _y(below, top)
            title = f"{labels[position]}: {count:,} {series[number]}"
            if count:
                bars.append(Bar(x, upper, width, lower - upper, number, title))
            below += count if stacked else 0
    return bars


def _y(value: float, top: int) -> float:
    return _TOP + _PLOT_HEIGHT * (1 - value / top)


def _choose_ticks(largest: int) -> list[int]:
    """Round numbers from 0 to the first at or above `largest`."""
    if largest == 0:
        return [0, 1]
    rough = largest / _MAX_TICKS
    magnitude = 10 ** max(math.floor(math.log10(rough)), 0) if rough >= 1 else 1
    step = next(m * magnitude for m in (1, 2, 5, 10) if m * magnitude >= rough)
    return [step * number for number in range(math.ceil(largest / step) + 1)]


def _thin_labels(bins: Bins, slot: float) -> list[Label]:
    """Whole ranges where there is room for them, else the first numbers of some."""
    every = math.ceil(_LABEL_PX / slot)
    texts = bins.labels if every == 1 else [f"{first:,}" for first in bins.lower]
    return [
        Label(_LEFT + slot * position + slot / 2, text)
        for position, text in enumerate(texts)
        if position % every == 0
    ]
