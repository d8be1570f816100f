"""Windows and doors, of which no two are quite alike."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cleanmark.miniature.canvas import Box, Canvas
from cleanmark.miniature.colours import pick_colour, scale_colour
from cleanmark.miniature.materials import Colour, Floats
from cleanmark.miniature.noise import draw_noise

SHAPES = ("flat", "round", "pointed", "segmental")


@dataclass(frozen=True)
class OpeningStyle:
    """What the windows of one building share.

    Attributes:
        shape: One of `SHAPES`, the form of the head.
        frame: Colour of the stone surround.
        wood: Colour of sashes and doors.
        num_columns: Panes across.
        num_rows: Panes up.
        has_shutters: Whether shutters hang beside them.
        has_pediment: Whether a small gable sits on top.
        surround: Width of the surround as a share of the opening's width.
    """

    shape: str
    frame: Colour
    wood: Colour
    num_columns: int
    num_rows: int
    has_shutters: bool
    has_pediment: bool
    surround: float


def outline_opening(box: Box, shape: str) -> NDArray[np.float64]:
    """Outline of an opening with the given head, shape (n, 2), in texels."""
    if shape == "flat":
        return box.corners()
    x, _ = box.centre
    half = box.width / 2
    rise = {"round": half, "pointed": box.width * 0.95, "segmental": box.width * 0.22}[shape]
    rise = min(rise, 0.7 * box.height)
    angles = np.linspace(np.pi, 0, 13)
    across, up = np.cos(angles), np.sin(angles)
    if shape == "pointed":
        up = (1 - np.abs(across)) ** 0.62
    head = np.stack([x + half * across, box.top + rise - rise * up], axis=1)
    return np.vstack([head, [box.right, box.bottom], [box.left, box.bottom]])


def paint_window(rng: np.random.Generator, canvas: Canvas, box: Box, style: OpeningStyle) -> None:
    """Paint one window: surround, glass with what it mirrors, bars, sill, shutters."""
    around = style.surround * box.width
    canvas.shade(outline_opening(box.inset(-1.5 * around), style.shape), 0.82, around)
    surround = box.inset(-around, top=-around, bottom=0)
    tone = 1 + 0.07 * rng.standard_normal()
    canvas.fill(outline_opening(surround, style.shape), scale_colour(style.frame, tone), raise_by=3)
    if style.has_shutters:
        _paint_shutters(rng, canvas, box, style)
    is_lit = rng.random() < 0.45
    outline = outline_opening(box, style.shape)
    canvas.fill(outline, _mirror_sky(rng, box), raise_by=-3, glow=230.0 if is_lit else 0.0)
    _paint_contents(rng, canvas, box)
    _paint_bars(canvas, box, style)
    canvas.fill(
        Box(surround.left, box.bottom, surround.right, box.bottom + 1.1 * around).corners(),
        scale_colour(style.frame, 1.08),
        raise_by=4,
    )
    if style.has_pediment:
        _paint_pediment(canvas, surround, style)


def paint_door(rng: np.random.Generator, canvas: Canvas, box: Box, style: OpeningStyle) -> None:
    """Paint a door of two leaves with panels, in a heavy surround."""
    around = 1.2 * style.surround * box.width
    canvas.shade(outline_opening(box.inset(-2 * around), style.shape), 0.8, around)
    for step in range(3):
        grown = box.inset(-(3 - step) * around / 2, top=-(3 - step) * around / 2, bottom=0)
        tone = (1.1, 0.75, 1.0)[step] * (1 + 0.04 * rng.standard_normal())
        canvas.fill(
            outline_opening(grown, style.shape),
            scale_colour(style.frame, tone),
            raise_by=4.0 - 2 * step,
        )
    canvas.fill(outline_opening(box, style.shape), scale_colour(style.wood, 0.75), raise_by=-3)
    num_rows = int(rng.integers(2, 5))
    for column in range(2):
        for row in range(num_rows):
            cell = _cell(
                box.inset(0.06 * box.width, top=0.3 * box.height), column, row, 2, num_rows
            )
            tone = rng.uniform(0.9, 1.5)
            canvas.fill(
                cell.inset(0.06 * cell.width).corners(), scale_colour(style.wood, tone), raise_by=-1
            )


def _cell(box: Box, column: int, row: int, num_columns: int, num_rows: int) -> Box:
    width, height = box.width / num_columns, box.height / num_rows
    left, top = box.left + column * width, box.top + row * height
    return Box(left, top, left + width, top + height)


def _mirror_sky(rng: np.random.Generator, box: Box) -> Floats:
    shape = (max(int(box.height), 4), max(int(box.width), 4))
    clouds = draw_noise(rng, shape, (shape[0] / 3, shape[1] / 2))
    up = np.linspace(1, 0, shape[0], dtype=np.float32)[:, None]
    bright = np.clip(52 + rng.uniform(0, 60) * up + 20 * clouds, 12, 190)
    return np.asarray(bright[..., None] * np.array([0.82, 0.95, 1.1], np.float32), np.float32)


def _paint_contents(rng: np.random.Generator, canvas: Canvas, box: Box) -> None:
    """Curtains, blinds, a plant or a lamp: what tells one window from the next."""
    colour = pick_colour(rng, 70, 225)
    inner = box.inset(0.04 * box.width, top=0.25 * box.height, bottom=0)
    choice = rng.random()
    if choice < 0.35:
        drawn = rng.uniform(0.15, 0.5, 2) * inner.width
        left = Box(inner.left, inner.top, inner.left + drawn[0], inner.bottom)
        right = Box(inner.right - drawn[1], inner.top, inner.right, inner.bottom)
        canvas.fill(left.corners(), colour)
        canvas.fill(right.corners(), colour)
    elif choice < 0.6:
        bottom = inner.top + rng.uniform(0.1, 0.9) * inner.height
        canvas.fill(Box(inner.left, inner.top, inner.right, bottom).corners(), colour)
    elif choice < 0.8:
        x = rng.uniform(inner.left, inner.right)
        size = 0.2 * inner.width
        pot = Box(x - size, inner.bottom - rng.uniform(1, 3) * size, x + size, inner.bottom)
        canvas.fill(pot.corners(), (50.0, float(rng.uniform(60, 120)), 45.0))


def _paint_bars(canvas: Canvas, box: Box, style: OpeningStyle) -> None:
    thick = max(0.035 * box.width, 0.8)
    for column in range(1, style.num_columns):
        x = box.left + box.width * column / style.num_columns
        top = box.top + (0.1 * box.height if style.shape != "flat" else 0)
        bar = Box(x - thick, top, x + thick, box.bottom)
        canvas.fill(bar.corners(), style.wood, raise_by=-1, glow=0)
    for row in range(1, style.num_rows):
        y = box.top + box.height * row / style.num_rows
        bar = Box(box.left + thick, y - thick, box.right - thick, y + thick)
        canvas.fill(bar.corners(), style.wood, raise_by=-1, glow=0)


def _paint_shutters(
    rng: np.random.Generator, canvas: Canvas, box: Box, style: OpeningStyle
) -> None:
    for side in (-1, 1):
        width = 0.45 * box.width * rng.choice([0.35, 1.0, 1.0])
        inner = box.left if side < 0 else box.right
        leaf = Box(
            min(inner, inner + side * width), box.top, max(inner, inner + side * width), box.bottom
        )
        canvas.fill(
            leaf.corners(), scale_colour(style.wood, 1 + 0.1 * rng.standard_normal()), raise_by=2
        )
        num_slats = int(rng.integers(3, 9))
        for slat in range(num_slats):
            cell = _cell(leaf, 0, slat, 1, num_slats)
            line = Box(cell.left, cell.bottom - 0.3 * cell.height, cell.right, cell.bottom)
            canvas.fill(line.inset(0.1 * line.width, 0, 0).corners(), scale_colour(style.wood, 0.6))


def _paint_pediment(canvas: Canvas, surround: Box, style: OpeningStyle) -> None:
    x, _ = surround.centre
    half, base = 0.65 * surround.width, surround.top - 0.08 * surround.width
    for shrink, tone, height in ((1.0, 1.1, 5.0), (0.72, 0.8, 2.0)):
        triangle = np.array(
            [
                [x - half * shrink, base],
                [x, base - 0.55 * half * shrink],
                [x + half * shrink, base],
            ]
        )
        canvas.fill(triangle, scale_colour(style.frame, tone), raise_by=height)
