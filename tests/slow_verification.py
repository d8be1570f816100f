"""The matching and the geometry once more, written for the reader: plain numpy, exhaustive.

The package's own code must come to the same answers.
"""

import numpy as np

from curation.correspondences import Correspondences
from curation.geometry import AffineFit, apply_affine

_FLAT = 1e-4


def square_distances(a, b):
    """All squared distances between descriptors, int64 (n, m)."""
    a, b = a.astype(np.int64), b.astype(np.int64)
    return (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None, :] - 2 * a @ b.T


def match_features_slowly(a, b, max_ratio):
    """Mutual nearest neighbours that pass the ratio test, one per place."""
    if len(a) == 0 or len(b) < 2:
        return Correspondences(np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0))
    squared = square_distances(a.descriptors, b.descriptors)
    rows = np.arange(len(a))
    nearest = squared.argmin(axis=1)
    mutual = squared.argmin(axis=0)[nearest] == rows
    best, second = np.sort(squared, axis=1)[:, :2].T
    kept = mutual & (best <= max_ratio**2 * second) & (second > 0)
    ratio = np.sqrt(best[kept] / second[kept])
    matches = Correspondences(rows[kept], nearest[kept], ratio)
    best_first = np.argsort(matches.ratio, kind="stable")
    best_first = best_first[_first_of_each(_places(a)[matches.index_a[best_first]])]
    best_first = best_first[_first_of_each(_places(b)[matches.index_b[best_first]])]
    chosen = np.zeros(len(matches), np.bool_)
    chosen[best_first] = True
    return matches.select(chosen)


def _places(features):
    return features.geometry["x"].astype(np.int64) << 16 | features.geometry["y"]


def _first_of_each(keys):
    _, first = np.unique(keys, return_index=True)
    return np.sort(first)


def estimate_affine_slowly(features_a, features_b, matches, settings):
    """The affine map that most correspondences agree with, or None."""
    xy_a, xy_b = features_a.xy[matches.index_a], features_b.xy[matches.index_b]
    hypotheses = propose_similarities_slowly(features_a, features_b, matches, settings)
    scale = np.hypot(hypotheses[:, 0, 0], hypotheses[:, 1, 0])
    limits_px = settings.hypothesis_tolerance * features_b.long_side * np.clip(scale, 0.5, 2.0)
    agreeing = _residuals_px(hypotheses, xy_a, xy_b) <= limits_px[:, None]
    best = np.argsort(-agreeing.sum(axis=1), kind="stable")[: settings.num_refined]
    fits = [_refine(xy_a, xy_b, agreeing[i], features_b.long_side, settings) for i in best]
    return _find_best([fit for fit in fits if fit is not None])


def propose_similarities_slowly(features_a, features_b, matches, settings):
    """One similarity per correspondence whose change of scale is allowed; (k, 2, 3)."""
    scale = features_b.size[matches.index_b] / features_a.size[matches.index_a]
    turn = features_b.angle[matches.index_b] - features_a.angle[matches.index_a]
    usable = np.flatnonzero((scale <= settings.max_scale) & (scale >= 1 / settings.max_scale))
    if len(usable) > settings.max_hypotheses:
        usable = usable[np.arange(settings.max_hypotheses) * len(usable) // settings.max_hypotheses]
    cos, sin = scale[usable] * np.cos(turn[usable]), scale[usable] * np.sin(turn[usable])
    linear = np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], axis=1)
    xy_a = features_a.xy[matches.index_a[usable]]
    xy_b = features_b.xy[matches.index_b[usable]]
    shift = xy_b - np.einsum("nij,nj->ni", linear, xy_a)
    return np.concatenate([linear, shift[:, :, None]], axis=2)


def find_consistent_slowly(features_a, features_b, matches, settings, max_octaves, max_turn_deg):
    """For the best similarity, which correspondences agree in place, scale and orientation."""
    hypotheses = propose_similarities_slowly(features_a, features_b, matches, settings)
    xy_a, xy_b = features_a.xy[matches.index_a], features_b.xy[matches.index_b]
    octaves = np.log2(features_b.size[matches.index_b] / features_a.size[matches.index_a])
    turn_deg = np.rad2deg(features_b.angle[matches.index_b] - features_a.angle[matches.index_a])
    best = np.zeros(len(matches), np.bool_)
    for matrix in hypotheses:
        scale = np.hypot(matrix[0, 0], matrix[1, 0])
        tolerance = settings.hypothesis_tolerance * np.clip(scale, 0.5, 2.0)
        agreeing = _residuals_px(matrix, xy_a, xy_b) <= tolerance * features_b.long_side
        agreeing &= np.abs(octaves - np.log2(scale)) <= max_octaves
        difference_deg = turn_deg - np.rad2deg(np.arctan2(matrix[1, 0], matrix[0, 0]))
        agreeing &= np.abs((difference_deg + 180) % 360 - 180) <= max_turn_deg
        if agreeing.sum() > best.sum():
            best = agreeing
    return best


def fit_affine_slowly(xy_a, xy_b):
    """Least squares by the general solver; None for points that determine no map."""
    if len(xy_a) < 3 or _on_a_line(xy_a) or _on_a_line(xy_b):
        return None
    return np.linalg.lstsq(np.column_stack([xy_a, np.ones(len(xy_a))]), xy_b, rcond=None)[0].T


def _refine(xy_a, xy_b, inliers, long_side_px, settings):
    shares = np.linspace(
        settings.hypothesis_tolerance, settings.tolerance, settings.num_refinements
    )
    fits = []
    for tolerance_px in shares * long_side_px:
        matrix = fit_affine_slowly(xy_a[inliers], xy_b[inliers])
        if matrix is None:
            break
        residuals_px = _residuals_px(matrix, xy_a, xy_b)
        inliers = residuals_px <= tolerance_px
        counted = residuals_px <= settings.tolerance * long_side_px
        fits.append(AffineFit(matrix, counted, residuals_px))
    return _find_best(fits)


def _residuals_px(matrix, xy_a, xy_b):
    return np.linalg.norm(apply_affine(matrix, xy_a) - xy_b, axis=-1)


def _find_best(fits):
    """Most inliers; of equals the smaller sum of residuals; the first if only rounding differs."""
    best = None
    for fit in fits:
        if best is None or _is_better(fit, best):
            best = fit
    return best


def _is_better(fit, best):
    if fit.num_inliers != best.num_inliers:
        return fit.num_inliers > best.num_inliers
    return _sum(fit) < _sum(best) - 1e-6


def _sum(fit):
    return fit.residuals_px[fit.inliers].sum()


def _on_a_line(xy):
    centred = xy - xy.mean(axis=0)
    smaller, larger = np.linalg.eigvalsh(centred.T @ centred)
    return smaller <= _FLAT**2 * larger
