"""Learned local descriptors in the bytes of `manifests.features.LocalFeatures`.

A record has 128 values of at most 127, whatever it describes, so that features of every kind lie in
the same files and meet the same exact matcher. RootSIFT fills it; a learned descriptor of fewer
dimensions, with negative values, fills the front and leaves zeros behind. Its values are shifted,
which no distance notices: distances between codes are distances between descriptors times 63.
"""

import numpy as np
from numpy.typing import NDArray

from manifests.features import DESCRIPTOR_BYTES

STEPS_PER_UNIT = 63.0
"""The components of a unit vector lie in [-1, 1]; seven bits have 63 steps on either side of 64."""
_ZERO = 64.0


def encode_unit_vectors(vectors: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Quantise descriptors of unit length.

    Args:
        vectors: (n, d), d at most 128, components in [-1, 1].

    Returns:
        uint8 (n, 128), values in 1..127, zero behind the first d.

    Raises:
        ValueError: a descriptor is too long for the record, or not of unit length.
    """
    count, dimensions = vectors.shape
    if dimensions > DESCRIPTOR_BYTES:
        raise ValueError(
            f"descriptors of {dimensions} dimensions in a record of {DESCRIPTOR_BYTES}: "
            "reduce them by PCA first"
        )
    if not (np.abs(vectors) <= 1.0 + 1e-5).all():
        raise ValueError("a descriptor with a component outside [-1, 1]: normalise to unit length")
    codes = np.zeros((count, DESCRIPTOR_BYTES), np.uint8)
    codes[:, :dimensions] = np.rint(vectors * STEPS_PER_UNIT + _ZERO)
    return codes
