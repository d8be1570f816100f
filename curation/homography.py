"""The map between two views of a plane, refined from the affine map that most features agree with.

An affine map explains a plane seen from far away; a homography explains it at any distance. Its
two further unknowns let a long façade keep the inliers at both of its ends.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curation.correspondences import Correspondences
from curation.geometry import Affine, AffineFit, GeometrySettings, Points, estimate_affine
from curation.kernels.affine_search import gather_points
from curation.kernels.homography_search import search_homography
from curation.plausibility import GuardSettings, is_degenerate
from manifests.features import LocalFeatures

Homography = NDArray[np.float64]
"""float64 (3, 3), from pixels of image a to pixels of image b, of unit length (Frobenius norm).
Its sign gives the inliers a positive third coordinate."""


@dataclass(frozen=True, eq=False)
class HomographyFit(AffineFit):
    """A homography and the correspondences that agree with it.

    Attributes:
        matrix: the affine map that comes nearest to it at the centre of the inliers.
        inliers: bool (n,), one per correspondence.
        residuals_px: float64 (n,), distance in image b; infinite behind the vanishing line.
        homography: `Homography`.
        affine: the fit that it was refined from.
    """

    homography: Homography
    affine: AffineFit


def estimate_model(
    features_a: LocalFeatures,
    features_b: LocalFeatures,
    matches: Correspondences,
    settings: GeometrySettings,
) -> AffineFit | None:
    """The map that most correspondences agree with, of the kind that the settings ask for.

    Args:
        features_a: features of image a.
        features_b: features of image b.
        matches: tentative correspondences.
        settings: kind of model, tolerances and numbers of trials.

    Returns:
        As `estimate_affine`; where a homography is asked for and explains more, a `HomographyFit`.
    """
    fit = estimate_affine(features_a, features_b, matches, settings)
    if fit is None or settings.model == "affine":
        return fit
    return refine_homography(features_a, features_b, matches, fit, settings)


def refine_homography(
    features_a: LocalFeatures,
    features_b: LocalFeatures,
    matches: Correspondences,
    affine: AffineFit,
    settings: GeometrySettings,
) -> AffineFit:
    """Fit homographies to the inliers of an affine map, again and again; no random numbers.

    Returns:
        The best of them, or the affine map where none explains more.
    """
    points = gather_points(
        features_a.geometry_codes,
        features_b.geometry_codes,
        matches.index_a,
        matches.index_b,
    )
    tolerance_px = settings.tolerance * features_b.long_side
    total_px = float(affine.residuals_px[affine.inliers].sum())
    is_found, flat, squared = search_homography(
        points, affine.inliers, total_px, tolerance_px, settings.num_refinements
    )
    if not is_found:
        return affine
    inliers = squared <= tolerance_px * tolerance_px
    homography = _scale(flat.reshape(3, 3))
    centre = points[:2, inliers].mean(axis=1)
    matrix = linearise_homography(homography, centre)
    return HomographyFit(matrix, inliers, np.sqrt(squared), homography, affine)


def apply_homography(homography: Homography, xy: Points) -> Points:
    """Map points (n, 2)."""
    mapped = np.column_stack([xy, np.ones(len(xy))]) @ homography.T
    return np.asarray(mapped[:, :2] / mapped[:, 2:])


def is_invertible(homography: Homography) -> bool:
    """Whether the map keeps the plane a plane."""
    return bool(np.linalg.det(homography) != 0)


def invert_homography(homography: Homography) -> Homography:
    """The map from image b back to image a, with the sign that makes inliers positive there.

    Raises:
        numpy.linalg.LinAlgError: the matrix collapses the plane.
    """
    return _scale(np.asarray(np.linalg.inv(homography), np.float64))


def linearise_homography(homography: Homography, centre: Points) -> Affine:
    """The affine map with the value and the derivative of a homography at a point (2,)."""
    x, y, depth = homography @ [*centre, 1.0]
    image = np.array([x, y]) / depth
    linear = (homography[:2, :2] - np.outer(image, homography[2, :2])) / depth
    return np.column_stack([linear, image - linear @ centre])


def is_degenerate_homography(
    homography: Homography, inliers: Points, settings: GuardSettings
) -> bool:
    """Whether a homography folds, mirrors, or scales or stretches beyond belief at any inlier.

    Args:
        homography: the map.
        inliers: its inliers in image a, (n, 2).
        settings: limits.
    """
    depths = np.column_stack([inliers, np.ones(len(inliers))]) @ homography[2]
    if not np.isfinite(homography).all() or (depths <= 0).any():
        return True
    # The outermost inliers have the extremes of scale and stretch.
    columns = (depths, inliers[:, 0], inliers[:, 1])
    outermost = {int(end) for column in columns for end in (column.argmin(), column.argmax())}
    return any(
        is_degenerate(linearise_homography(homography, inliers[number]), settings)
        for number in outermost
    )


def _scale(homography: Homography) -> Homography:
    return homography / np.linalg.norm(homography)
