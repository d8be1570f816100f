"""Bootstrap intervals for means over queries (Efron and Tibshirani 1993, chapter 13).

Two systems that answered the same queries are compared query by query: what makes a query hard is
common to both and drops out of the difference, so that the interval is as narrow as it may be.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from manifests.strict_model import StrictModel

_VALUES_AT_A_TIME: Final = 1 << 22


class BootstrapSettings(StrictModel):
    """How often to resample, and how wide an interval to give."""

    num_resamples: int = Field(10_000, ge=100)
    confidence: float = Field(0.95, gt=0, lt=1)
    """Share of the resampled means that the interval holds, as much cut off on either side."""
    seed: int = Field(0, ge=0)


@dataclass(frozen=True)
class Interval:
    """A mean and its percentile interval.

    Attributes:
        mean: over the queries as they are.
        low: lower end.
        high: upper end.
        num_queries: that the mean is over.
    """

    mean: float
    low: float
    high: float
    num_queries: int

    @property
    def excludes_zero(self) -> bool:
        """Whether zero lies outside the interval."""
        return self.low > 0 or self.high < 0


def bootstrap_mean(
    values: NDArray[np.float64], settings: BootstrapSettings | None = None
) -> Interval:
    """Interval of the mean of one value per query, e.g. its average precision.

    Args:
        values: float64 (num_queries,); queries with NaN (without positives) are left out.
        settings: number of resamples, confidence, seed.

    Raises:
        ValueError: no query has a value.
    """
    settings = settings or BootstrapSettings()
    scored = values[~np.isnan(values)]
    if len(scored) == 0:
        raise ValueError("no query has a score: there is nothing to resample")
    means = _resample_means(scored, settings)
    tail = (1 - settings.confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(float(scored.mean()), float(low), float(high), len(scored))


def bootstrap_difference(
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    settings: BootstrapSettings | None = None,
) -> Interval:
    """Interval of the mean of `after` minus `before`, paired by query.

    Args:
        before: float64 (num_queries,), the values of one system; NaN for queries without
            positives, which are left out.
        after: float64 (num_queries,), those of the other on the same queries in the same order.
        settings: number of resamples, confidence, seed.

    Raises:
        ValueError: the queries are not the same, or none has a value.
    """
    if before.shape != after.shape or (np.isnan(before) != np.isnan(after)).any():
        raise ValueError(
            f"{len(before)} and {len(after)} values, or scored on different queries: a paired "
            "comparison needs both systems' scores under one protocol, in one order"
        )
    return bootstrap_mean(after - before, settings)


def _resample_means(
    values: NDArray[np.float64], settings: BootstrapSettings
) -> NDArray[np.float64]:
    """Means of resamples drawn with replacement, float64 (num_resamples,)."""
    generator = np.random.default_rng(settings.seed)
    means = np.empty(settings.num_resamples)
    step = max(1, _VALUES_AT_A_TIME // len(values))
    for start in range(0, len(means), step):
        num_rows = min(step, len(means) - start)
        drawn = generator.integers(0, len(values), size=(num_rows, len(values)))
        means[start : start + num_rows] = values[drawn].mean(axis=1)
    return means
