"""What a leak is worth: changes of the average precision with their intervals.

The unit is the landmark, for the queries of one landmark succeed or fail together. Landmarks and
seeds are crossed: a training that went well lifts all landmarks. So both are resampled, each for
itself (the pigeonhole bootstrap, Owen 2007), and the intervals are rather too wide than too narrow.
"""

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from training.bootstrap import BootstrapSettings, Interval

Scores = NDArray[np.float64]
"""Average precision, float64 (num_seeds, num_landmarks); NaN nowhere."""


@dataclass(frozen=True)
class Comparison:
    """Two training sets.

    Attributes:
        name: of the comparison.
        before: name of the training set that some classes are removed from.
        after: name of the training set without them.
    """

    name: str
    before: str
    after: str


COMPARISONS = (
    Comparison("leak_removed", "with_leak", "without_leak"),
    Comparison("random_classes_removed", "with_leak", "without_random_classes"),
    Comparison("no_leak_planted", "with_other_classes", "without_leak"),
)
WHERE_ZERO_IS_EXCLUDED = {("leak_removed", "overlapping")}


def bootstrap_crossed(
    before: Scores, after: Scores, settings: BootstrapSettings | None = None
) -> Interval:
    """Interval of the mean of `after` minus `before`, over seeds and landmarks.

    Args:
        before: float64 (num_seeds, num_landmarks).
        after: likewise, of the same seeds and landmarks.
        settings: number of resamples, confidence, seed.

    Returns:
        Mean, percentile interval, and as `num_queries` the number of landmarks.

    Raises:
        ValueError: shapes differ, or there are fewer than two seeds or landmarks.
    """
    settings = settings or BootstrapSettings()
    if before.shape != after.shape or before.ndim != 2 or min(before.shape) < 2:
        raise ValueError(
            f"scores of shapes {before.shape} and {after.shape}: give both systems at least two "
            "seeds, on the same two landmarks or more"
        )
    changes = after - before
    generator = np.random.default_rng(settings.seed)
    num_seeds, num_landmarks = changes.shape
    seed_weights = _draw_weights(generator, num_seeds, settings.num_resamples)
    landmark_weights = _draw_weights(generator, num_landmarks, settings.num_resamples)
    means = np.einsum("rs,sl,rl->r", seed_weights, changes, landmark_weights, optimize=True)
    tail = (1 - settings.confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(float(changes.mean()), float(low), float(high), num_landmarks)


def compare_all(
    scores: dict[str, dict[str, Scores]], settings: BootstrapSettings | None = None
) -> list[dict[str, object]]:
    """Compare the training sets, in points of mAP (percent), for each kind of query.

    Args:
        scores: name of a training set -> kind of query (`overlapping`, `other`) -> scores.
        settings: of the bootstrap.

    Returns:
        A row per comparison and kind of query: means, change, interval, and whether the interval
        excludes zero as it should, or includes it as it should.
    """
    rows: list[dict[str, object]] = []
    for comparison in COMPARISONS:
        before, after = scores[comparison.before], scores[comparison.after]
        for kind in before:
            interval = bootstrap_crossed(100 * before[kind], 100 * after[kind], settings)
            expected = (comparison.name, kind) in WHERE_ZERO_IS_EXCLUDED
            rows.append(
                {
                    **asdict(comparison),
                    "queries": kind,
                    "map_before": round(100 * float(before[kind].mean()), 2),
                    "map_after": round(100 * float(after[kind].mean()), 2),
                    "change": round(interval.mean, 2),
                    "low": round(interval.low, 2),
                    "high": round(interval.high, 2),
                    "excludes_zero": interval.excludes_zero,
                    "as_expected": interval.excludes_zero == expected,
                }
            )
    return rows


def _draw_weights(generator: np.random.Generator, count: int, num_resamples: int) -> Scores:
    """Share of each of `count` things in resamples of as many, float64 (num_resamples, count)."""
    drawn = generator.multinomial(count, np.full(count, 1 / count), size=num_resamples)
    return drawn / count
