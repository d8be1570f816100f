"""Records that cross packages: local features, and the interface of global descriptors."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

DESCRIPTOR_BYTES = 128
GEOMETRY_DTYPE = np.dtype([("x", "<u2"), ("y", "<u2"), ("log2_size", "<u2"), ("angle", "<u2")])
"""8 bytes per feature: x, y in 1/32 px; log2 of the diameter in 1/2048; angle in 1/65536 turn."""

_NUM_CODES = 4
_XY_STEPS_PER_PX = 32.0
_SIZE_STEPS_PER_OCTAVE = 2048.0
_ANGLE_STEPS_PER_RADIAN = 65536.0 / (2.0 * np.pi)
_LARGEST_CODE = 65535.5
"""What rounds to more than 16 bits."""


@dataclass(frozen=True, eq=False)
class LocalFeatures:
    """Local features of one image, strongest first.

    Geometry is kept as stored (quantised integers), so that a feature computed a moment ago and
    one read back from disk give the same answers to the last bit.

    Attributes:
        descriptors: uint8 (n, 128), at most 127: RootSIFT times 256, or a learned descriptor of
            fewer dimensions, shifted to positive values, with zeros behind it.
        geometry: `GEOMETRY_DTYPE` (n,).
        width: pixels of the resized image in which the geometry lives.
        height: likewise.
    """

    descriptors: NDArray[np.uint8]
    geometry: NDArray[np.void]
    width: int
    height: int

    def __len__(self) -> int:
        return int(self.descriptors.shape[0])

    @property
    def xy(self) -> NDArray[np.float64]:
        """Positions, float64 (n, 2), x right then y down, in pixels of the resized image."""
        stacked = np.stack([self.geometry["x"], self.geometry["y"]], axis=1)
        return stacked.astype(np.float64) / _XY_STEPS_PER_PX

    @cached_property
    def geometry_codes(self) -> NDArray[np.uint16]:
        """The geometry as stored, uint16 (n, 4), read-only: x, y, log2 of the diameter, angle."""
        codes = np.ascontiguousarray(self.geometry).view(np.uint16).reshape(-1, _NUM_CODES)
        codes.flags.writeable = False
        # Mapped files and fresh arrays shall be of one type.
        return np.asarray(codes)

    @cached_property
    def geometry_bytes(self) -> bytes:
        """The geometry as stored, to be compared with that of other images."""
        return self.geometry.tobytes()

    @property
    def size(self) -> NDArray[np.float64]:
        """Diameters of the described regions, float64 (n,), in pixels."""
        return np.exp2(self.geometry["log2_size"].astype(np.float64) / _SIZE_STEPS_PER_OCTAVE)

    @property
    def angle(self) -> NDArray[np.float64]:
        """Orientations, float64 (n,), in radians, clockwise on the screen (y points down)."""
        return self.geometry["angle"].astype(np.float64) / _ANGLE_STEPS_PER_RADIAN

    @property
    def long_side(self) -> int:
        """The longer side of the resized image, in pixels."""
        return max(self.width, self.height)

    def take_strongest(self, count: int) -> "LocalFeatures":
        """The first `count` features, or all when there are fewer; a view."""
        return replace(self, descriptors=self.descriptors[:count], geometry=self.geometry[:count])


def pack_geometry(
    xy: NDArray[np.floating], size: NDArray[np.floating], angle: NDArray[np.floating]
) -> NDArray[np.void]:
    """Quantise key point geometry to `GEOMETRY_DTYPE`.

    Args:
        xy: (n, 2) positions in pixels, 0 <= value < 2048.
        size: (n,) diameters in pixels, >= 1.
        angle: (n,) radians, any range.

    Returns:
        `GEOMETRY_DTYPE` (n,).

    Raises:
        ValueError: a position or a diameter lies outside what the format can hold, or a value is
            no number.
    """
    xy, size, angle = np.asarray(xy), np.asarray(size), np.asarray(angle)
    # Asked so that a value that is no number fails too.
    if not ((xy >= 0) & (xy < _LARGEST_CODE / _XY_STEPS_PER_PX)).all():
        raise ValueError("key point outside [0, 2048) px: describe at a smaller long side")
    if not ((size >= 1) & (size < 2.0 ** (_LARGEST_CODE / _SIZE_STEPS_PER_OCTAVE))).all():
        raise ValueError("key point with a diameter under one pixel or without bound")
    if not np.isfinite(angle).all():
        raise ValueError("key point with an angle that is no number")
    packed = np.empty(len(xy), GEOMETRY_DTYPE)
    packed["x"] = np.rint(xy[:, 0] * _XY_STEPS_PER_PX)
    packed["y"] = np.rint(xy[:, 1] * _XY_STEPS_PER_PX)
    packed["log2_size"] = np.rint(np.log2(size) * _SIZE_STEPS_PER_OCTAVE)
    packed["angle"] = np.rint(angle * _ANGLE_STEPS_PER_RADIAN).astype(np.int64) % 65536
    return packed


class EmbeddingInput(Protocol):
    """What an embedder may ask for; each is read from disk only when asked."""

    @property
    def image_id(self) -> str:
        """The image's id."""

    def load_features(self) -> LocalFeatures:
        """The image's local features."""

    def load_image(self) -> NDArray[np.uint8]:
        """The upright RGB image, uint8 (height, width, 3)."""


class Embedder(Protocol):
    """Turns images into global descriptors; VLAD and the networks implement it alike."""

    @property
    def dimensions(self) -> int:
        """Length of a descriptor."""

    def embed(self, images: Sequence[EmbeddingInput]) -> list[NDArray[np.float32] | None]:
        """Describe images.

        Returns:
            For each image a float32 (dimensions,) vector of unit length, or None where the image
            gives nothing to describe (never a zero vector).
        """
