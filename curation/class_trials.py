"""What hinges on a single pair: a class is judged again with the opposite verdict on it.

Most uncertain pairs change nothing, because their images have other neighbours. Those that decide
whether an image is kept are worth a person's look.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from curation.duplicates import DuplicateGroups
from curation.match_graph import score_both_ways
from curation.train_split import ClassImage, CleanSettings, split_class

_MAX_SCORES = 20_000_000
"""Scores gone through for all uncertain pairs of a class together: some minutes."""
_MAX_CHANGED = 2
"""Images whose fate the verdict on one pair can change under the policy `degree`."""

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

    The policy `degree` asks for nothing but the neighbours of the two images and of their copies,
    which makes a trial cheap in a class of any size. The other policies judge the whole class each
    time; in a very large class they leave some pairs untried.

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
        self._duplicates = duplicates
        self._settings = settings
        self._threshold = threshold
        self._num_scores_left = _MAX_SCORES
        self._pairs_of: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
        for pair in self._accepted:
            for image_id in pair:
                self._pairs_of[image_id].append(pair)
        self._kept = self._judge(self._images, self._accepted, settings)

    def find_stakes(self, pairs: Collection[UncertainPair]) -> dict[UncertainPair, Stake]:
        """What hinges on each of some pairs; those nearest the threshold are tried first."""

        def rank(pair: UncertainPair) -> tuple[int, str, str]:
            return abs(pair.num_inliers - self._threshold), pair.image_id_a, pair.image_id_b

        return {pair: self._find_stake(pair) for pair in sorted(pairs, key=rank)}

    def _find_stake(self, pair: UncertainPair) -> Stake:
        a, b = pair.image_id_a, pair.image_id_b
        kept_a, kept_b = a in self._kept, b in self._kept
        kept = self._judge_otherwise(pair)
        if kept is None:
            return Stake(kept_a, kept_b, None, None)
        return Stake(kept_a, kept_b, (a in kept) is not kept_a, (b in kept) is not kept_b)

    def _judge_otherwise(self, pair: UncertainPair) -> frozenset[str] | None:
        """Which of the two images would be kept, maybe among others; None if it is not tried."""
        images, accepted, settings = self._choose_part(pair)
        key = pair.image_id_a, pair.image_id_b
        changed = {other: count for other, count in accepted.items() if other != key}
        if not pair.is_accepted:
            changed[key] = self._threshold
        self._num_scores_left -= len(changed)
        return None if self._num_scores_left < 0 else self._judge(images, changed, settings)

    def _choose_part(self, pair: UncertainPair) -> tuple[Collection[str], _Accepted, CleanSettings]:
        """The part of the class that the fate of both images depends on, and the rule for it."""
        settings = self._settings
        if settings.policy != "degree" or not self._surely_survives:
            return self._images, self._accepted, settings
        centre = {
            copy
            for image_id in (pair.image_id_a, pair.image_id_b)
            for copy in self._duplicates.list_copies(image_id)
            if copy in self._images
        }
        accepted = {p: self._accepted[p] for image_id in centre for p in self._pairs_of[image_id]}
        images = centre.union(*accepted)
        # The class stays whatever the answer, but its part must not be too small to stay.
        return images, accepted, settings.model_copy(update={"min_class_images": 1})

    @property
    def _surely_survives(self) -> bool:
        """Whether the class stays without the two images whose fate may change."""
        photographs = {self._duplicates.find_representative(i) for i in self._kept}
        return len(photographs) >= self._settings.min_class_images + _MAX_CHANGED

    def _judge(
        self, images: Collection[str], accepted: _Accepted, settings: CleanSettings
    ) -> frozenset[str]:
        verdicts = split_class(
            self._landmark_id,
            [self._images[image_id] for image_id in images],
            [score for (a, b), n in accepted.items() for score in score_both_ways(a, b, n)],
            self._duplicates,
            settings,
        )
        return frozenset(verdict.image_id for verdict in verdicts if verdict.kept)
