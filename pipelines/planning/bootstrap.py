"""Intervals by resampling what a probe measured (Efron 1979); seeded."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from pipelines.planning.amounts import Amount

_NUM_REPLICATES = 1000

Floats = NDArray[np.float64]


def estimate_mean(values: Sequence[float], seed: int) -> Amount:
    """The mean of some items, and how far another sample's might be from it."""
    data = np.asarray(values, np.float64)
    rng = np.random.default_rng(seed)
    draws = rng.integers(0, len(data), (_NUM_REPLICATES, len(data)))
    return Amount.from_replicates(float(data.mean()), data[draws].mean(axis=1))


def estimate_share(num_hits: int, num_trials: int) -> Amount:
    """A share, with the interval of Jeffreys (Brown et al. 2001), which hits at the ends too."""
    if num_trials == 0:
        return Amount(value=1, low=0, high=1)
    rng = np.random.default_rng(0)
    misses = num_trials - num_hits
    replicates = rng.beta(num_hits + 0.5, misses + 0.5, _NUM_REPLICATES)
    return Amount.from_replicates(num_hits / num_trials, replicates)


def estimate_from_strata(
    strata: Sequence[int], statistic: Callable[[NDArray[np.int64]], float], seed: int
) -> Amount:
    """A statistic of items that were drawn within strata.

    Args:
        strata: stratum of each item, (n,).
        statistic: of the items at some positions, which may occur several times.
        seed: of the resampling.
    """
    labels = np.asarray(strata)
    rng = np.random.default_rng(seed)
    groups = [np.flatnonzero(labels == stratum) for stratum in np.unique(labels)]
    replicates = [
        statistic(np.concatenate([rng.choice(group, len(group)) for group in groups]))
        for _ in range(_NUM_REPLICATES)
    ]
    return Amount.from_replicates(statistic(np.arange(len(labels))), np.array(replicates))
