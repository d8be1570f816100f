"""Reliefs, mosaics, signs, clocks, ivy: the one-of-a-kind things by which a place is known."""

from collections.abc import Callable
from functools import cache
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanmark.miniature.canvas import Box, Canvas
from cleanmark.miniature.colours import pick_colour, scale_colour
from cleanmark.miniature.materials import Colour
from cleanmark.miniature.noise import draw_cells, draw_fractal_noise

FONTS = (
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_SCRIPT_COMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
)
Rng = np.random.Generator


def make_circle(centre: tuple[float, float], radius: float) -> NDArray[np.float64]:
    """Outline of a circle, shape (24, 2)."""
    return np.asarray(_make_directions(24) * radius + centre, np.float64)


@cache
def _make_directions(count: int) -> NDArray[np.float64]:
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _make_blob(rng: Rng, centre: tuple[float, float], radius: float) -> NDArray[np.float64]:
    lengths = radius * rng.uniform(0.45, 1.15, (14, 1))
    return np.asarray(_make_directions(14) * lengths + centre, np.float64)


def carve_relief(rng: Rng, canvas: Canvas, box: Box, stone: Colour) -> None:
    """A carved panel: a frame, a crowd of raised shapes, dirt in the hollows."""
    edge = 0.06 * min(box.width, box.height)
    canvas.fill(box.corners(), scale_colour(stone, 1.12), raise_by=4)
    inner = box.inset(edge)
    canvas.fill(inner.corners(), scale_colour(stone, 0.72), raise_by=-1)
    size = max(0.3 * min(inner.width, inner.height), 1.5)
    num_shapes = int(np.clip(0.8 * inner.width * inner.height / size**2, 4, 26))
    for _ in range(num_shapes):
        centre = _pick_point(rng, inner.inset(0.7 * size))
        blob = _make_blob(rng, centre, size * rng.uniform(0.25, 0.85))
        if size > 6:  # below, the shadow is smaller than a texel
            canvas.shade(blob, 0.7, 0.12 * size)
        tone = rng.uniform(0.7, 1.3)
        canvas.fill(blob, scale_colour(stone, tone), raise_by=float(rng.uniform(1, 7)))


def lay_mosaic(rng: Rng, canvas: Canvas, box: Box, _stone: Colour) -> None:
    """A panel of coloured pieces around a few broad figures."""
    shape = (max(int(box.height), 8), max(int(box.width), 8))
    labels, distance = draw_cells(rng, shape, max(0.07 * min(shape), 4))
    figures = draw_fractal_noise(rng, shape, 0.6 * min(shape), num_octaves=2)
    colours = [pick_colour(rng, 25, 225, saturation=0.5) for _ in range(5)]
    palette = np.array(colours, np.float32)
    patch = palette[np.clip((figures + 2) * 1.25, 0, 4).astype(int)]
    tones = 1 + 0.22 * rng.standard_normal(int(labels.max()) + 1)
    patch = patch * (tones[labels.astype(int)] * (1 - 0.35 * (distance > 0.62)))[..., None]
    canvas.fill(
        box.inset(-0.05 * box.width, -0.05 * box.width).corners(), pick_colour(rng, 60, 190)
    )
    canvas.fill(box.corners(), np.asarray(patch, np.float32), raise_by=1)


def paint_mural(rng: Rng, canvas: Canvas, box: Box, _stone: Colour) -> None:
    """A wall painting of overlapping bold shapes."""
    canvas.fill(box.corners(), pick_colour(rng, 120, 235))
    size = 0.4 * min(box.width, box.height)
    for _ in range(int(rng.integers(14, 30))):
        shape = _make_blob(rng, _pick_point(rng, box), size * rng.uniform(0.1, 0.8))
        shape = np.clip(shape, [box.left, box.top], [box.right, box.bottom])
        canvas.fill(shape, pick_colour(rng, 20, 240))


def hang_sign(rng: Rng, canvas: Canvas, box: Box, _stone: Colour) -> None:
    """A board with an invented word, weathered."""
    word = "".join(
        rng.choice(list("ABDEFGHIKLMNOPRSTUVWZ")) for _ in range(int(rng.integers(4, 9)))
    )
    shape = (max(int(box.height), 10), max(int(box.width), 20))
    board = np.full((*shape, 3), pick_colour(rng, 15, 235), np.float32)
    board *= (1 + 0.1 * draw_fractal_noise(rng, shape, 0.5 * shape[0]))[..., None]
    font, thickness = int(rng.choice(FONTS)), max(1, round(shape[0] / rng.uniform(9, 18)))
    (wide, tall), _ = cv2.getTextSize(word, font, 1.0, thickness)
    scale = min(0.86 * shape[1] / wide, 0.6 * shape[0] / tall)
    ink = [int(255 - value) for value in np.clip(board.mean(axis=(0, 1)), 0, 255)]
    place = (int(0.07 * shape[1]), int((shape[0] + tall * scale) / 2))
    painted = np.clip(board, 0, 255).astype(np.uint8)
    lettered = cv2.putText(painted, word, place, font, scale, ink, thickness, cv2.LINE_AA)
    canvas.shade(box.inset(-2).corners(), 0.6, 2.5)
    canvas.fill(box.corners(), np.asarray(lettered, np.float32), raise_by=3)


