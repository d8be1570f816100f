"""Looks at the sketches of a pair, strongest features first, before descriptors are compared."""

import math
from functools import lru_cache
from typing import Literal, NamedTuple

from pydantic import Field

from manifests.strict_model import StrictModel

_STEP = 64
"""Strongest features are counted in tiles of the search, none of which is then half empty."""
_MAX_SHARE = 0.75
"""A look that makes more than this share of all comparisons of a pair makes all of them."""
_GROWTH_OF_INLIERS = 0.8
"""Exponent with which inliers grow with the comparisons: strong features agree more than weak."""


class CascadeSettings(StrictModel):
    """When a pair is decided by a look at sketches (`curation.sketches`) alone.

    Most pairs share nothing, and the sketches of their strongest features show it in a fraction of
    the time. Pairs that share much show that as well. Only pairs in between are compared with all
    descriptors.

    Of all 10,296 pairs of 144 landmark photographs the exact mode verifies 234 at 480 px and 1,024
    features, and 326 at 800 px and 2,000. The default loses none of them and makes no other. The
    fewest inliers among all descriptors of a pair that a look verifies are 35 and 37; the most of
    one that it rejects, 29 and 28.
    """

    mode: Literal["decide_early", "reject_early", "exact"] = "decide_early"
    """`decide_early`: a look can reject and verify; inliers of pairs verified by a look are those
    that it counted. `reject_early`: a look can only reject, and inliers of all verified pairs are
    counted in full. `exact`: every pair is verified with all descriptors and no look."""
    num_features: int = Field(384, ge=32)
    """Strongest features of each image that the first look compares, at least; as in all looks,
    rounded up to a multiple of 64."""
    share: float = Field(0.35, ge=0, le=1)
    """It compares this share of an image's features where that is more."""
    growth: float = Field(2.0, ge=1.1, le=10)
    """Each further look compares so many times the features of the look before; the last one, all
    of them."""
    min_consistent: int = Field(3, ge=2)
    """Correspondences of a look that must agree on one similarity in place, scale and orientation
    for going on, at least."""
    min_consistent_share: float = Field(0.5, ge=0, le=1)
    """The same, as a share of the inliers that the look should show of a pair with just enough:
    `verify.min_inliers` times the share of all comparisons that it makes, to the power of 0.8."""
    max_octaves: float = Field(1.0, gt=0)
    """Tolerance in scale."""
    max_turn_deg: float = Field(30.0, gt=0, le=180)
    """Tolerance in orientation."""
    min_inlier_share: float = Field(1.2, ge=1)
    """Inliers with which a look verifies a pair, in units of `verify.min_inliers`. Above 1, so that
    the inliers among all descriptors are not near that threshold either."""


class Look(NamedTuple):
    """One look at a pair: strongest features of each image, and what must agree to go on."""

    num_a: int
    num_b: int
    min_consistent: int


def list_looks(
    num_a: int, num_b: int, min_inliers: int, settings: CascadeSettings
) -> tuple[Look, ...]:
    """The looks at a pair of images with so many features; the last one sees all of them."""
    if settings.mode == "exact":
        return ()
    return _list_looks(
        num_a,
        num_b,
        min_inliers,
        settings.num_features,
        settings.share,
        settings.growth,
        settings.min_consistent,
        settings.min_consistent_share,
    )


@lru_cache(maxsize=4096)  # most images have as many features as they may
def _list_looks(
    num_a: int,
    num_b: int,
    min_inliers: int,
    num_features: int,
    share: float,
    growth: float,
    min_consistent: int,
    min_consistent_share: float,
) -> tuple[Look, ...]:
    looks: list[Look] = []
    factor, seen = 1.0, (0, 0)
    while seen != (num_a, num_b):
        strongest = (
            _count_strongest(num_a, factor * max(num_features, share * num_a)),
            _count_strongest(num_b, factor * max(num_features, share * num_b)),
        )
        compared = strongest[0] * strongest[1] / (num_a * num_b)
        if compared > _MAX_SHARE:
            strongest, compared = (num_a, num_b), 1.0
        if strongest != seen:
            expected = round(min_consistent_share * compared**_GROWTH_OF_INLIERS * min_inliers)
            # What has as many as the verdict needs is not for a look to reject.
            needed = min(min_inliers, max(min_consistent, expected))
            looks.append(Look(*strongest, needed))
        seen = strongest
        factor *= growth
    return tuple(looks)


def _count_strongest(num_features: int, wanted: float) -> int:
    return min(num_features, math.ceil(wanted / _STEP) * _STEP)
