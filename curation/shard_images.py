"""An image that lies in a tar shard, for embedders that read pixels."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from curation.images import decode_image
from curation.shards import read_bytes
from manifests.features import LocalFeatures


@dataclass(frozen=True)
class ShardImage:
    """An `EmbeddingInput` with pixels; may be read by several threads at once.

    Attributes:
        image_id: its id.
        shard: the tar file.
        offset: position of its first byte there.
        num_bytes: its size.
        width: of the upright image, in pixels.
        height: likewise.
    """

    image_id: str
    shard: Path
    offset: int
    num_bytes: int
    width: int
    height: int

    def load_image(self) -> NDArray[np.uint8]:
        """The upright RGB image, uint8 (height, width, 3).

        Raises:
            ImageError: its bytes give no usable image.
            ShardError: the shard is missing or ends earlier.
        """
        return decode_image(read_bytes(self.shard, self.offset, self.num_bytes)).pixels

    def load_features(self) -> LocalFeatures:
        """Local features are not in shards."""
        raise NotImplementedError(f"image {self.image_id}: pixels are read here, not features")
