"""VLAD: a global descriptor that needs no weights, only the run's own local features.

Residuals to a learned codebook are summed per visual word (Jégou et al. 2010), each word's sum is
normalised on its own (intra-normalisation, Arandjelovic and Zisserman 2013), and the result is
reduced and whitened by PCA (Jégou and Chum 2012).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from manifests.atomic import replacing
from manifests.features import DESCRIPTOR_BYTES, EmbeddingInput, LocalFeatures
from manifests.strict_model import StrictModel

_ROOT_SIFT_UNIT = 256.0
_MIN_NORM = 1e-6


class VladSettings(StrictModel):
    """Size of the codebook and of the descriptor, and what they are learned from."""

    num_words: int = Field(64, ge=2, le=4096)
    """Visual words of the codebook."""
    dimensions: int = Field(256, ge=2, le=4096)
    """Length of a descriptor; fewer where there are not enough images to learn it from."""
    num_training_images: int = Field(2048, ge=2)
    """Images that codebook and whitening are learned from, at most."""
    num_training_features: int = Field(65_536, ge=100)
    """Local features that the codebook is learned from, at most."""
    whitening_shrinkage: float = Field(0.1, ge=0)
    """Share of the mean variance added to every variance before whitening, which otherwise blows
    up the noise in directions that the training images hardly vary in."""
    seed: int = Field(0, ge=0)
    """Of the k-means clustering."""


@dataclass(frozen=True, eq=False)
class Vlad:
    """A learned codebook and projection; implements `manifests.features.Embedder`.

    Attributes:
        words: float32 (num_words, 128), centres of RootSIFT descriptors of unit length.
        mean: float32 (num_words * 128,), mean of the training images' aggregates.
        projection: float32 (num_words * 128, dimensions), PCA and whitening.
    """

    words: NDArray[np.float32]
    mean: NDArray[np.float32]
    projection: NDArray[np.float32]

    @property
    def dimensions(self) -> int:
        """Length of a descriptor."""
        return int(self.projection.shape[1])

    def embed(self, images: Sequence[EmbeddingInput]) -> list[NDArray[np.float32] | None]:
        """Describe images; None for an image without local features."""
        return [self.describe(image.load_features()) for image in images]

    def describe(self, features: LocalFeatures) -> NDArray[np.float32] | None:
        """Global descriptor of one image, float32 (dimensions,) of unit length, or None."""
        if len(features) == 0:
            return None
        projected = (aggregate(features, self.words) - self.mean) @ self.projection
        norm = float(np.linalg.norm(projected))
        # An image that equals the mean of all has no direction; it is like no other image.
        return None if norm < _MIN_NORM else (projected / norm).astype(np.float32)


def learn_vlad(images: Sequence[LocalFeatures], settings: VladSettings) -> Vlad:
    """Learn codebook and whitening from images' local features.

    Args:
        images: features of the training images, in an order that does not depend on chance.
        settings: sizes.

    Returns:
        The embedder. Its dimensions are at most half the number of images.

    Raises:
        ValueError: fewer than two images have features, or all have the same.
    """
    described = [features for features in images if len(features)]
    if len(described) < 2:
        raise ValueError(
            f"the global descriptor is learned from the run's own images, and only "
            f"{len(described)} of {len(images)} have local features; "
            "look at the statuses in the features table"
        )
    words = _learn_words(described, settings)
    aggregates = np.stack([aggregate(features, words) for features in described])
    mean, projection = _learn_whitening(aggregates, settings)
    return Vlad(words, mean, projection)


def aggregate(features: LocalFeatures, words: NDArray[np.float32]) -> NDArray[np.float32]:
    """Intra-normalised VLAD of one image, float32 (num_words * 128,) of unit length."""
    descriptors = _as_unit_vectors(features.descriptors)
    nearest = _nearest_word(descriptors, words)
    sums = np.zeros_like(words)
    np.add.at(sums, nearest, descriptors - words[nearest])
    norms = np.linalg.norm(sums, axis=1, keepdims=True)
    normalised = np.divide(sums, norms, out=np.zeros_like(sums), where=norms > _MIN_NORM).ravel()
    length = max(float(np.linalg.norm(normalised)), _MIN_NORM)
    unit: NDArray[np.float32] = (normalised / length).astype(np.float32)
    return unit


def save_vlad(path: Path, vlad: Vlad) -> None:
    """Write the embedder to one file, whole or not at all; the bytes depend on the values alone."""
    with replacing(path) as temporary, temporary.open("wb") as stream:
        for array in _arrays(vlad):
            np.save(stream, array, allow_pickle=False)


def load_vlad(path: Path) -> Vlad:
    """Read what `save_vlad` wrote.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no such embedder.
    """
    try:
        with path.open("rb") as stream:
            vlad = Vlad(*(np.load(stream, allow_pickle=False) for _ in range(3)))
        if not _fit_together(vlad):
            raise ValueError(f"arrays of shapes {[a.shape for a in _arrays(vlad)]}")
    except (ValueError, EOFError) as error:
        remedy = "delete it and run the embed stage again"
        raise ValueError(f"{path}: not a VLAD codebook ({error}); {remedy}") from error
    return vlad


def _arrays(vlad: Vlad) -> tuple[NDArray[np.float32], ...]:
    return vlad.words, vlad.mean, vlad.projection


def _fit_together(vlad: Vlad) -> bool:
    size = vlad.words.size
    return (
        vlad.words.shape[1:] == (DESCRIPTOR_BYTES,)
        and vlad.mean.shape == (size,)
        and vlad.projection.shape[:-1] == (size,)
    )


def _as_unit_vectors(descriptors: NDArray[np.uint8]) -> NDArray[np.float32]:
    return descriptors.astype(np.float32) / np.float32(_ROOT_SIFT_UNIT)


def _nearest_word(descriptors: NDArray[np.float32], words: NDArray[np.float32]) -> NDArray[np.intp]:
    half_squares = np.einsum("ij,ij->i", words, words) / 2
    return np.asarray((descriptors @ words.T - half_squares).argmax(axis=1))


def _learn_words(images: Sequence[LocalFeatures], settings: VladSettings) -> NDArray[np.float32]:
    per_image = max(1, settings.num_training_features // len(images))
    # Strongest first: a prefix of every image is its most repeatable part.
    sample = np.concatenate([features.descriptors[:per_image] for features in images])
    # A word of its own for every feature would leave no residuals to sum.
    num_words = min(settings.num_words, len(sample) // 2)
    kmeans = faiss.Kmeans(
        DESCRIPTOR_BYTES,
        num_words,
        seed=settings.seed,
        min_points_per_centroid=1,
        max_points_per_centroid=len(sample),
    )
    kmeans.train(_as_unit_vectors(sample))
    return np.asarray(kmeans.centroids, np.float32)


def _learn_whitening(
    aggregates: NDArray[np.float32], settings: VladSettings
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    mean = aggregates.mean(axis=0, dtype=np.float64)
    centred = aggregates - mean
    # The Gram matrix of the images is smaller than the covariance of the dimensions.
    variances, vectors = np.linalg.eigh(centred @ centred.T / len(centred))
    num_kept = _num_kept(variances, len(centred), settings.dimensions)
    if num_kept == 0:
        raise ValueError(
            f"the global descriptor is learned from the differences between images, and all "
            f"{len(centred)} have the same local features; add images of other things"
        )
    variances, vectors = variances[::-1][:num_kept], vectors[:, ::-1][:, :num_kept]
    axes = centred.T @ vectors / np.sqrt(variances * len(centred))
    shrunk = variances + settings.whitening_shrinkage * variances.mean()
    projection = _with_fixed_signs(axes) / np.sqrt(shrunk)
    return mean.astype(np.float32), projection.astype(np.float32)


def _num_kept(variances: NDArray[np.float64], num_images: int, most: int) -> int:
    """Directions with real variance, and no more than half as many as images."""
    real = int((variances > 1e-9 * max(float(variances[-1]), _MIN_NORM)).sum())
    return min(most, num_images // 2, real)


def _with_fixed_signs(axes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn each axis so that its largest entry is positive; eigenvectors leave that open."""
    largest = np.abs(axes).argmax(axis=0)
    signed: NDArray[np.float64] = axes * np.sign(axes[largest, np.arange(axes.shape[1])])
    return signed
