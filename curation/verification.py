"""Do two photographs show the same surface? The one function that answers it."""

import math
from collections.abc import Generator
from dataclasses import replace
from typing import NamedTuple, Self

import numpy as np
from pydantic import Field

from curation.cascade import CascadeSettings, list_looks
from curation.copies import CopySettings, is_copy, may_be_copy
from curation.correspondences import NO_CORRESPONDENCES, Correspondences, match_prepared
from curation.geometry import (
    Affine,
    AffineFit,
    ConsistencyLimits,
    GeometrySettings,
)
from curation.homography import (
    HomographyFit,
    estimate_model,
    is_degenerate_homography,
)
from curation.kernels.point_statistics import gather_places
from curation.matchable_features import MatchableFeatures
from curation.overlays import OverlaySettings, is_pasted, pasted_inliers
from curation.pair_answer import Verification
from curation.pair_order import comes_first
from curation.plausibility import Agreement, GuardSettings, find_objection, overlay_inliers
from curation.sketch_search import Glimpse, SketchSearch
from manifests.features import LocalFeatures
from manifests.rows import PairReason, PairVerdict
from manifests.strict_model import StrictModel

_MIN_CONSISTENT_SHARE = 0.5
"""Least share of the inliers of an affine map that agree on one similarity as well."""
_OVERLAYS = (PairReason.WATERMARK, PairReason.FRAME, PairReason.STATIC_OVERLAY)


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

    def count_all_inliers(self) -> Self:
        """The same, but the inliers of every verified pair are those among all its features.

        For ranks and sums of inliers, which those of a look at the strongest would distort.
        """
        if self.cascade.mode != "decide_early":
            return self
        cascade = self.cascade.model_copy(update={"mode": "reject_early"})
        return self.model_copy(update={"cascade": cascade})


class MatchRequest(NamedTuple):
    """What the verifier wants to have matched: the strongest `num_a` of a with `num_b` of b."""

    a: MatchableFeatures
    b: MatchableFeatures
    num_a: int
    num_b: int
    limits: ConsistencyLimits | None
    """Their sketches are wanted, and which correspondences are consistent; None for whole
    descriptors, and all correspondences."""


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


def verify_prepared(
    a: MatchableFeatures, b: MatchableFeatures, settings: VerificationSettings
) -> Verification:
    """`verify_pair` for images of which both are compared more than once."""
    if comes_first(a.features, b.features):
        return verify_ordered(a, b, settings)
    return verify_ordered(b, a, settings).turn_round()


def verify_ordered(
    a: MatchableFeatures,
    b: MatchableFeatures,
    settings: VerificationSettings,
    search: SketchSearch | None = None,
) -> Verification:
    """`verify_prepared` for a pair in the order in which it is worked on.

    Args:
        a: the image that comes first, as `comes_first` says.
        b: the other.
        settings: thresholds.
        search: the search among their sketches, if a first look was taken already.
    """
    dialogue = _verify_ordered(a, b, settings)
    if search is None:
        search = SketchSearch(a, b, settings.max_ratio, limit_consistency(b, settings))
    try:
        request = next(dialogue)
        while request.limits is not None:
            request = dialogue.send(search.look_at(request.num_a, request.num_b))
        dialogue.send((match_prepared(a, b, settings.max_ratio), None))
    except StopIteration as end:
        found: Verification = end.value
        return found
    raise AssertionError("whole descriptors decide in any case")


def ask_for_matches(
    a: MatchableFeatures, b: MatchableFeatures, settings: VerificationSettings
) -> Generator[MatchRequest, Glimpse, Verification]:
    """Verify a pair with correspondences that the caller finds, for instance on a GPU.

    Yields requests, first for sketches, each for more features than the one before, at last for
    all descriptors. Is sent what `SketchSearch.look_at` gives for each of the first, and the
    correspondences for the last. Returns the answer.
    """
    if comes_first(a.features, b.features):
        return (yield from _verify_ordered(a, b, settings))
    return (yield from _verify_ordered(b, a, settings)).turn_round()


def _verify_ordered(
    a: MatchableFeatures, b: MatchableFeatures, settings: VerificationSettings
) -> Generator[MatchRequest, Glimpse, Verification]:
    if len(a.features) == 0 or len(b.features) == 0:
        return _refuse(PairReason.NO_FEATURES, NO_CORRESPONDENCES, None)
    limits = limit_consistency(b, settings)
    for look in list_looks(len(a), len(b), settings.min_inliers, settings.cascade):
        matches, fit = yield MatchRequest(a, b, look.num_a, look.num_b, limits)
        if fit is None or fit.num_inliers < look.min_consistent:
            return _refuse(PairReason.FEW_AMONG_STRONGEST, matches, fit)
        if _can_verify(fit, settings):
            model = estimate_model(a.features, b.features, matches, settings.geometry)
            if model is None or model.num_inliers < _count_needed(settings):
                continue
            if _is_beyond_doubt(a.features, b.features, matches, model, settings):
                return _verify(PairReason.ENOUGH_AMONG_STRONGEST, matches, model)
            # More sketches would leave the same doubt.
            break
    matches, _ = yield MatchRequest(a, b, len(a), len(b), None)
    found = _judge(a.features, b.features, matches, settings)
    if found.reason not in _OVERLAYS or found.matrix is None:
        return found
    return _judge_without_overlay(a.features, b.features, matches, found, settings)


