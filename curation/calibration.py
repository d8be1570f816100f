"""Is the threshold on inliers right for these photographs? The run's own images answer.

Two images of different classes should show different places. Verifying a fair sample of such
control pairs tells how many inliers chance gives here, and how often the verifier accepts what it
should not.
"""

import hashlib
import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from itertools import combinations, islice, pairwise

from pydantic import Field

from manifests.manifest_json import CalibrationResult
from manifests.rows import PairVerdict
from manifests.strict_model import StrictModel

_BISECTIONS = 60


class CalibrationSettings(StrictModel):
    """How the threshold is put to the test."""

    num_pairs: int = Field(4000, ge=0)
    """Control pairs of images of different classes; 0 leaves the test out."""
    max_false_accept_rate: float = Field(1e-3, gt=0, lt=1)
    """The threshold is confirmed when the rate is below this with the confidence given."""
    confidence: float = Field(0.95, gt=0.5, lt=1)
    """Of the interval around the rate."""
    seed: int = Field(0, ge=0)
    """Another seed draws other pairs."""


@dataclass(frozen=True)
class ControlImage:
    """An image that can be drawn; images with one digest are copies of one file."""

    image_id: str
    landmark_id: int
    sha256: str


@dataclass(frozen=True)
class ControlPair:
    """What the verifier found for a pair of images of different classes."""

    image_ids: tuple[str, str]
    landmark_ids: tuple[int, int]
    num_inliers: int
    verdict: PairVerdict

    @property
    def is_accepted(self) -> bool:
        """Whether the verifier takes both images for one place or one photograph."""
        return self.verdict is not PairVerdict.REJECTED

    @property
    def classes(self) -> tuple[int, int]:
        """The two classes, the smaller id first."""
        a, b = sorted(self.landmark_ids)
        return a, b


def choose_control_pairs(
    images: Collection[ControlImage], settings: CalibrationSettings
) -> list[tuple[ControlImage, ControlImage]]:
    """Draw distinct pairs of images of different classes, without a random generator.

    The images are put in the order of a hash, and each is paired with its followers at growing
    distance: every image takes part about equally often.

    Returns:
        At most `num_pairs` pairs, each with the smaller id first; the order of `images` does not
        matter.
    """
    drawn = list(islice(_walk(_order(images, settings)), settings.num_pairs))
    return [(a, b) if a.image_id < b.image_id else (b, a) for a, b in drawn]


def choose_control_images(
    image_ids: Sequence[str], describe: Callable[[int], ControlImage], settings: CalibrationSettings
) -> list[ControlImage]:
    """Images that suffice for `choose_control_pairs`, so that not all of millions need be objects.

    The pairs are drawn from those that come first in the order of the hash, unless too many of
    these are of one class.

    Args:
        image_ids: of all images.
        describe: gives the image at a place of `image_ids`.
        settings: how many pairs are wanted.
    """
    num_enough = 2 * settings.num_pairs + 2
    places = range(len(image_ids))
    if len(image_ids) > num_enough:
        first = nsmallest(num_enough, places, key=lambda i: _rank(image_ids[i], settings))
        images = [describe(place) for place in first]
        # The last of them have other followers in the order of all.
        if sum(_are_comparable(a, b) for a, b in pairwise(images)) >= settings.num_pairs:
            return images
    return [describe(place) for place in places]


def _are_comparable(a: ControlImage, b: ControlImage) -> bool:
    return a.landmark_id != b.landmark_id and a.sha256 != b.sha256


def _order(images: Iterable[ControlImage], settings: CalibrationSettings) -> list[ControlImage]:
    return sorted(images, key=lambda image: _rank(image.image_id, settings))


def _rank(image_id: str, settings: CalibrationSettings) -> tuple[bytes, str]:
    return hashlib.sha256(f"{settings.seed}:{image_id}".encode()).digest(), image_id


