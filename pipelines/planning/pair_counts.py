"""How many pairs the classes of a data set propose, from their sizes alone.

Every image proposes its k nearest others of its class. Up to k + 1 images that is every pair. In a
larger class a pair is left out when neither proposes it: each leaves it out with probability p,
both with p^2 + r p (1 - p), where the correlation r comes to the share of neighbours that are
mutual in classes much larger than k.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Counts = NDArray[np.float64]


def count_pairs(class_sizes: ArrayLike, k: int, mutual: float, kept_share: float = 1.0) -> Counts:
    """Expected number of distinct pairs of each class.

    Args:
        class_sizes: images of each class, (c,).
        k: neighbours that every image proposes.
        mutual: share of neighbours that are mutual, 0 to 1.
        kept_share: images that are left of those counted, each with this probability.

    Returns:
        float64 (c,). Exact for classes of at most k + 1 images that are all left.
    """
    sizes = np.asarray(class_sizes, np.float64)
    all_pairs = kept_share**2 * sizes * (sizes - 1) / 2
    missed = _chance_to_miss(kept_share * sizes, k)
    return all_pairs * (1 - missed**2 - mutual * missed * (1 - missed))


def bound_pairs(class_sizes: ArrayLike, k: int) -> tuple[Counts, Counts]:
    """Fewest and most distinct pairs of each class, whatever its images show."""
    sizes = np.asarray(class_sizes, np.float64)
    all_pairs = sizes * (sizes - 1) / 2
    # At best every neighbour is mutual: each pair is proposed twice.
    return np.minimum(all_pairs, sizes * k / 2), np.minimum(all_pairs, sizes * k)


def estimate_mutual(
    class_sizes: ArrayLike, neighbours: ArrayLike, num_pairs: ArrayLike
) -> float | None:
    """The share of mutual neighbours that explains the pairs that classes really proposed.

    Args:
        class_sizes: images of each class, (c,).
        neighbours: k of each class, (c,).
        num_pairs: distinct pairs that it proposed, (c,).

    Returns:
        0 to 1; None when no class is larger than its k + 1, so that nothing can be said.
    """
    sizes, found = np.asarray(class_sizes, np.float64), np.asarray(num_pairs, np.float64)
    missed = _chance_to_miss(sizes, np.asarray(neighbours, np.float64))
    all_pairs = sizes * (sizes - 1) / 2
    leeway = float((all_pairs * missed * (1 - missed)).sum())
    if leeway <= 0:
        return None
    surplus = float((all_pairs * (1 - missed**2) - found).sum())
    return min(1.0, max(0.0, surplus / leeway))


def _chance_to_miss(sizes: Counts, k: ArrayLike) -> Counts:
    """Chance that one image of a pair does not propose it."""
    others = np.maximum(sizes - 1, 1)
    return np.asarray(np.maximum(0.0, 1 - np.asarray(k, np.float64) / others), np.float64)
