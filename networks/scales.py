"""An image at several scales, and one descriptor of them all."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from networks.pooling import l2_normalise

MIN_SIDE_PX = 32
"""Below this a scaled image may leave an empty map."""


def resize_by(images: Tensor, scale: float) -> Tensor:
    """Resize float images (batch, 3, height, width) by a factor, bilinear."""
    if scale == 1.0:
        return images
    return functional.interpolate(images, scale_factor=scale, mode="bilinear", align_corners=False)


def describe_at_scales(
    network: nn.Module, images: Tensor, scales: Sequence[float], power: float = 1.0
) -> Tensor:
    """Describe images at several scales (Song et al. 2024, Table A19).

    Scales at which the short side would be under 32 pixels are left out, but never all of them:
    an image that is too small for each is described at the largest.

    Args:
        network: images to descriptors of unit length.
        images: float (batch, 3, height, width), RGB, in 0..1.
        scales: factors of the size.
        power: see `average_scales`.

    Returns:
        float32 (batch, dimensions), of unit length.
    """
    short_side_px = min(images.shape[-2:])
    used = [scale for scale in scales if short_side_px * scale >= MIN_SIDE_PX] or [max(scales)]
    return average_scales([network(resize_by(images, scale)) for scale in used], power)


def average_scales(descriptors: Sequence[Tensor], power: float = 1.0) -> Tensor:
    """Generalised mean of one image's descriptors at several scales, then L2.

    Args:
        descriptors: for each scale (batch, dimensions), of unit length.
        power: 1 is the plain mean. Others need values that are not negative; cirtorch takes the
            exponent of GeM where no whitening layer follows it.

    Returns:
        float32 (batch, dimensions), of unit length.
    """
    stacked = torch.stack([descriptor.float() for descriptor in descriptors])
    if power == 1.0:
        return l2_normalise(stacked.mean(dim=0))
    return l2_normalise(stacked.pow(power).mean(dim=0).pow(1.0 / power))
