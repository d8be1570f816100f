"""DELF of an image: seven scales, the highest scores, PCA, and the same record as SIFT."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from manifests.features import LocalFeatures, pack_geometry
from manifests.strict_model import StrictModel
from networks.delf import DelfNetwork
from networks.descriptor_codes import encode_unit_vectors
from networks.pixels import fit_long_side, resize_image, to_float, to_tensor
from networks.pooling import l2_normalise
from networks.scales import MIN_SIDE_PX, resize_by
from networks.whitening import Whitening, learn_pca

PCA_DIMENSIONS = 40
"""Of the published features; no whitening."""


class DelfExtractionSettings(StrictModel):
    """Scales, budget and size of the image."""

    scales: tuple[float, ...] = Field((0.25, 0.3536, 0.5, 0.7071, 1.0, 1.4142, 2.0), min_length=1)
    """Factors of the image's size (Noh et al. 2017, section 4.2)."""
    max_features: int = Field(1000, ge=1)
    """Those with the highest scores, of all scales together."""
    min_score: float = Field(0.0, ge=0)
    """Features of lower score are left out; the range of scores depends on the training."""
    long_side_px: int = Field(1024, ge=64, le=2047)
    """Images are reduced to this, never enlarged."""


@dataclass(frozen=True, eq=False)
class DelfFeatures:
    """Features before PCA and quantisation, highest score first.

    Attributes:
        descriptors: float32 (n, channels), of unit length.
        xy: float64 (n, 2), x then y, in pixels of the resized image.
        size: float64 (n,), sides of the described squares in pixels.
        scores: float32 (n,).
        width: of the resized image, in pixels.
        height: likewise.
    """

    descriptors: NDArray[np.float32]
    xy: NDArray[np.float64]
    size: NDArray[np.float64]
    scores: NDArray[np.float32]
    width: int
    height: int


@torch.inference_mode()
def detect_delf(
    pixels: NDArray[np.uint8], network: DelfNetwork, settings: DelfExtractionSettings
) -> DelfFeatures:
    """Find the local features of an image.

    Args:
        pixels: upright RGB image, uint8 (height, width, 3).
        network: in evaluation mode, on any device.
        settings: scales, budget and size.

    Returns:
        The features; none for an image too small for every scale.
    """
    height, width = pixels.shape[:2]
    width, height = fit_long_side(width, height, settings.long_side_px)
    image = to_float(resize_image(to_tensor(pixels), width, height)[None])
    image = image.to(network.pixel_mean.device)
    found = [
        _detect_at_scale(image, scale, network, settings)
        for scale in settings.scales
        if min(width, height) * scale >= MIN_SIDE_PX
    ]
    if not found:
        empty = np.empty(0)
        descriptors = np.empty((0, network.backbone.num_channels), np.float32)
        return DelfFeatures(
            descriptors, np.empty((0, 2)), empty, empty.astype(np.float32), width, height
        )
    descriptors, xy, size, scores = (np.concatenate(parts) for parts in zip(*found, strict=True))
    # Stable: of equal scores the smaller scale and the earlier cell come first.
    best = np.argsort(-scores, kind="stable")[: settings.max_features]
    return DelfFeatures(descriptors[best], xy[best], size[best], scores[best], width, height)


def encode_delf(features: DelfFeatures, pca: Whitening) -> LocalFeatures:
    """Reduce descriptors by PCA, normalise and quantise them.

    The features are upright, so that all angles are 0.
    """
    descriptors = encode_unit_vectors(pca.apply(features.descriptors))
    xy = np.clip(features.xy, 0.0, [features.width - 1, features.height - 1])
    geometry = pack_geometry(xy, features.size, np.zeros(len(xy)))
    return LocalFeatures(descriptors, geometry, features.width, features.height)


def learn_delf_pca(descriptors: NDArray[np.float32], dimensions: int = PCA_DIMENSIONS) -> Whitening:
    """Learn the reduction from descriptors (n, channels) of many images; nothing is whitened."""
    return learn_pca(descriptors, dimensions, power=0.0)


def locate_cells(
    rows: NDArray[np.int64], columns: NDArray[np.int64], stride: int, scale: float
) -> NDArray[np.float64]:
    """Centres of cells, float64 (n, 2), x then y, in pixels of the image before scaling."""
    return np.stack([columns, rows], axis=1).astype(np.float64) * (stride / scale)


def _detect_at_scale(
    image: Tensor, scale: float, network: DelfNetwork, settings: DelfExtractionSettings
) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float64], NDArray[np.float32]]:
    features, score_map = network.describe(resize_by(image, scale))
    num_columns = score_map.shape[2]
    flat_scores = score_map.flatten().cpu().numpy()
    best = np.argsort(-flat_scores, kind="stable")[: settings.max_features]
    best = best[flat_scores[best] >= settings.min_score]
    cells = torch.from_numpy(best).to(features.device)
    descriptors = l2_normalise(features[0].flatten(1)[:, cells].T).cpu().numpy()
    xy = locate_cells(best // num_columns, best % num_columns, network.backbone.stride, scale)
    size = np.full(len(best), network.receptive_field_px / scale)
    return descriptors, xy, size, flat_scores[best]
