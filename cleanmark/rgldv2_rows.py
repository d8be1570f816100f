"""The columns of a split that comes from a list: whole columns, never an image one by one."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from manifests.arrow_schemas import LISTED, MANIFEST, REMOVED, Table
from manifests.image_origins import ImageOrigins
from manifests.reference.published_removal import SOURCE
from manifests.rows import RemovalReason

Columns = dict[str, pa.Array | pa.ChunkedArray]


def number_classes(landmark_ids: pa.ChunkedArray) -> NDArray[np.int64]:
    """The class number of each image: classes are numbered by ascending id."""
    # Unique integers come in ascending order.
    _, class_index = np.unique(landmark_ids.to_numpy(), return_inverse=True)
    return class_index


def describe_kept(
    kept: pa.Table, names: dict[int, str], origins: ImageOrigins, locations: Columns | None
) -> tuple[Table, pa.Table]:
    """The images that stay, as rows of `listed`, or of `manifest` where their places are known.

    Args:
        kept: columns image_id, landmark_id and split.
        names: landmark_id -> readable name.
        origins: addresses and rights.
        locations: columns shard to sha256 of the same images, if a run has found them.
    """
    ids = kept["image_id"]
    columns = {
        **{name: kept[name] for name in kept.column_names},
        "class_index": pa.array(number_classes(kept["landmark_id"]).astype(np.int32)),
        "landmark_name": _look_up_names(kept["landmark_id"].to_numpy(), names),
        "member": _member_paths(ids),
        "num_verified_neighbours": pa.nulls(len(ids), pa.int32()),
        **origins.look_up(ids),
        **(locations or {}),
    }
    table = LISTED if locations is None else MANIFEST
    return table, pa.table({name: columns[name] for name in table.schema.names})


def describe_published(gone: pa.Table) -> pa.Table:
    """The images of the published classes, as rows of `removed`."""
    size = len(gone)
    columns = {
        "image_id": gone["image_id"],
        "landmark_id": gone["landmark_id"],
        "stage": pa.repeat("overlap", size),
        "reason": pa.repeat(str(RemovalReason.PUBLISHED), size),
        "evidence": pa.repeat(SOURCE, size),
    }
    return pa.table({name: columns[name] for name in REMOVED.schema.names}, schema=REMOVED.schema)


def _member_paths(ids: pa.ChunkedArray) -> pa.ChunkedArray:
    """As `manifests.gldv2_csv.member_path`, for whole columns."""
    folders = [pc.utf8_slice_codeunits(ids, place, place + 1) for place in range(3)]
    file_names = pc.binary_join_element_wise(ids, "jpg", ".")
    return pc.binary_join_element_wise(*folders, file_names, "/")


def _look_up_names(landmark_ids: NDArray[np.int64], names: dict[int, str]) -> pa.Array:
    classes, position = np.unique(landmark_ids, return_inverse=True)
    by_class = pa.array([names.get(landmark_id) for landmark_id in classes.tolist()], pa.string())
    return by_class.take(pa.array(position))
