"""What hinges on single pairs under the policy `degree`: all pairs of a class at once.

Under this policy nothing but the neighbours of its two images depends on a pair, so that counting
answers what judging the class again would. `curation.class_trials` does that for other policies.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curation.train_split import CleanSettings

Numbers = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Stakes:
    """What hinges on n pairs: see `curation.class_trials.Stake`; each bool (n,)."""

    kept_a: Mask
    kept_b: Mask
    decides_a: Mask
    decides_b: Mask


class DegreeTrial:
    """A class of n images as it was judged.

    Args:
        first: positions of one image of each pair that counts, (p,), each pair once.
        second: positions of the other.
        groups: positions of the copies of each photograph that has any, best first.
        is_described: whether each image has features, (n,).
        settings: the rule of the cleaning; its policy is `degree`.
    """

    def __init__(
        self,
        first: Numbers,
        second: Numbers,
        groups: Iterable[Sequence[int]],
        is_described: Mask,
        settings: CleanSettings,
    ) -> None:
        groups = list(groups)
        self._num_images = len(is_described)
        self._representatives = representatives = np.arange(self._num_images)
        for group in groups:
            representatives[list(group)] = group[0]
        self._is_described = is_described
        self._settings = settings
        source, target = np.concatenate([first, second]), np.concatenate([second, first])
        photographs = representatives[target]
        is_other = representatives[source] != photographs
        keys = self._key(source[is_other], photographs[is_other])
        self._keys, self._num_witnesses = np.unique(keys, return_counts=True)
        sources = self._keys // max(1, self._num_images)
        self._num_neighbours = np.bincount(sources, minlength=self._num_images)
        self._is_earner = self._earns(np.arange(self._num_images), self._num_neighbours)
        earners = representatives[self._is_earner]
        self._num_copies = np.bincount(earners, minlength=self._num_images)
        self._num_photographs = int(np.count_nonzero(self._num_copies))
        self._is_free = self._find_free(groups)

    def find_stakes(self, a: Numbers, b: Numbers, is_accepted: Mask) -> Stakes:
        """Judge each of some pairs otherwise.

        Args:
            a: positions of one image of each pair, (m,).
            b: positions of the other.
            is_accepted: whether the pair counts as things are, (m,).
        """
        earns_a, earns_b = self._try(a, b, is_accepted), self._try(b, a, is_accepted)
        num_photographs = self._num_photographs + self._add(a, earns_a) + self._add(b, earns_b)
        least = self._settings.min_class_images
        stays = self._is_free & (self._num_photographs >= least)
        would_stay = num_photographs >= least
        kept_a, kept_b = (self._is_earner & stays)[a], (self._is_earner & stays)[b]
        would_keep_a = earns_a & would_stay & self._is_free[a]
        would_keep_b = earns_b & would_stay & self._is_free[b]
        return Stakes(kept_a, kept_b, kept_a != would_keep_a, kept_b != would_keep_b)

    def _find_free(self, groups: Iterable[Sequence[int]]) -> Mask:
        """Images that no better copy displaces; a pair of other photographs cannot change that."""
        is_free = np.ones(self._num_images, np.bool_)
        if self._settings.duplicates == "drop":
            for group in groups:
                places = list(group)
                num_earners: Numbers = np.cumsum(self._is_earner[places])
                is_free[places] = num_earners == self._is_earner[places]
        return is_free

    def _try(self, image: Numbers, other: Numbers, is_accepted: Mask) -> Mask:
        """Whether images would earn their place by the opposite verdict on a pair."""
        gain = self._gain(image, other, is_accepted)
        return self._earns(image, self._num_neighbours[image] + gain)

    def _earns(self, images: Numbers, num_neighbours: Numbers) -> Mask:
        enough = num_neighbours >= self._settings.min_verified_neighbours
        return np.asarray(self._is_described[images] & enough, np.bool_)

    def _gain(self, image: Numbers, other: Numbers, is_accepted: Mask) -> Numbers:
        """Neighbours that an image would gain or lose by the opposite verdict: 1, 0 or -1."""
        photographs = self._representatives[other]
        num_witnesses = self._count_witnesses(image, photographs)
        loses = is_accepted & (num_witnesses == 1)
        gains = ~is_accepted & (num_witnesses == 0)
        is_other = self._representatives[image] != photographs
        gain: Numbers = (gains.astype(np.int64) - loses) * is_other
        return gain

    def _count_witnesses(self, image: Numbers, photographs: Numbers) -> Numbers:
        """Pairs that count and join an image with some copy of a photograph."""
        if not len(self._keys):
            return np.zeros(len(image), np.int64)
        keys = self._key(image, photographs)
        places = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return np.asarray(np.where(self._keys[places] == keys, self._num_witnesses[places], 0))

    def _add(self, image: Numbers, earns: Mask) -> Numbers:
        """Photographs that the class would gain or lose by this image: 1, 0 or -1."""
        before = self._num_copies[self._representatives[image]]
        after = before - self._is_earner[image] + earns
        change: Numbers = (after > 0).astype(np.int64) - (before > 0)
        return change

    def _key(self, source: Numbers, target: Numbers) -> Numbers:
        return source * self._num_images + target
