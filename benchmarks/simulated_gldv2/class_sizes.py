"""Sizes of classes as those of GLDv2's train split: totals, small classes and heavy tail."""

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

NUM_IMAGES, NUM_CLASSES, NUM_SHARDS = 4_132_914, 203_094, 500
"""Of the train split (Weyand et al. 2020, and the lists themselves)."""
_MEDIAN_LOG, _SPREAD_LOG = 2.1148, 1.341
"""Of a log-normal law of which 57 % are at most 10 and 38 % at most 5, as in the paper."""
_LARGEST, _TAIL_EXPONENT, _TAIL_RANKS = 10_000, 0.6, 80
"""The law alone would end at 3,000 images; the largest classes go on to ten thousand."""
_ADJUSTED_SIZES = (12, 200)
"""Classes of these sizes are made a little smaller or larger to meet the total."""


def draw_class_sizes(fraction: float) -> NDArray[np.int64]:
    """Sizes (c,) falling, of a fair sample of the classes; at 1 they add up to the true total."""
    num_classes = max(1, round(NUM_CLASSES * fraction))
    ranks = (np.arange(num_classes) + 0.5) / num_classes
    normal = NormalDist()
    quantiles = np.array([normal.inv_cdf(1 - rank) for rank in ranks.tolist()])
    sizes = np.floor(np.exp(_MEDIAN_LOG + _SPREAD_LOG * quantiles) + 0.5)
    full_ranks = ranks * NUM_CLASSES + 0.5
    tail = np.floor(_LARGEST * full_ranks**-_TAIL_EXPONENT)
    sizes = np.where(full_ranks <= _TAIL_RANKS, np.maximum(sizes, tail), sizes)
    return _meet_total(np.maximum(sizes, 1).astype(np.int64), round(NUM_IMAGES * fraction))


def _meet_total(sizes: NDArray[np.int64], total: int) -> NDArray[np.int64]:
    while missing := total - int(sizes.sum()):
        low, high = _ADJUSTED_SIZES
        places = np.flatnonzero((sizes >= low) & (sizes <= high))[: abs(missing)]
        sizes[places] += 1 if missing > 0 else -1
    return np.sort(sizes)[::-1].copy()
