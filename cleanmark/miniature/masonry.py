"""Wall, roof and ground surfaces, each laid anew from its own random stream."""

from collections.abc import Callable

import cv2
import numpy as np

from cleanmark.miniature.canvas import SUBPIXEL_BITS, SUBPIXELS, Canvas
from cleanmark.miniature.materials import Colour, Floats
from cleanmark.miniature.noise import draw_cells, draw_fractal_noise, draw_noise

Rng = np.random.Generator
Shape = tuple[int, int]


def lay_courses(
    rng: Rng, shape_px: Shape, course_px: float, block_px: float, jitter: float
) -> tuple[Floats, Floats]:
    """Lay rows of blocks of random lengths.

    Returns:
        The number of the block of every pixel (integers), and the distance from its nearest
        edge in texels up to 8, each of shape `shape_px`, float32.
    """
    height, width = shape_px
    numbers = np.zeros(shape_px, np.float32)
    edges = np.zeros(shape_px, np.float32)
    columns = np.arange(width, dtype=np.float32)
    top, first = 0.0, 0
    while top < height:
        bottom = top + course_px * (1 + jitter * rng.uniform(-0.5, 0.5))
        lengths = block_px * (1 + jitter * rng.uniform(-0.7, 0.7, int(width / block_px * 2.5) + 4))
        ends = np.cumsum(lengths) - rng.uniform(0, block_px)
        index = np.searchsorted(ends, columns, side="right")
        to_right = ends[np.minimum(index, len(ends) - 1)] - columns
        to_left = columns - np.where(index > 0, ends[np.maximum(index - 1, 0)], -99)
        sideways = np.minimum(to_right, to_left)
        rows = np.arange(int(top), min(int(np.ceil(bottom)), height))
        upright = np.minimum(rows - top, bottom - rows)
        edges[rows] = np.minimum(np.minimum(sideways[None], upright[:, None]), 8)
        numbers[rows] = index + first
        top, first = bottom, first + len(ends) + 1
    return numbers, np.maximum(edges, 0)


def _tint(rng: Rng, numbers: Floats, base: Colour, spread: float, hue_spread: float) -> Floats:
    """Give every block a tone of its own."""
    count = int(numbers.max()) + 1
    tone = 1 + spread * rng.standard_normal((count, 1))
    hue = 1 + hue_spread * rng.standard_normal((count, 3))
    table = np.asarray(np.clip(np.array(base) * tone * hue, 4, 250), np.float32)
    return np.asarray(table[numbers.astype(np.int32)], np.float32)


def _grain(rng: Rng, shape_px: Shape, strength: float) -> Floats:
    fine = rng.standard_normal(shape_px, dtype=np.float32)
    fine = np.asarray(cv2.GaussianBlur(fine, (0, 0), 0.8), np.float32)
    return 1 + np.float32(strength) * (fine + draw_fractal_noise(rng, shape_px, 40))


def lay_ashlar(rng: Rng, shape_px: Shape, texels_per_metre: float, base: Colour) -> Canvas:
    """Dressed stone in courses."""
    course = texels_per_metre * rng.uniform(0.45, 0.9)
    numbers, edges = lay_courses(rng, shape_px, course, course * rng.uniform(1.4, 2.6), 0.5)
    joint = np.clip(edges / rng.uniform(1.2, 2.2), 0, 1)
    albedo = _tint(rng, numbers, base, rng.uniform(0.07, 0.16), 0.025)
    albedo *= (_grain(rng, shape_px, 0.06) * (0.68 + 0.32 * joint))[..., None]
    height = np.float32(1.3) * joint + np.float32(0.35) * draw_fractal_noise(rng, shape_px, 9)
    return Canvas(albedo, height, texels_per_metre)


