"""Do two photographs show the same surface? The one function that answers it."""

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, Self

import numpy as np
from pydantic import Field

from curation.cascade import CascadeSettings, Look, list_looks
from curation.copies import CopySettings, is_copy, may_be_copy
from curation.correspondences import Correspondences, MatchableFeatures, PairSearch
from curation.geometry import (
    Affine,
    AffineFit,
    GeometrySettings,
    find_consistent,
    has_inverse,
    invert_affine,
)
from curation.homography import (
    Homography,
    HomographyFit,
    estimate_model,
    invert_homography,
    is_degenerate_homography,
)
from curation.kernels.point_statistics import gather_places
from curation.overlays import OverlaySettings, is_pasted, pasted_inliers
from curation.pair_order import comes_first
from curation.plausibility import Agreement, GuardSettings, find_objection, overlay_inliers
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


@dataclass(frozen=True, eq=False)
class Verification:
    """What the verifier says of a pair.

    With the reasons `FEW_AMONG_STRONGEST` and `ENOUGH_AMONG_STRONGEST` numbers, model and inliers
    are those of a look at the strongest features.

    Attributes:
        verdict: verified, duplicate or rejected.
        reason: why.
        num_tentative: correspondences after ratio and mutual test.
        matrix: affine map from image a to image b in pixels of the described images, or None;
            beside a homography, the affine map nearest to it at the centre of the inliers.
        inliers: the correspondences that agree with the model; empty without one.
        homography: the model where it is one, or None.
    """

    verdict: PairVerdict
    reason: PairReason
    num_tentative: int
    matrix: Affine | None
    inliers: Correspondences
    homography: Homography | None = None

    @property
    def num_inliers(self) -> int:
        """Number of correspondences that agree with the model."""
        return len(self.inliers)

    @property
    def model(self) -> Literal["affine", "homography"] | None:
        """Kind of the model, None without one."""
        if self.matrix is None:
            return None
        return "affine" if self.homography is None else "homography"

    @property
    def transform(self) -> list[float] | None:
        """The model, row by row: 6 numbers of an affine map, 9 of a homography, None without."""
        model = self.matrix if self.homography is None else self.homography
        return None if model is None else [float(value) for value in model.ravel()]


class MatchRequest(NamedTuple):
    """What the verifier wants to have matched: the strongest `num_a` of a with `num_b` of b."""

    a: MatchableFeatures
    b: MatchableFeatures
    num_a: int
    num_b: int


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

    What matching needs of the query is prepared once. Candidates are taken one at a time, so that
    they may come from files.
    """
    prepared = MatchableFeatures(query)
    for candidate in candidates:
        yield verify_prepared(prepared, MatchableFeatures(candidate), settings)


def verify_prepared(
    a: MatchableFeatures, b: MatchableFeatures, settings: VerificationSettings
) -> Verification:
    """`verify_pair` for images of which both are compared more than once."""
    dialogue = ask_for_matches(a, b, settings)
    try:
        request = next(dialogue)
        search = PairSearch(request.a, request.b, settings.max_ratio)
        while True:
            request = dialogue.send(search.match_strongest(request.num_a, request.num_b))
    except StopIteration as end:
        found: Verification = end.value
        return found


def ask_for_matches(
    a: MatchableFeatures, b: MatchableFeatures, settings: VerificationSettings
) -> Generator[MatchRequest, Correspondences, Verification]:
    """Verify a pair with correspondences that the caller finds, for instance on a GPU.

    Yields requests, each for at least as many features as the one before, is sent what
    `PairSearch.match_strongest` gives for each, and returns the answer.
    """
    if comes_first(a.features, b.features):
        return (yield from _verify_ordered(a, b, settings))
    return _turn_round((yield from _verify_ordered(b, a, settings)))


def _verify_ordered(
    a: MatchableFeatures, b: MatchableFeatures, settings: VerificationSettings
) -> Generator[MatchRequest, Correspondences, Verification]:
    if len(a.features) == 0 or len(b.features) == 0:
        return _rejected(PairReason.NO_FEATURES, 0)
    for look in list_looks(len(a), len(b), settings.min_inliers, settings.cascade):
        matches = yield MatchRequest(a, b, look.num_a, look.num_b)
        early = _decide_early(a.features, b.features, matches, look, settings)
        if early is not None:
            return early
    matches = yield MatchRequest(a, b, len(a), len(b))
    found = _judge(a.features, b.features, matches, settings)
    if found.reason not in _OVERLAYS or found.matrix is None:
        return found
    return _judge_without_overlay(a.features, b.features, matches, found, settings)


def _decide_early(
    a: LocalFeatures,
    b: LocalFeatures,
    matches: Correspondences,
    look: Look,
    settings: VerificationSettings,
) -> Verification | None:
    """What a look at the strongest features says of a pair; None where that is not enough."""
    cascade = settings.cascade
    fit = find_consistent(
        a,
        b,
        matches,
        settings.geometry,
        max_octaves=cascade.max_octaves,
        max_turn_deg=cascade.max_turn_deg,
    )
    if fit is None or fit.num_inliers < look.min_consistent:
        return _refuse(PairReason.FEW_AMONG_STRONGEST, matches, fit)
    needed = cascade.min_inlier_share * settings.min_inliers
    # Of the inliers of any true map most agree in scale and orientation too.
    if cascade.mode == "reject_early" or fit.num_inliers < _MIN_CONSISTENT_SHARE * needed:
        return None
    fit = estimate_model(a, b, matches, settings.geometry)
    if fit is None or fit.num_inliers < needed:
        return None
    # Whether a pair is a copy depends on how many of all features agree.
    if may_be_copy(b, _get_affine(fit), settings.copies):
        return None
    if _find_objection(a, b, matches.select(fit.inliers), fit, settings) is not None:
        return None
    return _tell(PairVerdict.VERIFIED, PairReason.ENOUGH_AMONG_STRONGEST, matches, fit)


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
    if is_copy(a, b, _get_affine(fit), settings.copies):
        verdict, reason = PairVerdict.DUPLICATE, PairReason.NEAR_DUPLICATE
    else:
        verdict, reason = PairVerdict.VERIFIED, PairReason.ENOUGH_INLIERS
    return _tell(verdict, reason, matches, fit)


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
    if fit is None:
        return _rejected(reason, len(matches))
    return _tell(PairVerdict.REJECTED, reason, matches, fit)


def _tell(
    verdict: PairVerdict, reason: PairReason, matches: Correspondences, fit: AffineFit
) -> Verification:
    homography = fit.homography if isinstance(fit, HomographyFit) else None
    inliers = matches.select(fit.inliers)
    return Verification(verdict, reason, len(matches), fit.matrix, inliers, homography)


def _rejected(reason: PairReason, num_tentative: int) -> Verification:
    nothing = np.empty(0, np.intp)
    none = Correspondences(nothing, nothing, np.empty(0))
    return Verification(PairVerdict.REJECTED, reason, num_tentative, None, none)


def _turn_round(found: Verification) -> Verification:
    inliers, matrix = found.inliers, None
    order = inliers.index_b.argsort()  # no feature has two partners: there are no ties
    inliers = Correspondences(inliers.index_b[order], inliers.index_a[order], inliers.ratio[order])
    # A guard refuses what collapses the plane; it has no way back.
    if found.matrix is not None and has_inverse(found.matrix):
        matrix = invert_affine(found.matrix)
    homography = None
    if matrix is not None and found.homography is not None:
        homography = invert_homography(found.homography)
    return Verification(
        found.verdict, found.reason, found.num_tentative, matrix, inliers, homography
    )
