"""One image against many: the first looks at the pairs are taken together."""

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import NamedTuple

import numpy as np

from curation.cascade import Look, list_looks
from curation.kernels.first_looks import ADDRESSES, look_until_promising
from curation.kernels.packed_columns import Neighbours
from curation.matchable_features import MatchableFeatures
from curation.pair_answer import Evidence, Verification
from curation.pair_order import comes_first
from curation.sketch_search import SketchSearch
from curation.verification import (
    VerificationSettings,
    limit_consistency,
    verify_ordered,
    verify_prepared,
)
from manifests.features import LocalFeatures
from manifests.rows import PairReason, PairVerdict

_BATCH = 32
"""Images held at a time; as the pairs of an image are looked at together, its own sketches stay in
the first cache."""
_NOTHING = Look(0, 0, 1)


def verify_one_to_many(
    query: LocalFeatures, candidates: Iterable[LocalFeatures], settings: VerificationSettings
) -> Iterator[Verification]:
    """Verify one image against many: the answers of `verify_pair(query, candidate)`, in order.

    What matching needs of the query is prepared once. Candidates are taken a few at a time, so that
    they may come from files.
    """
    prepared = (MatchableFeatures(candidate) for candidate in candidates)
    return verify_prepared_to_many(MatchableFeatures(query), prepared, settings)


def verify_prepared_to_many(
    query: MatchableFeatures,
    candidates: Iterable[MatchableFeatures],
    settings: VerificationSettings,
) -> Iterator[Verification]:
    """`verify_one_to_many` for images that are compared more than once."""
    if settings.cascade.mode == "exact":
        for candidate in candidates:
            yield verify_prepared(query, candidate, settings)
        return
    rest = iter(candidates)
    while batch := list(islice(rest, _BATCH)):
        yield from _verify_batch([_order(query, other, settings) for other in batch], settings)


class _Pair(NamedTuple):
    """A pair in the order in which it is worked on."""

    a: MatchableFeatures
    b: MatchableFeatures
    is_turned: bool
    """The candidate comes first."""
    look: Look
    """The first look at them."""


def _order(
    query: MatchableFeatures, candidate: MatchableFeatures, settings: VerificationSettings
) -> _Pair:
    is_turned = not comes_first(query.features, candidate.features)
    a, b = (candidate, query) if is_turned else (query, candidate)
    num_a, num_b = len(a), len(b)
    if num_a == 0 or num_b == 0:
        return _Pair(a, b, is_turned, _NOTHING)
    look = list_looks(num_a, num_b, settings.min_inliers, settings.cascade)[0]
    return _Pair(a, b, is_turned, look)


def _verify_batch(pairs: Sequence[_Pair], settings: VerificationSettings) -> Iterator[Verification]:
    geometry, cascade = settings.geometry, settings.cascade
    images = b"".join(
        side.address_sketches(count)
        for a, b, _, look in pairs
        for side, count in ((a, look.num_a), (b, look.num_b))
    )
    fewest = np.array([pair.look.min_consistent for pair in pairs], np.int64)
    counts = np.zeros((len(pairs), 2), np.int64)
    done = 0
    while done < len(pairs):
        promising, has_looked, found, sighting = look_until_promising(
            np.frombuffer(images, ADDRESSES).reshape(-1, 2),
            done,
            fewest,
            settings.max_ratio**2,
            geometry.max_hypotheses,
            geometry.max_scale,
            geometry.hypothesis_tolerance,
            cascade.max_octaves,
            math.radians(cascade.max_turn_deg),
            counts,
        )
        numbers = counts[done:promising].tolist()
        for pair, (num_tentative, num_consistent) in zip(pairs[done:], numbers, strict=False):
            yield Verification(
                PairVerdict.REJECTED,
                PairReason.FEW_AMONG_STRONGEST,
                num_tentative,
                num_consistent,
                partial(_look_again, pair, settings),
                pair.is_turned,
            )
        if promising < len(pairs):
            a, b, is_turned, look = pairs[promising]
            search = _open_search(pairs[promising], settings)
            if has_looked:
                search.take_over(Neighbours(look.num_a, look.num_b, found), sighting)
            answer = verify_ordered(a, b, settings, search)
            yield answer.turn_round() if is_turned else answer
        done = promising + 1


def _look_again(pair: _Pair, settings: VerificationSettings) -> Evidence:
    return _open_search(pair, settings).look_at(pair.look.num_a, pair.look.num_b)


def _open_search(pair: _Pair, settings: VerificationSettings) -> SketchSearch:
    limits = limit_consistency(pair.b, settings)
    return SketchSearch(pair.a, pair.b, settings.max_ratio, limits)
