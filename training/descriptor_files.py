"""Global descriptors with the names of their images, in memory and in ``.npz`` files.

A file holds two arrays: `names` (text, one per image) and `descriptors` (one row per image, a row
of NaN where an image gave nothing to describe). Any program can write one, so that descriptors
from elsewhere are evaluated like our own.
"""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from manifests.atomic import replacing
from manifests.features import Embedder, EmbeddingInput
from manifests.input_error import InputError
from training.search import Descriptors

_IMAGES_AT_A_TIME: Final = 256


class DescriptorFileError(InputError):
    """A file of descriptors is missing or malformed, or lacks an image."""


@dataclass(frozen=True, eq=False)
class NamedDescriptors:
    """Descriptors of a list of images.

    Attributes:
        names: of the images, each once.
        descriptors: float (num_images, dimensions); a row of NaN for an image without descriptor.
    """

    names: tuple[str, ...]
    descriptors: Descriptors

    def select(self, names: Sequence[str]) -> Descriptors:
        """The descriptors of some images, in the order of `names`.

        Raises:
            DescriptorFileError: an image is not among them; says how many are missing.
        """
        rows = {name: row for row, name in enumerate(self.names)}
        missing = [name for name in names if name not in rows]
        if missing:
            raise DescriptorFileError(
                f"no row for {len(missing)} of {len(names)} images, the first {missing[0]!r}; "
                "describe the whole evaluation set, under the names of its ground truth"
            )
        return self.descriptors[np.array([rows[name] for name in names], np.intp)]


def describe_images(embedder: Embedder, images: Sequence[EmbeddingInput]) -> NamedDescriptors:
    """Describe images, in blocks, so that few of them are unpacked at a time.

    Returns:
        float32 descriptors under the images' ids, a row of NaN where an image gave none.
    """
    descriptors = np.full((len(images), embedder.dimensions), np.nan, np.float32)
    for start in range(0, len(images), _IMAGES_AT_A_TIME):
        block = images[start : start + _IMAGES_AT_A_TIME]
        for row, descriptor in enumerate(embedder.embed(block), start=start):
            if descriptor is not None:
                descriptors[row] = descriptor
    return NamedDescriptors(tuple(image.image_id for image in images), descriptors)


def write_descriptors(path: Path, named: NamedDescriptors) -> None:
    """Write a ``.npz`` file, whole or not at all; equal content gives equal bytes."""
    with replacing(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, names=np.array(named.names, np.str_), descriptors=named.descriptors)


def read_descriptors(path: Path) -> NamedDescriptors:
    """Read a ``.npz`` file of descriptors.

    Raises:
        DescriptorFileError: the file is missing, is no such file, or names an image twice.
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            names, descriptors = arrays["names"], arrays["descriptors"]
    except (OSError, KeyError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise DescriptorFileError(
            f"{path}: not a .npz file with the arrays names and descriptors ({error}); write one "
            "with numpy.savez"
        ) from error
    is_text = names.ndim == 1 and np.issubdtype(names.dtype, np.str_)
    is_table = descriptors.ndim == 2 and np.issubdtype(descriptors.dtype, np.floating)
    if not is_text or not is_table or len(names) != len(descriptors):
        raise DescriptorFileError(
            f"{path}: names are {names.dtype} {names.shape}, descriptors {descriptors.dtype} "
            f"{descriptors.shape}; needed are one text and one row of floats per image"
        )
    values, counts = np.unique(names, return_counts=True)
    if (counts > 1).any():
        repeated = str(values[counts > 1][0])
        raise DescriptorFileError(f"{path}: {repeated!r} is named twice; keep one row")
    return NamedDescriptors(tuple(names.tolist()), descriptors)
