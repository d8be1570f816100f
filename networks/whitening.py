"""Whitening learned from descriptors: supervised by matching pairs, or by their variance alone.

What whitening is learned on must not show the landmarks that it is evaluated on.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Vectors = NDArray[np.float64]

_MIN_NORM = 1e-12
_FIRST_JITTER = 1e-10
_MIN_RELATIVE_VARIANCE = 1e-12


@dataclass(frozen=True, eq=False)
class Whitening:
    """An affine map of descriptors, followed by L2 normalisation.

    Attributes:
        mean: float64 (num_inputs,).
        projection: float64 (dimensions, num_inputs), the most important direction first.
    """

    mean: Vectors
    projection: Vectors

    def apply(self, vectors: ArrayLike) -> NDArray[np.float32]:
        """Whiten and L2-normalise descriptors.

        Args:
            vectors: (..., num_inputs).

        Returns:
            float32 (..., dimensions), of unit length; zero for a descriptor equal to the mean.
        """
        projected = (np.asarray(vectors, np.float64) - self.mean) @ self.projection.T
        norms = np.linalg.norm(projected, axis=-1, keepdims=True)
        unit: NDArray[np.float32] = (projected / np.maximum(norms, _MIN_NORM)).astype(np.float32)
        return unit

    def truncate(self, dimensions: int) -> "Whitening":
        """Keep only the first directions."""
        return Whitening(self.mean, self.projection[:dimensions])


def learn_supervised_whitening(
    vectors: ArrayLike, queries: ArrayLike, positives: ArrayLike
) -> Whitening:
    """Learn whitening from pairs of matching images (Radenović et al. 2019, section 3.4).

    The differences within pairs are made white; then the axes are turned to the principal
    directions of all descriptors. The mean is that of the queries, as in the authors' code.

    Args:
        vectors: (n, d), L2-normalised descriptors.
        queries: int (m,), rows of the first images of the pairs.
        positives: int (m,), rows of the second.

    Returns:
        All d directions, the one of largest scatter first.

    Raises:
        ValueError: there are no pairs, or their numbers differ.
    """
    data = np.asarray(vectors, np.float64)
    query_rows, positive_rows = np.asarray(queries, np.intp), np.asarray(positives, np.intp)
    if len(query_rows) == 0 or len(query_rows) != len(positive_rows):
        raise ValueError(
            f"{len(query_rows)} queries and {len(positive_rows)} positives: supervised whitening "
            "needs pairs; take them from the verified matches of the clean split"
        )
    mean = data[query_rows].mean(axis=0)
    differences = data[query_rows] - data[positive_rows]
    whitener = _invert_factor(differences.T @ differences / len(differences))
    whitened = (data - mean) @ whitener.T
    _, axes = _sorted_eigenvectors(whitened.T @ whitened)
    return Whitening(mean, axes.T @ whitener)


def learn_pca(vectors: ArrayLike, dimensions: int, *, power: float = 1.0) -> Whitening:
    """Learn principal directions, and whiten along them (Jégou and Chum 2012).

    Args:
        vectors: (n, d).
        dimensions: directions to keep, at most d.
        power: each direction is divided by its standard deviation to this power: 1 whitens, 0
            only turns and cuts, as DELF does, a number between shrinks the effect.

    Returns:
        The directions of largest variance first.

    Raises:
        ValueError: more directions are asked for than there are, or than the descriptors vary in.
    """
    data = np.asarray(vectors, np.float64)
    if dimensions > data.shape[1]:
        raise ValueError(f"{dimensions} directions of descriptors of {data.shape[1]} dimensions")
    mean = data.mean(axis=0)
    centred = data - mean
    variances, axes = _sorted_eigenvectors(centred.T @ centred / len(data))
    kept = variances[:dimensions]
    if power > 0 and kept[-1] <= _MIN_RELATIVE_VARIANCE * max(kept[0], _MIN_NORM):
        raise ValueError(
            f"{len(data)} descriptors do not vary in {dimensions} directions; "
            "learn from more of them or keep fewer directions"
        )
    factors = kept ** (-power / 2) if power > 0 else np.ones(dimensions)
    return Whitening(mean, factors[:, None] * axes[:, :dimensions].T)


def _invert_factor(covariance: Vectors) -> Vectors:
    """Inverse of the lower Cholesky factor, of a matrix made positive definite if need be."""
    identity = np.eye(len(covariance))
    jitter = 0.0
    while True:
        try:
            factor = np.linalg.cholesky(covariance + jitter * identity)
        except np.linalg.LinAlgError:
            jitter = jitter * 10 or _FIRST_JITTER
        else:
            return np.linalg.solve(factor, identity)


def _sorted_eigenvectors(matrix: Vectors) -> tuple[Vectors, Vectors]:
    """Eigenvalues, largest first, and eigenvectors as columns, each with a fixed sign."""
    values, vectors = np.linalg.eigh(matrix)
    vectors = vectors[:, ::-1]
    largest = np.abs(vectors).argmax(axis=0)
    signs = np.sign(vectors[largest, np.arange(vectors.shape[1])])
    return values[::-1], vectors * signs
