"""Which way up an image is: the one decision on the EXIF orientation, used by every stage."""

import struct

import numpy as np
from numpy.typing import NDArray

_ORIENTATION_TAG = 0x0112
_SHORT = 3


def read_exif_orientation(exif: object) -> int | None:
    """Orientation tag of the first directory (EXIF 2.3, section 4.6).

    Args:
        exif: the block, with or without the mark that begins it in a JPEG file; or whatever else a
            file holds under that name.

    Returns:
        1 to 8; None if there is none, or another value, or no block that makes sense.
    """
    if not isinstance(exif, bytes):  # a text chunk of a PNG file can bear the same name
        return None
    block = exif.removeprefix(b"Exif\0\0")
    byte_order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if byte_order is None:
        return None
    try:
        (directory,) = struct.unpack_from(f"{byte_order}I", block, 4)
        (num_entries,) = struct.unpack_from(f"{byte_order}H", block, directory)
        for start in range(directory + 2, directory + 2 + 12 * num_entries, 12):
            tag, kind, _, value = struct.unpack_from(f"{byte_order}HHIH", block, start)
            if tag == _ORIENTATION_TAG and kind == _SHORT:
                return value if 1 <= value <= 8 else None
    except struct.error:  # the block ends before its directory does: there is no orientation
        return None
    return None


def turn_upright(stored: NDArray[np.uint8], orientation: int | None) -> NDArray[np.uint8]:
    """Undo the orientation: value 5 to 8 swap the axes, then one or both are mirrored.

    Args:
        stored: uint8 (height, width) or (height, width, 3).
        orientation: as `read_exif_orientation` gives it.

    Returns:
        A view of the same pixels.
    """
    upright = stored.swapaxes(0, 1) if orientation in (5, 6, 7, 8) else stored
    if orientation in (3, 4, 7, 8):
        upright = upright[::-1]
    if orientation in (2, 3, 6, 7):
        upright = upright[:, ::-1]
    return upright
