"""Rows of the table `images`: what the shards hold, joined to what GLDv2's lists say of it."""

from collections.abc import Collection

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from manifests.arrow_schemas import IMAGES
from manifests.gldv2_metadata import Keys, Lists, parse_ids
from manifests.rows import ImageStatus

Mask = NDArray[np.bool_]
_NAMES = IMAGES.schema.names


def find_repeated(image_ids: pa.Array | pa.ChunkedArray) -> Mask:
    """Which files have an id that an earlier one has, bool (n,); names that are no ids have none.

    Args:
        image_ids: of all files of all shards, in order.
    """
    keys, is_id = parse_ids(image_ids)
    places = np.flatnonzero(is_id)
    _, first = np.unique(keys[places], return_index=True)
    repeated = is_id.copy()
    repeated[places[first]] = False
    return repeated


def join_files(
    files: pa.Table, lists: Lists, split: str, repeated: Mask, allowed: Keys | None
) -> pa.Table:
    """The rows of some files.

    The last of these that holds becomes the status: what the decoder says; readable, but not
    allowed; readable, but in no list; an id that an earlier file has.

    Args:
        files: rows of the table `files`, n of them.
        lists: GLDv2's lists.
        split: the split they belong to.
        repeated: bool (n,), from `find_repeated`.
        allowed: ids that may be used, ascending; None for all.

    Returns:
        n rows of the table `images`.
    """
    said = lists.look_up(files["image_id"])
    status, reason = files["status"], files["reason"]
    is_ok = np.asarray(pc.equal(status, ImageStatus.OK.value).to_numpy(), np.bool_)
    is_unlisted = np.asarray(said["landmark_id"].is_null().to_numpy(), np.bool_)
    is_excluded = _is_outside(files["image_id"], allowed)
    for applies, new_status, new_reason in (
        (is_ok & is_excluded, ImageStatus.EXCLUDED, "not in the list given"),
        (is_ok & is_unlisted, ImageStatus.UNLISTED, "train.csv has no such id"),
        (repeated, ImageStatus.DUPLICATE_ID, "another file with this id comes earlier"),
    ):
        status = pc.if_else(pa.array(applies), pa.scalar(new_status.value), status)
        reason = pc.if_else(pa.array(applies), pa.scalar(new_reason), reason)
    columns = {name: files[name] for name in files.column_names}
    columns |= {name: said[name] for name in said.column_names}
    columns |= {"split": _repeat(split, len(files)), "status": status, "reason": reason}
    return pa.table([columns[name] for name in _NAMES], schema=IMAGES.schema)


def list_missing(lists: Lists, seen: Keys, split: str) -> pa.Table:
    """A row of the table `images` for each id that train.csv lists and no shard holds."""
    image_ids = lists.list_unseen(seen)
    said = lists.look_up(image_ids)
    columns = {name: pa.nulls(len(image_ids), IMAGES.schema.field(name).type) for name in _NAMES}
    columns |= {name: said[name] for name in said.column_names}
    columns |= {
        "image_id": image_ids,
        "split": _repeat(split, len(image_ids)),
        "status": _repeat(ImageStatus.NOT_FOUND.value, len(image_ids)),
        "reason": _repeat("train.csv lists it, no shard here holds it", len(image_ids)),
    }
    return pa.table([columns[name] for name in _NAMES], schema=IMAGES.schema)


def sort_ids(image_ids: Collection[str]) -> Keys:
    """Ids as ascending keys."""
    keys, is_id = parse_ids(pa.array(image_ids, pa.string()))
    return np.unique(keys[is_id])


def _is_outside(image_ids: pa.ChunkedArray, allowed: Keys | None) -> Mask:
    if allowed is None:
        return np.zeros(len(image_ids), np.bool_)
    keys, _ = parse_ids(image_ids)
    return ~np.isin(keys, allowed)


def _repeat(text: str, count: int) -> pa.Array:
    return pa.repeat(pa.scalar(text), count)
