"""A short hash of what a picture looks like: near duplicates differ in few of its bits."""

from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.images import to_grey

_INPUT_PX = 32
_SIDE = 8
_MIDDLE = (_SIDE * _SIDE - 1) // 2
"""Of the coefficients but the mean, whose number is odd, in ascending order: the median."""
# Far above the rounding noise of the transform, far below one grey level.
_DECIMALS = 6


def perceptual_hash(pixels: NDArray[np.uint8]) -> str:
    """64-bit DCT hash of an image, after Zauner 2010: near duplicates differ in few bits.

    The grey image is shrunk to 32 x 32 by area averaging and transformed (orthonormal DCT-II,
    float64, rounded to 6 decimals). Of the 8 x 8 lowest frequencies, row by row, bit k, counted
    from the most significant, is 1 if coefficient k is above the median of the 63 that are not
    the mean; the mean's own bit, the first, is always 0.

    Args:
        pixels: uint8 (height, width, 3) RGB or (height, width) grey, upright.

    Returns:
        16 lower-case hexadecimal digits.
    """
    grey = pixels if pixels.ndim == 2 else to_grey(pixels)
    spectrum = np.round(cv2.dct(shrink_to_square(grey, _INPUT_PX)), _DECIMALS)
    frequencies = spectrum[:_SIDE, :_SIDE].ravel()
    bits = frequencies > np.sort(frequencies[1:])[_MIDDLE]
    bits[0] = False
    return np.packbits(bits).tobytes().hex()


def hamming_distance(hash_a: str, hash_b: str) -> int:
    """Number of differing bits, 0 to 64, of two hashes made by `perceptual_hash`.

    Raises:
        ValueError: a hash is not 16 hexadecimal digits.
    """
    for digits in (hash_a, hash_b):
        if len(digits) != 16:
            raise ValueError(f"perceptual hash {digits!r} is not 16 hexadecimal digits")
    return (int(hash_a, 16) ^ int(hash_b, 16)).bit_count()


def shrink_to_square(grey: NDArray[np.uint8], side_px: int) -> NDArray[np.float64]:
    """Average the areas of a grid of `side_px` x `side_px` equal cells, to whole grey levels.

    The sums are exact. OpenCV's resizing by area takes ten times as long where a cell is no whole
    number of pixels.

    Args:
        grey: uint8 (height, width).
        side_px: cells along each side, at least 1.

    Returns:
        Whole numbers 0 to 255, float64 (side_px, side_px).
    """
    height, width = grey.shape
    if min(height, width) < side_px:
        enlarged = cv2.resize(grey, (side_px, side_px), interpolation=cv2.INTER_AREA)
        return np.asarray(enlarged, np.float64)
    sums = _sum_columns(_sum_rows(grey, side_px), side_px)
    return np.asarray(np.rint(sums / (height * width)), np.float64)


def _sum_rows(grey: NDArray[np.uint8], num_bands: int) -> NDArray[np.int32]:
    """Sums over bands of equal height, times `num_bands`: int32 (num_bands, width).

    OpenCV sums the rows of one band ten times as fast as `np.add.reduceat` those of all.
    """
    height, width = grey.shape
    starts, cuts = _cut(height, num_bands)
    sums = np.empty((num_bands, width), np.int32)
    for band, (first, last) in enumerate(pairwise(starts.tolist())):
        rows = grey[first:last]
        cv2.reduce(rows, 0, cv2.REDUCE_SUM, dst=sums[band : band + 1], dtype=cv2.CV_32S)
    sums *= num_bands
    parts = grey[np.minimum(starts, height - 1)] * cuts[:, None].astype(np.int32)
    sums += parts[1:]
    sums -= parts[:-1]
    return sums


def _sum_columns(sums: NDArray[np.int32], num_bands: int) -> NDArray[np.int64]:
    """Sums over bands of equal width, times `num_bands`: int64 (height, num_bands)."""
    width = sums.shape[1]
    starts, cuts = _cut(width, num_bands)
    whole = np.add.reduceat(sums.astype(np.int64), starts[:-1], axis=1) * num_bands
    parts = sums[:, np.minimum(starts, width - 1)] * cuts
    return np.asarray(whole + parts[:, 1:] - parts[:, :-1], np.int64)


def _cut(length: int, num_bands: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where bands of equal length begin: the pixel, and how many `num_bands`-ths of it are before.

    A border between two bands may cut a pixel; each side gets its share of it.
    """
    starts, cuts = np.divmod(np.arange(num_bands + 1, dtype=np.int64) * length, num_bands)
    return starts, cuts
