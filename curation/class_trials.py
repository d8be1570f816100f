"""What hinges on a single pair: a class is judged again with the opposite verdict on it.

Most uncertain pairs change nothing, because their images have other neighbours. Those that decide
whether an image is kept are worth a person's look.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curation.degree_trials import DegreeTrial
from curation.duplicates import DuplicateGroups
from curation.match_graph import score_both_ways
from curation.train_split import ClassImage, CleanSettings, split_class

_MAX_SCORES = 20_000_000
"""Scores gone through for all uncertain pairs of a class together: some minutes."""

_Accepted = Mapping[tuple[str, str], int]


@dataclass(frozen=True)
class UncertainPair:
    """A pair of one class, smaller id first, whose verdict is uncertain."""

    image_id_a: str
    image_id_b: str
    num_inliers: int
    is_accepted: bool


@dataclass(frozen=True)
class Stake:
    """What hinges on a pair.

    Attributes:
        kept_a: whether image a is kept as things are.
        kept_b: likewise image b.
        decides_a: whether the opposite verdict would change that; None if it was not tried,
            because the class is large.
        decides_b: likewise.
    """

    kept_a: bool
    kept_b: bool
    decides_a: bool | None
    decides_b: bool | None

    @property
    def is_decisive(self) -> bool:
        """Whether the fate of one of the two images depends on the pair."""
        return bool(self.decides_a or self.decides_b)


class ClassTrial:
    """A class as it was judged, and as it would be judged if one pair were otherwise.

    The policy `degree` asks for nothing but the neighbours of the two images, which makes a trial
    cheap in a class of any size. The other policies judge the whole class each time; in a very
    large class they leave some pairs untried.

    Args:
        landmark_id: the class.
        images: all its images.
        accepted: pairs that the verifier accepted, smaller id first, with their inliers.
        duplicates: groups of copies.
        settings: the rule of the cleaning.
        threshold: inliers that a rejected pair would have, had it been accepted.
    """

    def __init__(
        self,
        landmark_id: int,
        images: Collection[ClassImage],
        accepted: Iterable[tuple[str, str, int]],
        duplicates: DuplicateGroups,
        settings: CleanSettings,
        threshold: int,
    ) -> None:
        self._landmark_id = landmark_id
        self._images = {image.image_id: image for image in images}
        self._accepted = {(a, b): count for a, b, count in accepted}
        self._duplicates = duplicates.restrict_to(self._images)
        self._settings = settings
        self._threshold = threshold
        self._num_scores_left = _MAX_SCORES
        self._kept = self._judge(self._accepted)

    def find_stakes(self, pairs: Collection[UncertainPair]) -> dict[UncertainPair, Stake]:
        """What hinges on each of some pairs; those nearest the threshold are tried first."""

        def rank(pair: UncertainPair) -> tuple[int, str, str]:
            return abs(pair.num_inliers - self._threshold), pair.image_id_a, pair.image_id_b

        ranked = sorted(pairs, key=rank)
        if self._settings.policy == "degree":
            return self._count_stakes(ranked)
        return {pair: self._find_stake(pair) for pair in ranked}

    def _count_stakes(self, pairs: Sequence[UncertainPair]) -> dict[UncertainPair, Stake]:
        ids = sorted(self._images)
        places = {image_id: place for place, image_id in enumerate(ids)}

        def locate(image_ids: Iterable[str]) -> NDArray[np.int64]:
            return np.array([places[image_id] for image_id in image_ids], np.int64)

        counting = [p for p, n in self._accepted.items() if n >= self._settings.min_inliers]
        trial = DegreeTrial(
            locate(a for a, _ in counting),
            locate(b for _, b in counting),
            [locate(group).tolist() for group in self._duplicates.groups],
            np.array([self._images[image_id].has_features for image_id in ids], np.bool_),
            self._settings,
        )
        stakes = trial.find_stakes(
            locate(pair.image_id_a for pair in pairs),
            locate(pair.image_id_b for pair in pairs),
            np.array([pair.is_accepted for pair in pairs], np.bool_),
        )
        columns = (stakes.kept_a, stakes.kept_b, stakes.decides_a, stakes.decides_b)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        return {pair: Stake(*row) for pair, row in zip(pairs, rows, strict=True)}

    def _find_stake(self, pair: UncertainPair) -> Stake:
        a, b = pair.image_id_a, pair.image_id_b
        kept_a, kept_b = a in self._kept, b in self._kept
        kept = self._judge_otherwise(pair)
        if kept is None:
            return Stake(kept_a, kept_b, None, None)
        return Stake(kept_a, kept_b, (a in kept) is not kept_a, (b in kept) is not kept_b)

    def _judge_otherwise(self, pair: UncertainPair) -> frozenset[str] | None:
        """The images that would be kept; None if it is not tried."""
        key = pair.image_id_a, pair.image_id_b
        changed = {other: count for other, count in self._accepted.items() if other != key}
        if not pair.is_accepted:
            changed[key] = self._threshold
        self._num_scores_left -= len(changed)
        return None if self._num_scores_left < 0 else self._judge(changed)

    def _judge(self, accepted: _Accepted) -> frozenset[str]:
        verdicts = split_class(
            self._landmark_id,
            list(self._images.values()),
            [score for (a, b), n in accepted.items() for score in score_both_ways(a, b, n)],
            self._duplicates,
            self._settings,
        )
        return frozenset(verdict.image_id for verdict in verdicts if verdict.kept)
