"""Flat cut-outs of what stands about: people, trees, cars, lamp posts."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanmark.miniature.canvas import SUBPIXEL_BITS, SUBPIXELS
from cleanmark.miniature.colours import pick_colour, scale_colour
from cleanmark.miniature.materials import Bytes, Colour, Material
from cleanmark.miniature.noise import draw_fractal_noise

Rng = np.random.Generator
Points = NDArray[np.float64] | list[tuple[float, float]]


@dataclass(frozen=True)
class Sprite:
    """A cut-out with its size in the world.

    Attributes:
        material: Colours and opacity.
        width: Metres.
        height: Metres.
    """

    material: Material
    width: float
    height: float


class _Sheet:
    """A transparent sheet to draw on in shares of its width and height."""

    def __init__(self, width_px: int, height_px: int) -> None:
        self._layers: Bytes = np.zeros((height_px, width_px, 4), np.uint8)
        self._size_px = np.array([width_px, height_px])

    def fill(self, points: Points, colour: Colour) -> None:
        fixed = np.asarray(points) * self._size_px * SUBPIXELS + 0.5
        outline = [fixed.astype(np.int32)]
        cv2.fillPoly(self._layers, outline, (*colour, 255), cv2.LINE_AA, SUBPIXEL_BITS)

    def disc(self, centre: tuple[float, float], radii: tuple[float, float], colour: Colour) -> None:
        width, height = self._size_px.tolist()
        middle = (int(centre[0] * width * SUBPIXELS), int(centre[1] * height * SUBPIXELS))
        axes = (int(radii[0] * width * SUBPIXELS), int(radii[1] * height * SUBPIXELS))
        cv2.ellipse(
            self._layers, middle, axes, 0, 0, 360, (*colour, 255), -1, cv2.LINE_AA, SUBPIXEL_BITS
        )

    def finish(self, rng: Rng, grain: float = 0.06) -> Material:
        alpha = np.ascontiguousarray(self._layers[..., 3])
        tone = 1 + grain * draw_fractal_noise(rng, alpha.shape[:2], 12)
        # Edge pixels were mixed with the black of the empty sheet; undo that.
        share = np.maximum(np.asarray(alpha, np.float32), 1)[..., None] / 255
        colour = self._layers[..., :3] / share * tone[..., None]
        solid = np.asarray(np.clip(colour, 0, 255), np.uint8)
        # Colour must reach past the outline, or halving the size mixes in what lies beyond it.
        spread = cv2.dilate(solid, np.ones((5, 5), np.uint8))
        outside = alpha[..., None] == 0
        return Material(np.where(outside, spread, solid).astype(np.uint8), alpha=alpha)


def draw_person(rng: Rng) -> Sprite:
    """A passer-by from head to foot."""
    sheet = _Sheet(60, 150)
    shirt = pick_colour(rng, 20, 220, saturation=0.6)
    legs, hair = pick_colour(rng, 15, 110), pick_colour(rng, 15, 110, saturation=0.3)
    skin = scale_colour((225.0, 180.0, 150.0), float(rng.uniform(0.45, 1.0)))
    stride = rng.uniform(0.02, 0.14)
    for side in (-1, 1):
        x = 0.5 + side * stride
        sheet.fill(
            [(0.5 + side * 0.12, 0.5), (0.5 - side * 0.02, 0.5), (x - 0.06, 1), (x + 0.07, 1)], legs
        )
        sway = 0.5 + side * rng.uniform(0.22, 0.36)
        sheet.fill(
            [
                (0.5 + side * 0.17, 0.17),
                (0.5 + side * 0.1, 0.2),
                (sway, 0.53),
                (sway + side * 0.06, 0.5),
            ],
            shirt,
        )
    sheet.fill([(0.32, 0.17), (0.68, 0.17), (0.64, 0.55), (0.36, 0.55)], shirt)
    sheet.disc((0.5, 0.08), (0.12, 0.072), skin)
    sheet.disc((0.5, 0.05), (0.125, 0.048), hair)
    if rng.random() < 0.4:
        sheet.fill([(0.36, 0.2), (0.64, 0.2), (0.62, 0.4), (0.38, 0.4)], pick_colour(rng, 20, 200))
    height = float(rng.uniform(1.5, 1.9))
    return Sprite(sheet.finish(rng), 0.4 * height, height)


def draw_tree(rng: Rng, season: str) -> Sprite:
    """A broad-leaved tree; bare in winter."""
    sheet = _Sheet(220, 260)
    bark = (86.0, 70.0, 56.0)
    sheet.fill([(0.46, 0.5), (0.54, 0.5), (0.56, 1.0), (0.44, 1.0)], bark)
    if season == "winter":
        _branch(rng, sheet, np.array([0.5, 0.62]), -np.pi / 2, 0.2, 0)
    else:
        leaf = {
            "summer": (70.0, 112.0, 48.0),
            "spring": (128.0, 164.0, 78.0),
            "autumn": (182.0, 112.0, 44.0),
        }
        _spread_leaves(rng, sheet, np.array(leaf[season]) * rng.uniform(0.75, 1.15, 3))
    height = float(rng.uniform(5, 9))
    return Sprite(sheet.finish(rng, 0.12), 0.8 * height, height)


def _spread_leaves(rng: Rng, sheet: _Sheet, colour: NDArray[np.float64]) -> None:
    clumps = rng.normal([0.5, 0.36], [0.17, 0.14], size=(26, 2))
    count = 620
    places = clumps[rng.integers(0, len(clumps), count)] + rng.normal(0, 0.05, (count, 2))
    places = np.clip(places, [0.05, 0.04], [0.95, 0.72])
    places = places[np.argsort(-places[:, 1])]
    # The crown is lit from above.
    light = 1.15 - 0.9 * (places[:, 1] - 0.1) + 0.22 * rng.standard_normal(count)
    tones = np.clip(light[:, None] * colour, 0, 255).tolist()
    sizes = rng.uniform(0.012, 0.034, count).tolist()
    for (x, y), (red, green, blue), size in zip(places.tolist(), tones, sizes, strict=True):
        sheet.disc((x, y), (size, 0.8 * size), (red, green, blue))


def _branch(
    rng: Rng, sheet: _Sheet, start: NDArray[np.float64], angle: float, length: float, order: int
) -> None:
    end = start + length * np.array([np.cos(angle), np.sin(angle)])
    thick = 0.02 * 0.6**order
    across = thick * np.array([-np.sin(angle), np.cos(angle)])
    sheet.fill(
        np.stack([start - across, start + across, end + 0.6 * across, end - 0.6 * across]),
        (78.0, 66.0, 56.0),
    )
    if order < 5:
        for turn in rng.normal([-0.5, 0.45], 0.22):
            _branch(
                rng,
                sheet,
                end,
                angle + float(turn),
                length * float(rng.uniform(0.65, 0.85)),
                order + 1,
            )


def draw_car(rng: Rng) -> Sprite:
    """A parked car from the side."""
    sheet = _Sheet(240, 90)
    paint = pick_colour(rng, 25, 210, saturation=0.6)
    dark = (paint[0] * 0.7, paint[1] * 0.7, paint[2] * 0.7)
    cabin = rng.uniform(0.2, 0.32)
    sheet.fill(
        [
            (0.02, 0.55),
            (0.16, 0.46),
            (cabin, 0.1),
            (0.68, 0.1),
            (0.84, 0.46),
            (0.98, 0.52),
            (0.98, 0.84),
            (0.02, 0.84),
        ],
        paint,
    )
    sheet.fill([(0.02, 0.7), (0.98, 0.7), (0.98, 0.84), (0.02, 0.84)], dark)
    glass = (60.0, 72.0, 84.0)
    sheet.fill([(0.22, 0.45), (cabin + 0.03, 0.16), (0.47, 0.16), (0.47, 0.45)], glass)
    sheet.fill([(0.5, 0.45), (0.5, 0.16), (0.66, 0.16), (0.77, 0.45)], glass)
    for x in (0.22, 0.78):
        sheet.disc((x, 0.83), (0.075, 0.17), (22.0, 22.0, 24.0))
        sheet.disc((x, 0.83), (0.042, 0.1), (150.0, 150.0, 155.0))
    sheet.fill([(0.94, 0.56), (0.98, 0.56), (0.98, 0.64), (0.94, 0.64)], (230.0, 225.0, 190.0))
    return Sprite(sheet.finish(rng, 0.03), 4.2, 1.5)


def draw_lamp_post(rng: Rng) -> Sprite:
    """A street lamp."""
    sheet = _Sheet(50, 220)
    iron = pick_colour(rng, 25, 70)
    sheet.fill([(0.46, 0.14), (0.54, 0.14), (0.56, 1), (0.44, 1)], iron)
    sheet.fill([(0.4, 0.9), (0.6, 0.9), (0.66, 1), (0.34, 1)], iron)
    sheet.fill([(0.32, 0.04), (0.68, 0.04), (0.6, 0.15), (0.4, 0.15)], (225.0, 222.0, 200.0))
    sheet.fill([(0.26, 0.04), (0.74, 0.04), (0.5, 0.0)], iron)
    height = float(rng.uniform(3.5, 5.5))
    return Sprite(sheet.finish(rng, 0.03), height * 50 / 220, height)