def lay_brick(rng: Rng, shape_px: Shape, texels_per_metre: float, base: Colour) -> Canvas:
    """Bricks of uneven firing, with light mortar."""
    course = max(texels_per_metre * rng.uniform(0.16, 0.26), 3.0)
    numbers, edges = lay_courses(rng, shape_px, course, course * rng.uniform(2.2, 3.2), 0.12)
    albedo = _tint(rng, numbers, base, 0.17, 0.05)
    mortar = np.float32(rng.uniform(120, 200)) * np.array([1, 0.96, 0.9], np.float32)
    share = np.clip(1.1 - edges, 0, 0.75)[..., None]
    albedo += share * (mortar - albedo)
    albedo *= _grain(rng, shape_px, 0.07)[..., None]
    return Canvas(albedo, np.clip(edges, 0, 1.2), texels_per_metre)


def lay_rubble(rng: Rng, shape_px: Shape, texels_per_metre: float, base: Colour) -> Canvas:
    """Undressed field stones."""
    labels, distance = draw_cells(rng, shape_px, texels_per_metre * rng.uniform(0.4, 0.8))
    albedo = _tint(rng, labels, base, 0.17, 0.05)
    gap = np.clip((distance - 0.5) / 0.2, 0, 1)
    albedo *= ((1 - 0.45 * gap) * _grain(rng, shape_px, 0.08))[..., None]
    return Canvas(albedo, 3 * (1 - distance), texels_per_metre)


def lay_plaster(rng: Rng, shape_px: Shape, texels_per_metre: float, base: Colour) -> Canvas:
    """Painted plaster, patched where it fell off."""
    patches = draw_fractal_noise(rng, shape_px, 3.5 * texels_per_metre, num_octaves=5)
    fallen = np.clip((patches - rng.uniform(0.9, 1.6)) * 9, 0, 1)[..., None]
    albedo = np.array(base, np.float32) * _grain(rng, shape_px, 0.045)[..., None]
    tones = draw_fractal_noise(rng, shape_px, 2.2 * texels_per_metre, num_octaves=5)
    albedo *= (1 + 0.09 * tones)[..., None]
    below = lay_brick(rng, shape_px, texels_per_metre, (150, 95, 75)).albedo
    albedo += fallen * (below - albedo)
    height = 1.5 * (1 - fallen[..., 0]) + 0.25 * draw_fractal_noise(rng, shape_px, 10)
    return Canvas(albedo, np.asarray(height, np.float32), texels_per_metre)


def lay_slabs(rng: Rng, shape_px: Shape, texels_per_metre: float, base: Colour) -> Canvas:
    """Large cladding slabs of veined stone or weathered metal."""
    course = texels_per_metre * rng.uniform(1.1, 2.0)
    numbers, edges = lay_courses(rng, shape_px, course, course * rng.uniform(0.8, 1.8), 0.9)
    albedo = _tint(rng, numbers, base, 0.16, 0.08)
    veins = np.abs(draw_fractal_noise(rng, shape_px, 1.2 * texels_per_metre, num_octaves=5))
    albedo *= (0.8 + 0.25 * np.minimum(veins, 1.2))[..., None]
    joint = np.clip(edges / 1.5, 0, 1)
    albedo *= (0.6 + 0.4 * joint)[..., None]
    return Canvas(albedo, 1.2 * joint, texels_per_metre)


def lay_planks(rng: Rng, shape_px: Shape, texels_per_metre: float, base: Colour) -> Canvas:
    """Upright weathered boards."""
    turned = (shape_px[1], shape_px[0])
    board = texels_per_metre * rng.uniform(0.25, 0.4)
    numbers, edges = lay_courses(rng, turned, board, board * 16, 0.4)
    albedo = _tint(rng, np.ascontiguousarray(numbers.T), base, 0.15, 0.05)
    streaks = draw_noise(rng, shape_px, (14, 1.5)) + draw_noise(rng, shape_px, (50, 4))
    gaps = np.clip(np.ascontiguousarray(edges.T) / 1.3, 0, 1)
    albedo *= ((1 + 0.08 * streaks) * (0.55 + 0.45 * gaps))[..., None]
    return Canvas(albedo, 1.2 * gaps, texels_per_metre)


