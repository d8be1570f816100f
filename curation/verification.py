"""Do two photographs show the same surface? The functions that answer it."""

from collections.abc import Iterable, Iterator
from itertools import islice

from curation.matchable_features import MatchableFeatures
from curation.pair_answer import Verification
from curation.pairs import Pair
from curation.processor_matcher import ProcessorMatcher
from curation.rounds import verify_pairs
from curation.verification_settings import VerificationSettings
from manifests.features import LocalFeatures

_BATCH = 32
"""Candidates taken at a time. Looks are taken at all of them together, so that the sketches of the
query stay in the processor's first cache."""


def verify_pair(
    features_a: LocalFeatures, features_b: LocalFeatures, settings: VerificationSettings
) -> Verification:
    """Verify that two images show the same surface.

    The answer does not depend on the order of the pair: the work is done in an order fixed by
    the features themselves, and the result is turned round where needed. It uses no random
    numbers.

    Args:
        features_a: local features of image a.
        features_b: local features of image b.
        settings: thresholds.

    Returns:
        The verdict with its evidence, in the direction asked for.
    """
    return verify_prepared(MatchableFeatures(features_a), MatchableFeatures(features_b), settings)


def verify_one_to_many(
    query: LocalFeatures, candidates: Iterable[LocalFeatures], settings: VerificationSettings
) -> Iterator[Verification]:
    """Verify one image against many: the answers of `verify_pair(query, candidate)`, in order.

    What matching needs of the query is prepared once. Candidates are taken a batch at a time, so
    that they may come from files.
    """
    prepared = (MatchableFeatures(candidate) for candidate in candidates)
    return verify_prepared_to_many(MatchableFeatures(query), prepared, settings)


def verify_prepared(
    a: MatchableFeatures, b: MatchableFeatures, settings: VerificationSettings
) -> Verification:
    """`verify_pair` for images of which both are compared more than once."""
    return next(verify_prepared_to_many(a, [b], settings))


def verify_prepared_to_many(
    query: MatchableFeatures,
    candidates: Iterable[MatchableFeatures],
    settings: VerificationSettings,
) -> Iterator[Verification]:
    """`verify_one_to_many` for images that are compared more than once."""
    rest = iter(candidates)
    while batch := list(islice(rest, _BATCH)):
        pairs = [Pair.of(query, candidate) for candidate in batch]
        matcher = ProcessorMatcher(pairs, settings.max_ratio, settings.consistency_limits)
        yield from verify_pairs(pairs, settings, matcher)
