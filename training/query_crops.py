"""Query crops at the scale that the protocol of Revisited Oxford and Paris gives them."""

import numpy as np
from numpy.typing import NDArray

from networks.pixels import resize_image, to_tensor


def reduce_crop(
    crop: NDArray[np.uint8], image_long_side_px: int, long_side_px: int
) -> NDArray[np.uint8]:
    """Reduce the crop of a query as much as its whole image would be reduced, never enlarging.

    A crop described at full size would show its landmark larger than the database images do.

    Args:
        crop: the query, RGB uint8 (height, width, 3).
        image_long_side_px: longer side of the image that it was cut from.
        long_side_px: size at which the database images are described.
    """
    scale = min(1.0, long_side_px / image_long_side_px)
    height, width = (max(1, round(side * scale)) for side in crop.shape[:2])
    reduced: NDArray[np.uint8] = (
        resize_image(to_tensor(crop), width, height).permute(1, 2, 0).contiguous().numpy()
    )
    return reduced
