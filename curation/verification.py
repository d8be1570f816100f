"""Do two photographs show the same surface? The one function that answers it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from curation.correspondences import Correspondences, MatchableFeatures, match_prepared
from curation.geometry import (
    Affine,
    AffineFit,
    GeometrySettings,
    estimate_affine,
    find_consistent,
    invert_affine,
)
from curation.overlays import OverlaySettings, is_pasted
from curation.plausibility import Agreement, GuardSettings, find_objection, overlay_inliers
from manifests.features import LocalFeatures
from manifests.rows import PairReason, PairVerdict
from manifests.strict_model import StrictModel

_OVERLAYS = (PairReason.WATERMARK, PairReason.FRAME, PairReason.STATIC_OVERLAY)


class CopySettings(StrictModel):
    """When two files are one photograph: re-encoded, resized, turned or slightly cropped."""

    min_inlier_share: float = Field(0.25, gt=0, le=1)
    """Inliers, as a share of the features of the image that has fewer."""
    max_residual: float = Field(0.002, gt=0, lt=0.1)
    """Root mean square residual, as a share of the long side: under a pixel at 480. Two shots of
    a solid place from different spots leave more, because no affine map explains parallax."""


class CascadeSettings(StrictModel):
    """When a pair is rejected by a look at its strongest features alone.

    Most pairs share nothing, and their strongest features show it in a fraction of the time.
    Pairs that pass are verified with all features, so that the cascade can lose a match but never
    make or change one. Of 307 verified pairs among 10,296 of landmark photographs the default lost
    none; `benchmarks/bench_cascade.py` measures it.
    """

    mode: Literal["reject_early", "exact"] = "reject_early"
    """`exact`: every pair is verified with all features."""
    num_features: int = Field(512, ge=32)
    """Strongest features of each image that the first look compares. There is no first look where
    it would save less than half of the comparisons."""
    min_consistent: int = Field(4, ge=2)
    """Correspondences among them that must agree on one similarity in place, scale and
    orientation for a second look."""
    max_octaves: float = Field(1.0, gt=0)
    """Tolerance in scale."""
    max_turn_deg: float = Field(45.0, gt=0, le=180)
    """Tolerance in orientation."""


class VerificationSettings(StrictModel):
    """How strictly a pair of images is verified."""

    max_ratio: float = Field(0.9, gt=0, le=1)
    """Lowe's ratio. Looser than the usual 0.8: the mutual test and the scales and orientations of
    the features keep false pairs out."""
    min_inliers: int = Field(30, ge=3)
    """Inliers of a verified pair, at least (Weyand et al. 2020)."""
    cascade: CascadeSettings = CascadeSettings()
    geometry: GeometrySettings = GeometrySettings()
    guards: GuardSettings = GuardSettings()
    overlays: OverlaySettings = OverlaySettings()
    copies: CopySettings = CopySettings()


@dataclass(frozen=True, eq=False)
class Verification:
    """What the verifier says of a pair.

    With the reason `FEW_AMONG_STRONGEST` numbers, matrix and inliers are those of the first look.

    Attributes:
        verdict: verified, duplicate or rejected.
        reason: why.
        num_tentative: correspondences after ratio and mutual test.
        matrix: affine map from image a to image b in pixels of the described images, or None.
        inliers: the correspondences that agree with it; empty without one.
    """

    verdict: PairVerdict
    reason: PairReason
    num_tentative: int
    matrix: Affine | None
    inliers: Correspondences

    @property
    def num_inliers(self) -> int:
        """Number of correspondences that agree with the model."""
        return len(self.inliers)


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
    return _verify(MatchableFeatures(features_a), MatchableFeatures(features_b), settings)


def verify_one_to_many(
    query: LocalFeatures, candidates: Iterable[LocalFeatures], settings: VerificationSettings
) -> Iterator[Verification]:
    """Verify one image against many: the answers of `verify_pair(query, candidate)`, in order.

    What matching needs of the query is prepared once. Candidates are taken one at a time, so that
    they may come from files.
    """
    prepared = MatchableFeatures(query)
    for candidate in candidates:
        yield _verify(prepared, MatchableFeatures(candidate), settings)


def _verify(
    a: MatchableFeatures, b: MatchableFeatures, settings: VerificationSettings
) -> Verification:
    if _comes_first(a.features, b.features):
        return _verify_ordered(a, b, settings)
    return _turn_round(_verify_ordered(b, a, settings))


def _verify_ordered(
    a: MatchableFeatures, b: MatchableFeatures, settings: VerificationSettings
) -> Verification:
    if len(a.features) == 0 or len(b.features) == 0:
        return _rejected(PairReason.NO_FEATURES, 0)
    early = _reject_early(a, b, settings)
    if early is not None:
        return early
    matches = match_prepared(a, b, settings.max_ratio)
    found = _judge(a.features, b.features, matches, settings)
    if found.reason not in _OVERLAYS or found.matrix is None:
        return found
    return _judge_without_overlay(a.features, b.features, matches, found, settings)


def _reject_early(
    a: MatchableFeatures, b: MatchableFeatures, settings: VerificationSettings
) -> Verification | None:
    """The rejection of a pair whose strongest features do not agree, or None."""
    cascade = settings.cascade
    if cascade.mode == "exact":
        return None
    strongest_a, strongest_b = (side.take_strongest(cascade.num_features) for side in (a, b))
    num_comparisons = len(strongest_a.features) * len(strongest_b.features)
    if 2 * num_comparisons > len(a.features) * len(b.features):
        return None
    matches = match_prepared(strongest_a, strongest_b, settings.max_ratio)
    fit = find_consistent(
        strongest_a.features,
        strongest_b.features,
        matches,
        settings.geometry,
        max_octaves=cascade.max_octaves,
        max_turn_deg=cascade.max_turn_deg,
    )
    if fit is not None and fit.num_inliers >= cascade.min_consistent:
        return None
    return _refuse(PairReason.FEW_AMONG_STRONGEST, matches, fit)


def _judge(
    a: LocalFeatures, b: LocalFeatures, matches: Correspondences, settings: VerificationSettings
) -> Verification:
    fit = estimate_affine(a, b, matches, settings.geometry)
    if len(matches) < settings.min_inliers:
        return _refuse(PairReason.TOO_FEW_TENTATIVE, matches, fit)
    if fit is None:
        return _refuse(PairReason.NO_MODEL, matches, None)
    if fit.num_inliers < settings.min_inliers:
        return _refuse(PairReason.TOO_FEW_INLIERS, matches, fit)
    inliers = matches.select(fit.inliers)
    objection = _find_objection(a, b, inliers, fit, settings)
    if objection is not None:
        return _refuse(objection, matches, fit)
    if _is_copy(a, b, fit, settings.copies):
        verdict, reason = PairVerdict.DUPLICATE, PairReason.NEAR_DUPLICATE
    else:
        verdict, reason = PairVerdict.VERIFIED, PairReason.ENOUGH_INLIERS
    return Verification(verdict, reason, len(matches), fit.matrix, inliers)


def _find_objection(
    a: LocalFeatures,
    b: LocalFeatures,
    inliers: Correspondences,
    fit: AffineFit,
    settings: VerificationSettings,
) -> PairReason | None:
    agreement = _agreement(a, b, inliers, fit.matrix)
    objection = find_objection(agreement, settings.guards)
    if objection is None and is_pasted(a, b, agreement.xy_a, fit, settings.overlays):
        return PairReason.STATIC_OVERLAY
    return objection


def _judge_without_overlay(
    a: LocalFeatures,
    b: LocalFeatures,
    matches: Correspondences,
    found: Verification,
    settings: VerificationSettings,
) -> Verification:
    """Judge again without what the overlay explains; keep the first answer if that is no match."""
    assert found.matrix is not None  # noqa: S101  (an overlay is found among inliers of a model)
    if found.reason is PairReason.STATIC_OVERLAY:
        overlay = np.ones(found.num_inliers, np.bool_)
    else:
        overlay = overlay_inliers(_agreement(a, b, found.inliers, found.matrix), settings.guards)
    rest = matches.select(~np.isin(matches.index_a, found.inliers.index_a[overlay]))
    again = _judge(a, b, rest, settings)
    if again.verdict is PairVerdict.REJECTED:
        return found
    return replace(again, num_tentative=len(matches))


def _agreement(
    a: LocalFeatures, b: LocalFeatures, inliers: Correspondences, matrix: Affine
) -> Agreement:
    return Agreement(
        xy_a=a.xy[inliers.index_a],
        xy_b=b.xy[inliers.index_b],
        matrix=matrix,
        shape_a=(a.width, a.height),
        shape_b=(b.width, b.height),
    )


def _is_copy(a: LocalFeatures, b: LocalFeatures, fit: AffineFit, settings: CopySettings) -> bool:
    if fit.num_inliers < settings.min_inlier_share * min(len(a), len(b)):
        return False
    residuals_px: NDArray[np.float64] = fit.residuals_px[fit.inliers]
    rms_px = float(np.sqrt(np.mean(residuals_px**2)))
    return rms_px <= settings.max_residual * b.long_side


def _refuse(reason: PairReason, matches: Correspondences, fit: AffineFit | None) -> Verification:
    if fit is None:
        return _rejected(reason, len(matches))
    inliers = matches.select(fit.inliers)
    return Verification(PairVerdict.REJECTED, reason, len(matches), fit.matrix, inliers)


def _rejected(reason: PairReason, num_tentative: int) -> Verification:
    nothing = np.empty(0, np.intp)
    none = Correspondences(nothing, nothing, np.empty(0))
    return Verification(PairVerdict.REJECTED, reason, num_tentative, None, none)


def _comes_first(a: LocalFeatures, b: LocalFeatures) -> bool:
    """Whether a comes before b in an order that depends on content alone."""
    short_a, short_b = (len(a), a.width, a.height), (len(b), b.width, b.height)
    if short_a != short_b:
        return short_a < short_b
    places_a, places_b = a.geometry.tobytes(), b.geometry.tobytes()
    if places_a != places_b:
        return places_a < places_b
    return a.descriptors.tobytes() <= b.descriptors.tobytes()


def _turn_round(found: Verification) -> Verification:
    order = np.argsort(found.inliers.index_b, kind="stable")
    inliers = Correspondences(
        found.inliers.index_b[order], found.inliers.index_a[order], found.inliers.ratio[order]
    )
    matrix = None
    if found.matrix is not None and abs(np.linalg.det(found.matrix[:, :2])) > 0:
        matrix = invert_affine(found.matrix)
    return replace(found, inliers=inliers, matrix=matrix)