def limit_consistency(b: MatchableFeatures, settings: VerificationSettings) -> ConsistencyLimits:
    """What is consistent for a look at a pair; b is the image that comes second."""
    geometry, cascade = settings.geometry, settings.cascade
    return ConsistencyLimits(
        geometry.max_hypotheses,
        geometry.max_scale,
        geometry.hypothesis_tolerance * b.features.long_side,
        cascade.max_octaves,
        math.radians(cascade.max_turn_deg),
    )


def _can_verify(consistent: AffineFit, settings: VerificationSettings) -> bool:
    """Of the inliers of any true map most agree in scale and orientation too."""
    return settings.cascade.mode == "decide_early" and (
        consistent.num_inliers >= _MIN_CONSISTENT_SHARE * _count_needed(settings)
    )


def _count_needed(settings: VerificationSettings) -> float:
    """Inliers with which a look verifies a pair."""
    return settings.cascade.min_inlier_share * settings.min_inliers


def _is_beyond_doubt(
    a: LocalFeatures,
    b: LocalFeatures,
    matches: Correspondences,
    fit: AffineFit,
    settings: VerificationSettings,
) -> bool:
    """Whether enough inliers of a look verify a pair, or only all descriptors can tell."""
    # Whether a pair is a copy depends on how many of all features agree.
    if may_be_copy(b, _get_affine(fit), settings.copies):
        return False
    return _find_objection(a, b, matches.select(fit.inliers), fit, settings) is None


def _judge(
    a: LocalFeatures, b: LocalFeatures, matches: Correspondences, settings: VerificationSettings
) -> Verification:
    fit = estimate_model(a, b, matches, settings.geometry)
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
    found = _verify(PairReason.ENOUGH_INLIERS, matches, fit)
    if is_copy(a, b, _get_affine(fit), settings.copies):
        return replace(found, verdict=PairVerdict.DUPLICATE, reason=PairReason.NEAR_DUPLICATE)
    return found


def _get_affine(fit: AffineFit) -> AffineFit:
    """A homography explains any view of a flat thing to the pixel; a copy is affine."""
    return fit.affine if isinstance(fit, HomographyFit) else fit


def _find_objection(
    a: LocalFeatures,
    b: LocalFeatures,
    inliers: Correspondences,
    fit: AffineFit,
    settings: VerificationSettings,
) -> PairReason | None:
    agreement = _agreement(a, b, inliers, fit.matrix)
    if isinstance(fit, HomographyFit) and is_degenerate_homography(
        fit.homography, agreement.xy_a, settings.guards
    ):
        return PairReason.DEGENERATE_MODEL
    objection = find_objection(agreement, settings.guards)
    if objection is None and is_pasted(a, b, agreement, settings.overlays):
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
    agreement = _agreement(a, b, found.inliers, found.matrix)
    if found.reason is PairReason.STATIC_OVERLAY:
        overlay = pasted_inliers(b, agreement, settings.overlays)
    else:
        overlay = overlay_inliers(agreement, settings.guards)
    rest = matches.select(~np.isin(matches.index_a, found.inliers.index_a[overlay]))
    again = _judge(a, b, rest, settings)
    if again.verdict is PairVerdict.REJECTED:
        return found
    return replace(again, num_tentative=len(matches))


def _agreement(
    a: LocalFeatures, b: LocalFeatures, inliers: Correspondences, matrix: Affine
) -> Agreement:
    return Agreement(
        xy_a=gather_places(a.geometry_codes, inliers.index_a),
        xy_b=gather_places(b.geometry_codes, inliers.index_b),
        matrix=matrix,
        shape_a=(a.width, a.height),
        shape_b=(b.width, b.height),
    )


def _refuse(reason: PairReason, matches: Correspondences, fit: AffineFit | None) -> Verification:
    return _answer(PairVerdict.REJECTED, reason, matches, fit)


def _verify(reason: PairReason, matches: Correspondences, fit: AffineFit) -> Verification:
    return _answer(PairVerdict.VERIFIED, reason, matches, fit)


def _answer(
    verdict: PairVerdict, reason: PairReason, matches: Correspondences, fit: AffineFit | None
) -> Verification:
    num_inliers = 0 if fit is None else fit.num_inliers
    return Verification(verdict, reason, len(matches), num_inliers, lambda: (matches, fit))