def mount_roundel(rng: Rng, canvas: Canvas, box: Box, stone: Colour) -> None:
    """A clock, sundial, rose window or coat of arms in a ring."""
    centre, radius = box.centre, 0.5 * min(box.width, box.height)
    canvas.shade(make_circle(centre, 1.15 * radius), 0.75, 0.1 * radius)
    canvas.fill(make_circle(centre, radius), scale_colour(stone, 1.1), raise_by=5)
    field = pick_colour(rng, 25, 230)
    canvas.fill(
        make_circle(centre, 0.85 * radius), field, raise_by=1, glow=float(rng.choice([0, 180]))
    )
    num_spokes, turn = int(rng.integers(5, 14)), rng.uniform(0, np.pi)
    for spoke in range(num_spokes):
        angle = turn + 2 * np.pi * spoke / num_spokes
        reach = radius * rng.uniform(0.45, 0.7)
        at = (centre[0] + reach * np.cos(angle), centre[1] + reach * np.sin(angle))
        canvas.fill(_make_blob(rng, at, 0.22 * radius), pick_colour(rng, 20, 240), raise_by=3)
    for length in (0.75, 0.5):
        _draw_hand(canvas, centre, length * radius, float(rng.uniform(0, 2 * np.pi)))


def _draw_hand(canvas: Canvas, centre: tuple[float, float], length: float, angle: float) -> None:
    along = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-along[1], along[0]]) * 0.07 * length
    tip, hub = np.array(centre) + length * along, np.array(centre)
    canvas.fill(np.stack([hub - across, tip, hub + across]), (15.0, 15.0, 20.0))


def set_statue(rng: Rng, canvas: Canvas, box: Box, stone: Colour) -> None:
    """A figure in a niche."""
    x, _ = box.centre
    canvas.fill(box.corners(), scale_colour(stone, 0.45), raise_by=-5)
    for share, width in ((0.28, 0.12), (0.5, 0.3), (0.72, 0.26), (0.9, 0.34)):
        y = box.top + share * box.height
        centre = (x + rng.normal(0, 0.06) * box.width, y)
        blob = _make_blob(rng, centre, width * box.width * rng.uniform(0.9, 1.5))
        canvas.fill(
            blob, scale_colour(stone, rng.uniform(0.8, 1.25)), raise_by=float(rng.uniform(2, 5))
        )


def grow_ivy(rng: Rng, canvas: Canvas, box: Box, _stone: Colour) -> None:
    """Leaves that climb from the foot of the box."""
    count = int(rng.integers(70, 130))
    spread = rng.normal(0, 0.22, count) * rng.uniform(0.4, 1.0, count)
    x = box.left + box.width * np.clip(0.5 + spread, 0, 1)
    y = box.bottom - box.height * np.abs(rng.normal(0, 0.4, count))
    size = 0.045 * max(box.width, box.height)
    for leaf in range(count):
        green = (rng.uniform(25, 80), rng.uniform(60, 125), rng.uniform(20, 55))
        blob = _make_blob(rng, (float(x[leaf]), float(y[leaf])), size * rng.uniform(0.6, 1.5))
        canvas.fill(blob, (float(green[0]), float(green[1]), float(green[2])), raise_by=2)


ORNAMENTS: dict[str, Callable[[Rng, Canvas, Box, Colour], None]] = {
    "relief": carve_relief,
    "mosaic": lay_mosaic,
    "mural": paint_mural,
    "sign": hang_sign,
    "roundel": mount_roundel,
    "statue": set_statue,
    "ivy": grow_ivy,
}


def _pick_point(rng: Rng, box: Box) -> tuple[float, float]:
    left, right = min(box.left, box.right), max(box.left, box.right)
    top, bottom = min(box.top, box.bottom), max(box.top, box.bottom)
    return float(rng.uniform(left, right)), float(rng.uniform(top, bottom))


def paint_frieze(rng: Rng, canvas: Canvas, box: Box, stone: Colour) -> None:
    """Paint a band of carved panels of random widths along a wall."""
    height = box.height
    widths = height * rng.uniform(1.5, 4.0, int(box.width / height) + 2)
    edges = box.left + np.concatenate([[0.0], np.cumsum(widths)])
    for left, right in pairwise(edges.tolist()):
        if left < box.right:
            panel = Box(left, box.top, min(right, box.right), box.bottom)
            carve_relief(rng, canvas, panel.inset(0.03 * height), stone)
