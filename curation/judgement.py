"""What the correspondences of a pair say: the verdict, its reason and its evidence."""

from dataclasses import replace
from enum import Enum, auto

import numpy as np

from curation.copies import is_copy, may_be_copy
from curation.correspondences import Correspondences
from curation.geometry import Affine, AffineFit
from curation.homography import HomographyFit, estimate_model, is_degenerate_homography
from curation.kernels.point_statistics import gather_places
from curation.overlays import is_pasted, pasted_inliers
from curation.pair_answer import Verification
from curation.plausibility import Agreement, find_objection, overlay_inliers
from curation.verification_settings import VerificationSettings
from manifests.features import LocalFeatures
from manifests.rows import PairReason, PairVerdict

_MIN_CONSISTENT_SHARE = 0.5
"""Least share of the inliers of an affine map that agree on one similarity as well."""
_OVERLAYS = (PairReason.WATERMARK, PairReason.FRAME, PairReason.STATIC_OVERLAY)


class Doubt(Enum):
    """Why a look does not verify a pair."""

    TOO_FEW = auto()
    """More sketches may tell."""
    OF_ANOTHER_KIND = auto()
    """More sketches would leave the same doubt: all descriptors must tell."""


def judge(
    a: LocalFeatures, b: LocalFeatures, matches: Correspondences, settings: VerificationSettings
) -> Verification:
    """Judge a pair by its correspondences.

    Args:
        a: features of image a.
        b: features of image b.
        matches: tentative correspondences of all their descriptors.
        settings: thresholds.
    """
    found = _judge(a, b, matches, settings)
    if found.reason not in _OVERLAYS or found.matrix is None:
        return found
    return _judge_without_overlay(a, b, matches, found, settings)


def can_look_verify(num_consistent: int, settings: VerificationSettings) -> bool:
    """Of the inliers of any true map most agree in scale and orientation too."""
    return settings.cascade.mode == "decide_early" and (
        num_consistent >= _MIN_CONSISTENT_SHARE * _count_needed(settings)
    )


def judge_look(
    a: LocalFeatures, b: LocalFeatures, matches: Correspondences, settings: VerificationSettings
) -> Verification | Doubt:
    """Verify a pair by the correspondences of its strongest sketches, if they leave no doubt."""
    fit = estimate_model(a, b, matches, settings.geometry)
    if fit is None or fit.num_inliers < _count_needed(settings):
        return Doubt.TOO_FEW
    # Whether a pair is a copy depends on how many of all features agree.
    if may_be_copy(b, _get_affine(fit), settings.copies):
        return Doubt.OF_ANOTHER_KIND
    if _find_objection(a, b, matches.select(fit.inliers), fit, settings) is not None:
        return Doubt.OF_ANOTHER_KIND
    return _verify(PairReason.ENOUGH_AMONG_STRONGEST, matches, fit)


def _count_needed(settings: VerificationSettings) -> float:
    """Inliers with which a look verifies a pair."""
    return settings.cascade.min_inlier_share * settings.min_inliers


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
