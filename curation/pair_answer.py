"""What the verifier says of a pair of images."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from curation.correspondences import NO_CORRESPONDENCES, Correspondences
from curation.geometry import Affine, AffineFit, has_inverse, invert_affine
from curation.homography import Homography, HomographyFit, invert_homography
from manifests.rows import PairReason, PairVerdict


@dataclass(frozen=True, eq=False)
class Verification:
    """What the verifier says of a pair.

    With the reasons `FEW_AMONG_STRONGEST` and `ENOUGH_AMONG_STRONGEST` numbers, model and inliers
    are those of a look at the sketches of the strongest features.

    Of most pairs nobody asks for more than verdict, reason and numbers. So model and inliers are
    derived when they are asked for.

    Attributes:
        verdict: verified, duplicate or rejected.
        reason: why.
        num_tentative: correspondences after ratio and mutual test.
        worked_on: the correspondences judged in the end, in the order in which the pair was worked
            on.
        fit: the model that explains some of them, or None.
        is_turned: the pair was worked on in the other order.
    """

    verdict: PairVerdict
    reason: PairReason
    num_tentative: int
    worked_on: Correspondences
    fit: AffineFit | None
    is_turned: bool = False

    @property
    def num_inliers(self) -> int:
        """Number of correspondences that agree with the model."""
        return 0 if self.fit is None else self.fit.num_inliers

    @cached_property
    def inliers(self) -> Correspondences:
        """The correspondences that agree with the model; empty without one."""
        if self.fit is None:
            return NO_CORRESPONDENCES
        found = self.worked_on.select(self.fit.inliers)
        if not self.is_turned:
            return found
        order = found.index_b.argsort()  # no feature has two partners: there are no ties
        return Correspondences(found.index_b[order], found.index_a[order], found.ratio[order])

    @cached_property
    def matrix(self) -> Affine | None:
        """Affine map from image a to image b in pixels of the described images, or None.

        Beside a homography, the affine map nearest to it at the centre of the inliers.
        """
        if self.fit is None or not self.is_turned:
            return None if self.fit is None else self.fit.matrix
        # A guard refuses what collapses the plane; it has no way back.
        return invert_affine(self.fit.matrix) if has_inverse(self.fit.matrix) else None

    @cached_property
    def homography(self) -> Homography | None:
        """The model where it is one, or None."""
        if not isinstance(self.fit, HomographyFit) or self.matrix is None:
            return None
        homography = self.fit.homography
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
            self.worked_on,
            self.fit,
            not self.is_turned,
        )