def calibrate(
    pairs: Sequence[ControlPair], threshold: int, settings: CalibrationSettings
) -> CalibrationResult:
    """Estimate the accept rate of control pairs at the threshold, and judge the threshold.

    Args:
        pairs: verified with the guards and with this threshold.
        threshold: inliers of a verified pair, at least.
        settings: limit and confidence.
    """
    one_place = find_one_place(pairs)
    controls = [pair for pair in pairs if pair.classes not in one_place]
    accepted = [pair.num_inliers for pair in controls if pair.is_accepted]
    rejected = [pair.num_inliers for pair in controls if not pair.is_accepted]
    low, high = estimate_rate(len(accepted), len(controls), settings.confidence)
    confirmed = high <= settings.max_false_accept_rate
    return CalibrationResult(
        num_pairs=len(controls),
        num_accepted=len(accepted),
        one_place=tuple(sorted(one_place)),
        rate_low=low,
        rate_high=high,
        max_chance_inliers=max(rejected, default=0),
        threshold=threshold,
        confirmed=confirmed,
        suggested_threshold=(
            threshold if confirmed else _suggest(accepted, len(controls), threshold, settings)
        ),
    )


def find_one_place(pairs: Iterable[ControlPair]) -> frozenset[tuple[int, int]]:
    """Pairs of classes with two accepted control pairs that have no image in common."""
    accepted: defaultdict[tuple[int, int], list[frozenset[str]]] = defaultdict(list)
    for pair in pairs:
        if pair.is_accepted:
            accepted[pair.classes].append(frozenset(pair.image_ids))
    return frozenset(
        classes
        for classes, images in accepted.items()
        if any(a.isdisjoint(b) for a, b in combinations(images, 2))
    )


def estimate_rate(num_hits: int, num_trials: int, confidence: float) -> tuple[float, float]:
    """Exact two-sided interval of a rate (Clopper and Pearson 1934).

    Args:
        num_hits: of the trials, 0 to `num_trials`.
        num_trials: any number; none gives the interval 0 to 1.
        confidence: probability that the interval holds the rate, at least.
    """
    tail = (1 - confidence) / 2
    low = 0.0 if num_hits == 0 else _solve(num_hits - 1, num_trials, 1 - tail)
    high = 1.0 if num_hits == num_trials else _solve(num_hits, num_trials, tail)
    return low, high


def _walk(ordered: Sequence[ControlImage]) -> Iterator[tuple[ControlImage, ControlImage]]:
    for distance in range(1, len(ordered) // 2 + 1):
        # At half the length, going on would give each pair a second time.
        is_half = 2 * distance == len(ordered)
        for i in range(len(ordered) // 2 if is_half else len(ordered)):
            a, b = ordered[i], ordered[(i + distance) % len(ordered)]
            if _are_comparable(a, b):
                yield a, b


def _suggest(
    accepted: Sequence[int], num_pairs: int, threshold: int, settings: CalibrationSettings
) -> int | None:
    for candidate in sorted({count + 1 for count in accepted} - {threshold}):
        remaining = sum(count >= candidate for count in accepted)
        _, high = estimate_rate(remaining, num_pairs, settings.confidence)
        if high <= settings.max_false_accept_rate:
            return candidate
    return None


def _solve(num_hits: int, num_trials: int, probability: float) -> float:
    """The rate at which at most `num_hits` hits have this probability; it falls with the rate."""
    low, high = 0.0, 1.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if _cumulative(num_hits, num_trials, middle) > probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _cumulative(num_hits: int, num_trials: int, rate: float) -> float:
    """Probability of at most `num_hits` hits; in logarithms, as the coefficients overflow."""
    if rate <= 0:
        return 1.0
    if rate >= 1:
        return 1.0 if num_hits >= num_trials else 0.0
    log_hit, log_miss = math.log(rate), math.log1p(-rate)
    total = math.lgamma(num_trials + 1)
    terms = (
        total
        - math.lgamma(hits + 1)
        - math.lgamma(num_trials - hits + 1)
        + hits * log_hit
        + (num_trials - hits) * log_miss
        for hits in range(num_hits + 1)
    )
    return min(1.0, math.fsum(map(math.exp, terms)))
