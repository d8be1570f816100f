"""The order in which a pair of images is worked on, whichever way round it was asked for."""

from curation.matchable_features import MatchableFeatures
from manifests.features import LocalFeatures


def comes_first(a: MatchableFeatures, b: MatchableFeatures) -> bool:
    """Whether a comes before b in an order that depends on content alone."""
    return a.shape < b.shape or (a.shape == b.shape and _has_less(a.features, b.features))


def _has_less(a: LocalFeatures, b: LocalFeatures) -> bool:
    if a.geometry_bytes != b.geometry_bytes:
        return a.geometry_bytes < b.geometry_bytes
    return a.descriptors.tobytes() <= b.descriptors.tobytes()
