"""Writing descriptors: a part of the table `embeddings`, and beside it a matrix for mapping."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from manifests.arrow_schemas import EMBEDDINGS
from manifests.atomic import replacing
from manifests.parquet_io import write_rows
from manifests.rows import ImageReason, ImageStatus
from pipelines.run_tables import matrix_path
from pipelines.units import Counts


@dataclass(frozen=True, eq=False)
class Described:
    """What an embedder says of an image.

    Attributes:
        image_id: the image.
        descriptor: float (dimensions,), of unit length; None if there is none.
        status: `ok`, or why there is none.
    """

    image_id: str
    descriptor: NDArray[np.floating] | None
    status: ImageStatus | ImageReason


def describe_result(image_id: str, descriptor: NDArray[np.floating] | None) -> Described:
    """The answer of an embedder about an image that it could read."""
    status = ImageReason.NO_FEATURES if descriptor is None else ImageStatus.OK
    return Described(image_id, descriptor, status)


def write_embeddings(part: Path, images: Sequence[Described], dimensions: int) -> Counts:
    """Write table and matrix, each atomically, with descriptors in half precision.

    Args:
        part: path of the table; see `matrix_path` for the matrix.
        images: one per row, in order.
        dimensions: length of a descriptor.
    """
    halves = [
        None if image.descriptor is None else image.descriptor.astype(np.float16)
        for image in images
    ]
    with replacing(matrix_path(part)) as temporary, temporary.open("wb") as stream:
        np.save(stream, _as_matrix(halves, dimensions), allow_pickle=False)
    rows = [
        {"image_id": image.image_id, "descriptor": half, "status": image.status}
        for image, half in zip(images, halves, strict=True)
    ]
    write_rows(part, EMBEDDINGS, rows)
    return {"images": len(rows), "described": sum(half is not None for half in halves)}


def _as_matrix(
    descriptors: list[NDArray[np.float16] | None], dimensions: int
) -> NDArray[np.float16]:
    """Stack descriptors, float16 (n, d); NaN where there is none, so that nobody can use it."""
    nothing = np.full(dimensions, np.nan, np.float16)
    rows = [nothing if descriptor is None else descriptor for descriptor in descriptors]
    return np.stack(rows) if rows else np.empty((0, dimensions), np.float16)
