"""Random fields: the grain of stone, stains, clouds, foliage."""

import cv2
import numpy as np

from cleanmark.miniature.materials import Floats


def draw_noise(
    rng: np.random.Generator, shape_px: tuple[int, int], cell_px: tuple[float, float]
) -> Floats:
    """Smooth noise of mean 0 and deviation about 1.

    Args:
        rng: The stream to draw from.
        shape_px: Height and width of the field.
        cell_px: Height and width of one random cell; unequal values give streaks.

    Returns:
        Shape `shape_px`, float32.
    """
    height, width = shape_px
    cells = (int(height / max(cell_px[0], 1)) + 3, int(width / max(cell_px[1], 1)) + 3)
    coarse = rng.standard_normal(cells, dtype=np.float32)
    field = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(field, np.float32)


def draw_fractal_noise(
    rng: np.random.Generator,
    shape_px: tuple[int, int],
    largest_cell_px: float,
    *,
    num_octaves: int = 4,
    persistence: float = 0.6,
) -> Floats:
    """Sum of smooth noise at halving cell sizes, deviation about 1 (Perlin 1985).

    Returns:
        Shape `shape_px`, float32.
    """
    total = np.zeros(shape_px, np.float32)
    weights = persistence ** np.arange(num_octaves)
    for octave, weight in enumerate(weights / np.linalg.norm(weights)):
        cell = max(largest_cell_px / 2**octave, 1.0)
        total += np.float32(weight) * draw_noise(rng, shape_px, (cell, cell))
    return total


def draw_cells(
    rng: np.random.Generator, shape_px: tuple[int, int], cell_px: float
) -> tuple[Floats, Floats]:
    """Irregular cells as of rubble or mosaic (Worley 1996).

    Returns:
        The number of the cell of every pixel (integers) and the distance to its seed in cell
        sizes, each of shape `shape_px`, float32.
    """
    height, width = shape_px
    step = max(int(cell_px), 3)
    rows, columns = np.mgrid[0:height:step, 0:width:step]
    jitter = rng.integers(0, max(step - 1, 1), size=(2, *rows.shape))
    seeds = np.full(shape_px, 255, np.uint8)
    seeds[np.minimum(rows + jitter[0], height - 1), np.minimum(columns + jitter[1], width - 1)] = 0
    distance, labels = cv2.distanceTransformWithLabels(
        seeds, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    return np.asarray(labels, np.float32), np.asarray(distance / step, np.float32)
