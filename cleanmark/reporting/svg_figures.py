"""Figures of matplotlib as SVG inside a page: in its colours, light or dark, and in its type."""

import io
import re
from collections.abc import Mapping
from html import escape
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, FAINT, RULE = "#202124", "#5a5f66", "#dedad3"
KEEP, DROP, CONTROL = "#1f6f8b", "#b4501f", "#7a4ea3"
SHEET = "#fffffe"
_VARIABLES: Mapping[str, str] = {
    INK: "var(--ink)",
    FAINT: "var(--faint)",
    RULE: "var(--rule)",
    KEEP: "var(--keep)",
    DROP: "var(--drop)",
    CONTROL: "var(--control)",
    SHEET: "var(--sheet)",
}
"""Colours of a figure -> the style sheet's variables, which know of dark and print."""

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "cleanmark",
    "font.size": 9.5,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": FAINT,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.7,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": FAINT,
    "ytick.labelcolor": FAINT,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}


def make_figure(
    width_inches: float, height_inches: float, num_rows: int = 1
) -> tuple[Figure, list[Axes]]:
    """A figure of axes below each other that share their horizontal axis, in the house style."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width_inches, height_inches), layout="constrained")
        axes = figure.subplots(num_rows, 1, sharex=True, squeeze=False)
    return figure, [row[0] for row in axes]


def render_svg(figure: Figure) -> str:
    """Render a figure as an SVG element; equal figures give equal text."""
    stream = io.StringIO()
    # A fixed salt and no date: the same picture is the same text.
    with mpl.rc_context(_STYLE):
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    text = stream.getvalue()
    return text[text.index("<svg") :]


def embed_figure(figure: Figure, key: str, description: str) -> str:
    """Render a figure so that it can stand in a page beside others.

    Args:
        figure: made by `make_figure`.
        key: unique on the page; begins every id inside.
        description: what it shows, for people who do not see it.
    """
    svg = re.sub(r"<metadata>.*?</metadata>", "", render_svg(figure), flags=re.DOTALL)
    svg = _rename_ids(svg, key)
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, variable)
    svg = re.sub(r"'DejaVu Sans'[^;\"]*", "system-ui, sans-serif", svg)
    view_box = re.search(r'viewBox="([^"]*)"', svg)
    if view_box is None:
        raise ValueError("matplotlib wrote an SVG without a viewBox")
    start = f'<svg viewBox="{view_box[1]}" role="img" aria-label="{escape(description)}">'
    return start + svg[svg.index(">") + 1 :]


def _rename_ids(svg: str, key: str) -> str:
    """Drop ids that nothing refers to, and make the others the figure's own."""
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg))

    def rename(found: re.Match[str]) -> str:
        return f' id="{key}-{found[1]}"' if found[1] in used else ""

    svg = re.sub(r' id="([^"]*)"', rename, svg)
    svg = re.sub(r'(?:xlink:)?href="#', f'href="#{key}-', svg)
    return svg.replace("url(#", f"url(#{key}-")
