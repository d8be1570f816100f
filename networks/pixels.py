"""Images on their way into a network: sizes, resizing and number formats."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from networks.inference_settings import SIDE_MULTIPLE_PX


def fit_long_side(width: int, height: int, long_side_px: int) -> tuple[int, int]:
    """Width and height reduced to a long side, never enlarged, the aspect ratio kept."""
    scale = min(1.0, long_side_px / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def fit_group(width: int, height: int, long_side_px: int) -> tuple[int, int]:
    """Like `fit_long_side`, but both sides rounded to multiples of 32.

    Images of similar aspect ratio become equal in size and go through the network together; a side
    changes by at most 16 pixels.
    """
    scale = min(1.0, long_side_px / max(width, height))
    return _round_side(width * scale), _round_side(height * scale)


def to_tensor(pixels: NDArray[np.uint8]) -> Tensor:
    """An RGB image, uint8 (height, width, 3), as a tensor uint8 (3, height, width)."""
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)


def resize_image(image: Tensor, width: int, height: int) -> Tensor:
    """Resize uint8 (3, height, width), bilinear, smoothed first where it shrinks."""
    if image.shape[1:] == (height, width):
        return image
    resized = functional.interpolate(
        image[None], (height, width), mode="bilinear", antialias=True, align_corners=False
    )
    return resized[0]


def to_float(images: Tensor) -> Tensor:
    """uint8 0..255 to float32 0..1."""
    return images.float() / 255.0


def _round_side(side_px: float) -> int:
    return max(1, round(side_px / SIDE_MULTIPLE_PX)) * SIDE_MULTIPLE_PX
