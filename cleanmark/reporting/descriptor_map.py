"""Descriptors as a map: one point per image, coloured by landmark."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cleanmark.reporting.svg_figures import render_svg
from training.evaluation.projection import NO_LANDMARK

_SIZE_INCHES = (8.6, 5.4)
_COLOURS = (
    "#1f6f8b", "#b4501f", "#4c8c2b", "#7a4ea3", "#c9961a", "#c2427a", "#2f5fb3", "#6b4a2b",
    "#118a7e", "#8c1d1d", "#5b7f00", "#3d3d8f",
)  # fmt: skip
_MARKERS = ("o", "^", "s", "D", "v")
_OTHERS = "#c9c6c0"
_MAX_NAMED = 24
"""Landmarks with an entry in the legend; others are drawn without one."""


def draw_map(
    points: NDArray[np.float64], groups: NDArray[np.int64], group_names: Sequence[str]
) -> str:
    """Draw points of a plane as SVG; equal points give equal bytes.

    Args:
        points: float64 (n, 2).
        groups: int64 (n,), position in `group_names`, or `NO_LANDMARK`.
        group_names: names for the legend.
    """
    figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
    axes = figure.add_subplot()
    # A few hundred points are drawn larger than a few thousand.
    scale = min(4.0, max(1.0, 600 / max(1, len(points))))
    others = points[groups == NO_LANDMARK]
    axes.scatter(others[:, 0], others[:, 1], s=5 * scale, c=_OTHERS, linewidths=0, label="other")
    landmarks = [int(group) for group in np.unique(groups) if group != NO_LANDMARK]
    for number, landmark in enumerate(landmarks):
        found = points[groups == landmark]
        axes.scatter(
            found[:, 0],
            found[:, 1],
            s=14 * scale,
            c=_COLOURS[number % len(_COLOURS)],
            marker=_MARKERS[number // len(_COLOURS) % len(_MARKERS)],
            linewidths=0,
            label=group_names[landmark] if number < _MAX_NAMED else None,
        )
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    figure.legend(loc="outside right upper", frameon=False, fontsize=8)
    return render_svg(figure)
