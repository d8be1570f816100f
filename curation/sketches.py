"""Sketches: descriptors in a quarter of their numbers, for looks that come before the comparison.

Neighbouring numbers of a SIFT descriptor are much alike: what two descriptors differ in is mostly
smooth over the cells and over the orientations. A cosine transform over the 4 x 4 cells and a
Fourier transform over the 8 orientations (Lowe 2004, section 6.1) gather that in few numbers, as
principal axes would, but with nothing learned from any photographs: 32 of the 128 hold most of the
variance.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from manifests.features import DESCRIPTOR_BYTES

SKETCH_BYTES = 32

_NUM_CELLS = 4
_NUM_ORIENTATIONS = 8
_HIGHEST_CELL_FREQUENCIES = (2, 3, 1)
"""For orientation frequencies 0, 1 and 2, the highest sum of both frequencies over the cells."""
_SCALE = 0.4
"""What is left of a distance along a kept axis: then seven bits hold it, around the middle."""
_MIDDLE = 64
_LARGEST_VALUE = 127
_STEPS = 1024
"""The axes are rounded to multiples of its inverse, so that all sums are whole numbers."""


def are_short(descriptors: NDArray[np.uint8]) -> bool:
    """Whether descriptors (n, 128) are learned ones of at most 64 dimensions, zeros behind them."""
    rest = descriptors[:, DESCRIPTOR_BYTES // 2 :]
    # Nearly always the first says that they are not.
    return not rest[:1].any() and not rest.any()


def sketch_descriptors(descriptors: NDArray[np.uint8], *, are_short: bool) -> NDArray[np.uint8]:
    """Reduce descriptors to sketches. Distances between sketches resemble those between them.

    All sums are whole numbers below 2^24, which float32 holds exactly: the result depends neither
    on the processor nor on the number of threads.

    Args:
        descriptors: uint8 (n, 128), values at most 127.
        are_short: they are learned descriptors, the most important dimensions first, as PCA leaves
            them, and not RootSIFT.

    Returns:
        uint8 (n, 32), values at most 127: RootSIFT along smooth axes, or the first 32 dimensions.
    """
    if are_short:
        return np.ascontiguousarray(descriptors[:, :SKETCH_BYTES])
    axes, offsets = _list_axes()
    values = np.rint((descriptors.astype(np.float32) @ axes + offsets) / _STEPS)
    return np.clip(values, 0, _LARGEST_VALUE).astype(np.uint8)


@cache
def _list_axes() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The axes times 1024, (128, 32), and what is added so that values are positive, (32,)."""
    cells, orientations = _cosine_axes(_NUM_CELLS), _fourier_axes(_NUM_ORIENTATIONS)
    axes, offsets = [], []
    for frequency, highest in enumerate(_HIGHEST_CELL_FREQUENCIES):
        for orientation in orientations[frequency]:
            for row in range(highest + 1):
                for column in range(highest + 1 - row):
                    axis = np.einsum("i,j,k->ijk", cells[row], cells[column], orientation)
                    axes.append(axis.ravel())
                    # The mean is positive anyway.
                    offsets.append(0 if (frequency, row, column) == (0, 0, 0) else _MIDDLE)
    scaled = np.rint(np.stack(axes, axis=1) * (_SCALE * _STEPS))
    return scaled.astype(np.float32), np.array(offsets, np.float32) * _STEPS


def _cosine_axes(length: int) -> NDArray[np.float64]:
    """The orthonormal cosine transform (DCT-II), a frequency per row."""
    frequencies, places = np.arange(length)[:, None], np.arange(length)
    axes = np.cos(np.pi * (2 * places + 1) * frequencies / (2 * length))
    unit: NDArray[np.float64] = axes / np.linalg.norm(axes, axis=1, keepdims=True)
    return unit


def _fourier_axes(length: int) -> list[list[NDArray[np.float64]]]:
    """The orthonormal real Fourier transform: for frequencies 0, 1 and 2 their axes."""
    turns = 2 * np.pi * np.arange(length) / length
    waves = [[np.ones(length)]]
    waves += [[np.cos(k * turns), np.sin(k * turns)] for k in (1, 2)]
    return [[wave / np.linalg.norm(wave) for wave in same] for same in waves]
