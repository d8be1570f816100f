"""Images of an evaluation set on their way to an embedder."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curation.images import Box, ImageError, decode_image
from manifests.input_error import InputError
from manifests.rows import ImageStatus
from training.query_crops import reduce_crop


@dataclass(frozen=True, slots=True)
class EvaluationImage:
    """A database image, or a query with its box.

    Attributes:
        name: as the ground truth has it.
        stamp: changes whenever the file does; descriptors are kept as long as it stays.
        read: gives the bytes of the file; None if there is no file.
        box: the part that is the query, x1, y1, x2, y2 in pixels of the stored image; None for
            the whole image.
    """

    name: str
    stamp: str
    read: Callable[[], bytes] | None
    box: Box | None = None

    def load(self, long_side_px: int | None = None) -> NDArray[np.uint8]:
        """The upright pixels, RGB uint8 (height, width, 3), cut to the box.

        Args:
            long_side_px: size at which whole images will be described; a crop is reduced as much
                as its whole image would be. None leaves it as it is.

        Raises:
            ImageError: there is no file, or it is no usable image.
            InputError: the box lies outside the image.
        """
        if self.read is None:
            raise ImageError(ImageStatus.NOT_FOUND, "there is no such file")
        data = self.read()
        try:
            pixels = decode_image(data, self.box).pixels
        except ImageError:
            raise
        except ValueError as error:
            raise InputError(f"query {self.name!r}: {error}") from error
        if self.box is None or long_side_px is None:
            return pixels
        image_long_side_px = max(decode_image(data).pixels.shape[:2])
        return reduce_crop(pixels, image_long_side_px, long_side_px)
