"""Rows of an export, from rows of manifests: whole columns, never a Python object for an image."""

from collections.abc import Mapping
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from manifests.arrow_schemas import MANIFEST
from manifests.exports.columns import DROP, EXPORTED, KEEP, KEPT_SPLITS, LISTED_REASON, SplitName
from manifests.exports.id_ranges import IdRange
from manifests.exports.releases import Release, read_matching
from manifests.label_spaces import LabelSpace
from manifests.rows import ImageReason

Columns = Mapping[str, pa.Array | pa.ChunkedArray]
_COMMONS = "http://commons.wikimedia.org/wiki/Category:"
_INGEST = "ingest"
_NOWHERE = pa.scalar(None, pa.int32())


def category_url(name: str) -> str:
    """The Commons category of a readable class name; undoes `gldv2_csv.readable_name`."""
    return _COMMONS + quote(name.replace(" ", "_"), safe="_(),.-'!*:;@")


def qualify_ids(ids: pa.ChunkedArray) -> pa.ChunkedArray:
    """Ids with their name space, `gldv2:train:ID`."""
    return pc.binary_join_element_wise(pa.scalar(f"{LabelSpace.TRAIN}:"), ids, "")


def read_ids(release: Release, split: SplitName) -> pa.ChunkedArray:
    """The ids of a split in no order; of removed files that share an id, each."""
    rows, condition = _find(release, split)
    return read_matching(rows, condition, ["image_id"])["image_id"]


def read_rows(release: Release, split: SplitName, ids: IdRange) -> pa.Table:
    """The rows of a split with ids in a range, in ascending order, in the columns of an export."""
    rows, condition = _find(release, split)
    found = read_matching(rows, condition & ids.as_filter("image_id"))
    columns = _explain_keeping(release, found) if split in KEPT_SPLITS else _look_up(release, found)
    exported = _arrange(release, split, columns)
    # Files that share an id differ in what was found wrong with them.
    keys = ("id", "stage", "reason_code", "evidence")
    return exported.sort_by([(key, "ascending") for key in keys])


def _find(release: Release, split: SplitName) -> tuple[ds.Dataset, ds.Expression]:
    """Where the rows of a split are, and which they are."""
    if split in KEPT_SPLITS:
        return release.kept, ds.field("split") == KEPT_SPLITS[split]
    return release.removed, ds.scalar(True)  # noqa: FBT003  (Arrow's signature)


def _explain_keeping(release: Release, rows: pa.Table) -> Columns:
    verified, listed = pa.scalar(ImageReason.VERIFIED.value), pa.scalar(LISTED_REASON)
    reason: pa.Array | pa.ChunkedArray = pa.repeat(listed, len(rows))
    if release.table is MANIFEST:
        reason = pc.if_else(pc.is_valid(rows["num_verified_neighbours"]), verified, listed)
    return {
        **_columns_of(rows),
        "label": rows["class_index"],
        "decision": pa.repeat(KEEP, len(rows)),
        "reason_code": reason,
    }


def _look_up(release: Release, rows: pa.Table) -> Columns:
    """Removed rows, with what the clean split says of those images that were in it."""
    # A file that was refused at the door may bear the id of another one that is in the split.
    entered = pc.not_equal(rows["stage"], _INGEST)
    wanted = rows["image_id"].filter(entered).combine_chunks()
    clean = read_matching(release.clean, ds.field("image_id").isin(wanted))
    place = pc.if_else(entered, pc.index_in(rows["image_id"], clean["image_id"]), _NOWHERE)
    return {
        **_columns_of(clean.take(place)),
        **_columns_of(rows),
        "decision": pa.repeat(DROP, len(rows)),
        "reason_code": rows["reason"],
    }


def _columns_of(rows: pa.Table) -> Columns:
    return {name: rows[name] for name in rows.column_names}


def _arrange(release: Release, split: SplitName, columns: Columns) -> pa.Table:
    """The columns of an export in their order; null where nobody knows."""
    ids = columns["image_id"]
    known = {
        **columns,
        "id": ids,
        "image_id": qualify_ids(ids),
        "category": _look_up_categories(columns["landmark_name"]),
        "split": pa.repeat(split.value, len(ids)),
        "url": columns["source_url"],
        "policy_id": pa.repeat(release.policy, len(ids)),
    }
    arranged = [
        known[field.name] if field.name in known else pa.nulls(len(ids), field.type)
        for field in EXPORTED.schema
    ]
    return pa.table(arranged, names=EXPORTED.schema.names).cast(EXPORTED.schema)


def _look_up_categories(names: pa.ChunkedArray) -> pa.Array:
    distinct = pc.unique(names.drop_null())
    urls = pa.array([category_url(name) for name in distinct.to_pylist()], pa.string())
    return urls.take(pc.index_in(names, distinct))
