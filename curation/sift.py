"""RootSIFT: the local features that need no weights."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from curation.images import resize_long_side, to_grey
from manifests.features import DESCRIPTOR_BYTES, GEOMETRY_DTYPE, LocalFeatures, pack_geometry
from manifests.strict_model import StrictModel

_QUANTISATION = 256.0
"""RootSIFT values times this; nearly all stay under the cap of 7 bits."""
_LARGEST_VALUE = 127


class SiftSettings(StrictModel):
    """How local features are extracted.

    The defaults were read off a measured curve (`benchmarks/bench_features.py`): of all that
    store 1,024 features at most, and so less than 140 kB per image, they verify about as many true
    pairs of photographs as any, in about half the time of 800 pixels. Where every photograph
    counts, as in a small set, 800 pixels and 2,000 features verify two fifths more true pairs, at
    two to three times the time and twice the storage.
    """

    long_side_px: int = Field(480, ge=64, le=2047)
    """Images are reduced to this, never enlarged. With few features, coarse ones serve best."""
    max_features: int = Field(1024, ge=50, le=20_000)
    """Feature budget of an image."""
    contrast_threshold: float = Field(0.03, gt=0, lt=1)
    """OpenCV's limit on the contrast of a key point (Lowe 2004, section 4). Below the usual 0.04:
    the budget keeps the strongest, so weak ones count only in images that have few others."""
    edge_threshold: float = Field(10.0, gt=1)
    """OpenCV's limit on the ratio of principal curvatures (Lowe 2004, section 4.1)."""


def extract_sift(pixels: NDArray[np.uint8], settings: SiftSettings) -> LocalFeatures:
    """Describe an image by RootSIFT features, strongest first.

    OpenCV doubles the image before it looks for key points (Lowe's first octave -1), so that the
    finest it describes has half the pixel size of the reduced image.

    Strength is response times diameter: coarse features are more repeatable than their response
    alone says, so that a prefix of the list is a good smaller feature set. A location occurs once
    per dominant orientation (Lowe 2004, section 5); whoever counts matches must count locations.

    Args:
        pixels: upright RGB image, uint8 (height, width, 3).
        settings: size, budget and detector limits.

    Returns:
        The features; none for a blank image. Their geometry is in the resized image.
    """
    grey = resize_long_side(to_grey(pixels), settings.long_side_px)
    height, width = grey.shape
    detector = cv2.SIFT.create(
        nfeatures=settings.max_features,
        contrastThreshold=settings.contrast_threshold,
        edgeThreshold=settings.edge_threshold,
    )
    keypoints, descriptors = detector.detectAndCompute(grey, None)
    if descriptors is None:
        return _no_features(width, height)
    features = _pack_features(keypoints, np.asarray(descriptors, np.float32), width, height)
    # Where responses tie, as on a regular pattern, OpenCV returns more than the budget.
    return features.take_strongest(settings.max_features)


def root_sift(descriptors: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Turn SIFT descriptors into quantised RootSIFT (Arandjelovic and Zisserman 2012).

    The square root of the L1-normalised descriptor has unit length, so that Euclidean distance
    between the results compares the histograms by their Bhattacharyya coefficient.

    Args:
        descriptors: (n, 128), non-negative.

    Returns:
        uint8 (n, 128), the square roots times 256, rounded, at most 127. Seven bits keep every
        dot product of two descriptors exact in float32.
    """
    values = np.asarray(descriptors, np.float64)
    total = np.maximum(values.sum(axis=1, keepdims=True), 1e-12)
    scaled = _QUANTISATION * np.sqrt(values / total)
    quantised: NDArray[np.uint8] = np.minimum(scaled + 0.5, _LARGEST_VALUE).astype(np.uint8)
    return quantised


def _no_features(width: int, height: int) -> LocalFeatures:
    descriptors = np.empty((0, DESCRIPTOR_BYTES), np.uint8)
    return LocalFeatures(descriptors, np.empty(0, GEOMETRY_DTYPE), width, height)


def _pack_features(
    keypoints: Sequence[cv2.KeyPoint], descriptors: NDArray[np.float32], width: int, height: int
) -> LocalFeatures:
    count = len(keypoints)
    xy = np.asarray(cv2.KeyPoint.convert(keypoints), np.float64)
    size = np.fromiter((keypoint.size for keypoint in keypoints), np.float64, count)
    angle = np.deg2rad(np.fromiter((keypoint.angle for keypoint in keypoints), np.float64, count))
    response = np.fromiter((keypoint.response for keypoint in keypoints), np.float64, count)
    # Interpolation may put a key point a hair outside the image; the packed format starts at 0.
    xy = np.clip(xy, 0.0, [width - 1, height - 1])
    geometry = pack_geometry(xy, np.maximum(size, 1.0), angle)
    quantised = root_sift(descriptors)
    order = _strongest_first(response * size, geometry, quantised)
    return LocalFeatures(quantised[order], geometry[order], width, height)


def _strongest_first(
    strength: NDArray[np.float64], geometry: NDArray[np.void], descriptors: NDArray[np.uint8]
) -> NDArray[np.intp]:
    """Order by falling strength; equal ones by place and angle, never by OpenCV's thread order."""
    keys = (descriptors[:, 0], geometry["angle"], geometry["x"], geometry["y"], -strength)
    return np.lexsort(keys)