def lay_tiles(rng: Rng, shape_px: Shape, texels_per_metre: float, base: Colour) -> Canvas:
    """Roof tiles or slates, replaced here and there, with moss."""
    course = max(texels_per_metre * rng.uniform(0.3, 0.5), 3.5)
    numbers, edges = lay_courses(rng, shape_px, course, course * rng.uniform(0.7, 1.2), 0.1)
    albedo = _tint(rng, numbers, base, 0.16, 0.05)
    moss = np.clip(draw_fractal_noise(rng, shape_px, 70) - 0.9, 0, 0.7)[..., None]
    albedo += moss * (np.array([88, 98, 58], np.float32) - albedo)
    albedo *= ((0.6 + 0.4 * np.clip(edges / 1.6, 0, 1)) * _grain(rng, shape_px, 0.08))[..., None]
    return Canvas(albedo, np.clip(edges, 0, 2), texels_per_metre)


def lay_metal_sheets(rng: Rng, shape_px: Shape, texels_per_metre: float, base: Colour) -> Canvas:
    """Standing-seam copper or lead with runs of corrosion."""
    turned = (shape_px[1], shape_px[0])
    sheet = texels_per_metre * rng.uniform(0.5, 0.9)
    numbers, edges = lay_courses(rng, turned, sheet, sheet * 4, 0.1)
    albedo = _tint(rng, np.ascontiguousarray(numbers.T), base, 0.1, 0.05)
    runs = draw_noise(rng, shape_px, (90, 5)) + draw_fractal_noise(rng, shape_px, 60)
    seams = np.clip(np.ascontiguousarray(edges.T) / 1.5, 0, 1)
    albedo *= ((1 + 0.1 * runs) * (0.7 + 0.3 * seams))[..., None]
    return Canvas(albedo, -1.5 * seams, texels_per_metre)


WALLS: dict[str, Callable[[Rng, Shape, float, Colour], Canvas]] = {
    "ashlar": lay_ashlar,
    "brick": lay_brick,
    "rubble": lay_rubble,
    "plaster": lay_plaster,
    "slabs": lay_slabs,
    "planks": lay_planks,
}
ROOFS: dict[str, Callable[[Rng, Shape, float, Colour], Canvas]] = {
    "tiles": lay_tiles,
    "metal": lay_metal_sheets,
}


def weather(rng: Rng, canvas: Canvas, strength: float = 1.0) -> None:
    """Add what years add: streaks under the eaves, damp from the ground, blotches, cracks."""
    height, width = canvas.shape_px
    streaks = draw_noise(rng, (height, width), (height / 2.5, max(width / 70, 2)))
    blotches = draw_fractal_noise(rng, (height, width), 0.4 * max(height, width), num_octaves=5)
    down = np.linspace(1, 0.2, height, dtype=np.float32)[:, None]
    shade = 1 - np.float32(strength) * (
        0.12 * np.clip(streaks, -0.6, 1.6) * down + 0.08 * np.clip(blotches, -1.5, 1.8)
    )
    damp = draw_noise(rng, (1, width), (1, max(width / 18, 2)))[0]
    reach = height - 0.07 * height * (1 + 0.5 * damp)[None, :]
    rows = np.arange(height, dtype=np.float32)[:, None]
    shade *= 1 - 0.25 * strength * np.clip((rows - reach) / (0.08 * height), 0, 1)
    canvas.albedo *= shade[..., None]
    _crack(rng, canvas, num_cracks=int(rng.integers(2, 6) * strength))


def _crack(rng: Rng, canvas: Canvas, num_cracks: int) -> None:
    height, width = canvas.shape_px
    mask = np.zeros(canvas.shape_px, np.uint8)
    for _ in range(num_cracks):
        count = int(rng.integers(8, 22))
        steps = rng.normal([0, 0.02 * height], [0.012 * width, 0.012 * height], size=(count, 2))
        path = np.cumsum(steps, axis=0) + rng.uniform([0, 0], [width, 0.8 * height])
        fixed = np.round(path * SUBPIXELS).astype(np.int32)
        cv2.polylines(
            mask, [fixed], isClosed=False, color=255, lineType=cv2.LINE_AA, shift=SUBPIXEL_BITS
        )
    canvas.albedo *= 1 - np.asarray(mask, np.float32)[..., None] * np.float32(0.55 / 255)
