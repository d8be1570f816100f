"""What the verifier says of a pair of images."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from curation.correspondences import NO_CORRESPONDENCES, Correspondences
from curation.geometry import Affine, AffineFit, has_inverse, invert_affine
from curation.homography import Homography, HomographyFit, invert_homography, is_invertible
from manifests.rows import PairReason, PairVerdict

Evidence = tuple[Correspondences, AffineFit | None]
"""Correspondences, in the order in which the pair was worked on, and what explains some of them."""


@dataclass(frozen=True, eq=False)
class Verification:
    """What the verifier says of a pair.

    With the reasons `FEW_AMONG_STRONGEST` and `ENOUGH_AMONG_STRONGEST` numbers, inliers and model
    are those of a look at the sketches of the strongest features. A look that rejects fits no
    model: its inliers are correspondences that agree in place, scale and orientation.

    Of most pairs nobody asks for more than verdict, reason and numbers. So inliers and model are
    derived when they are asked for.

    Attributes:
        verdict: verified, duplicate or rejected.
        reason: why.
        num_tentative: correspondences after ratio and mutual test.
        num_inliers: those of them that agree.
        find_evidence: gives the correspondences judged in the end; may take as long as a look.
        is_turned: the pair was worked on in the other order.
    """

    verdict: PairVerdict
    reason: PairReason
    num_tentative: int
    num_inliers: int
    find_evidence: Callable[[], Evidence]
    is_turned: bool = False

    @cached_property
    def inliers(self) -> Correspondences:
        """The correspondences that agree; empty where none do."""
        matches, fit = self._evidence
        if fit is None:
            return NO_CORRESPONDENCES
        found = matches.select(fit.inliers)
        if not self.is_turned:
            return found
        order = found.index_b.argsort()  # no feature has two partners: there are no ties
        return Correspondences(found.index_b[order], found.index_a[order], found.ratio[order])

    @cached_property
    def matrix(self) -> Affine | None:
        """Affine map from image a to image b in pixels of the described images, or None.

        Beside a homography, the affine map nearest to it at the centre of the inliers.
        """
        fit = self._model
        if fit is None or not self.is_turned:
            return None if fit is None else fit.matrix
        # A guard refuses what collapses the plane; it has no way back.
        return invert_affine(fit.matrix) if _has_way_back(fit) else None

    @cached_property
    def homography(self) -> Homography | None:
        """The model where it is one, or None."""
        fit = self._model
        if not isinstance(fit, HomographyFit) or self.matrix is None:
            return None
        homography = fit.homography
        return invert_homography(homography) if self.is_turned else homography

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

    def turn_round(self) -> "Verification":
        """The same answer for the pair the other way round."""
        return Verification(
            self.verdict,
            self.reason,
            self.num_tentative,
            self.num_inliers,
            self.find_evidence,
            not self.is_turned,
        )

    @cached_property
    def _evidence(self) -> Evidence:
        return self.find_evidence()

    @property
    def _model(self) -> AffineFit | None:
        return None if self.reason is PairReason.FEW_AMONG_STRONGEST else self._evidence[1]


def _has_way_back(fit: AffineFit) -> bool:
    # Rounding can leave an inverse to the affine map beside a homography that has none.
    if isinstance(fit, HomographyFit) and not is_invertible(fit.homography):
        return False
    return has_inverse(fit.matrix)
