"""Descriptors as points in a plane, to be looked at: PCA or t-SNE."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from manifests.evaluation_sets import EvaluationSet
from manifests.strict_model import StrictModel
from training.search import Descriptors

NO_LANDMARK = -1
"""Group of an image that no query is about."""

_MIN_POINTS_FOR_TSNE = 8
_MAX_PERPLEXITY = 30.0


class ProjectionSettings(StrictModel):
    """Which projection, of how many images."""

    method: Literal["tsne", "pca"] = "tsne"
    """t-SNE (van der Maaten and Hinton 2008), or the first two principal components."""
    max_points: int = Field(1500, ge=8)
    """Images of a landmark come first, then others, evenly spread over the database."""
    seed: int = Field(0, ge=0)


def group_by_landmark(evaluation_set: EvaluationSet) -> NDArray[np.int64]:
    """Which landmark each database image shows; queries with an image in common share one.

    Returns:
        int64 (num_database,), the row of the landmark's first query, or `NO_LANDMARK`.
    """
    groups = np.full(len(evaluation_set.database), NO_LANDMARK, np.int64)
    for row, query in enumerate(evaluation_set.queries):
        right = np.array([*query.easy, *query.hard], np.intp)
        met = np.unique(groups[right])
        met = met[met != NO_LANDMARK]
        first = int(met[0]) if len(met) else row
        groups[np.isin(groups, met)] = first
        groups[right] = first
    return groups


def choose_images(
    groups: NDArray[np.int64], descriptors: Descriptors, settings: ProjectionSettings
) -> NDArray[np.intp]:
    """Positions of the images to show, ascending; those without descriptor are left out."""
    usable = ~np.isnan(descriptors).any(axis=1)
    shown = np.flatnonzero(usable & (groups != NO_LANDMARK))
    others = np.flatnonzero(usable & (groups == NO_LANDMARK))
    room = max(0, settings.max_points - len(shown))
    return np.sort(np.concatenate([_spread(shown, settings.max_points), _spread(others, room)]))


def project(descriptors: Descriptors, settings: ProjectionSettings) -> NDArray[np.float64]:
    """Project descriptors into a plane; the same ones always to the same points on one machine.

    t-SNE needs a handful of points; fewer are shown by their principal components.

    Args:
        descriptors: (n, dimensions), n at least 2.
        settings: method and seed.

    Returns:
        float64 (n, 2).
    """
    values = np.asarray(descriptors, np.float64)
    if settings.method == "pca" or len(values) < _MIN_POINTS_FOR_TSNE:
        return _take_principal_components(values)
    # Here, because it takes seconds to load.
    from sklearn.manifold import TSNE

    projector = TSNE(
        perplexity=min(_MAX_PERPLEXITY, (len(values) - 1) / 3),
        init="pca",
        random_state=settings.seed,
    )
    return np.asarray(projector.fit_transform(values), np.float64)


def _spread(positions: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    if len(positions) <= count:
        return positions
    return positions[np.linspace(0, len(positions) - 1, count).round().astype(np.intp)]


def _take_principal_components(values: NDArray[np.float64]) -> NDArray[np.float64]:
    centred = values - values.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    axes = np.concatenate([axes[:2], np.zeros((max(0, 2 - len(axes)), values.shape[1]))])
    # The sign of an axis is arbitrary: the largest entry is made positive.
    largest = np.abs(axes).argmax(axis=1)
    signs = np.where(axes[np.arange(2), largest] < 0, -1.0, 1.0)
    return np.asarray((centred @ axes.T) * signs, np.float64)
