"""Rows of an export, from rows of manifests: whole columns, never a Python object for an image."""

from collections.abc import Mapping
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from manifests.arrow_schemas import MANIFEST
from manifests.exports.columns import DROP, EXPORTED, KEEP, KEPT_SPLITS, LISTED_REASON, SplitName
from manifests.exports.id_ranges import IdRange
from manifests.exports.releases import Release
from manifests.label_spaces import LabelSpace
from manifests.rows import ImageReason

Columns = Mapping[str, pa.Array | pa.ChunkedArray]
_COMMONS = "http://commons.wikimedia.org/wiki/Category:"
_OVERLAP = "overlap"


def category_url(name: str) -> str:
    """The Commons category of a readable class name; undoes `gldv2_csv.readable_name`."""
    return _COMMONS + quote(name.replace(" ", "_"), safe="_(),.-'!*:;@")


def qualify_ids(ids: pa.ChunkedArray) -> pa.ChunkedArray:
    """Ids with their name space, `gldv2:train:ID`."""
    return pc.binary_join_element_wise(pa.scalar(f"{LabelSpace.TRAIN}:"), ids, "")


def read_ids(release: Release, split: SplitName) -> pa.ChunkedArray:
    """The ids of a split in no order; of removed files that share an id, each."""
    if split in KEPT_SPLITS:
        return release.kept.to_table(["image_id"], filter=_in_split(release, split))["image_id"]
    parts = [_explained(release)]
    if release.folder.clean is not None:
        parts.append(release.folder.clean.filter(~release.stays))
    tables = [part.to_table(["image_id"]) for part in parts]
    return pa.concat_tables(tables)["image_id"]


def read_rows(release: Release, split: SplitName, ids: IdRange) -> pa.Table:
    """The rows of a split with ids in a range, in ascending order, in the columns of an export."""
    in_range = ids.as_filter("image_id")
    if split in KEPT_SPLITS:
        condition = _in_split(release, split) & in_range
        rows = _keep(release, split, release.kept.to_table(filter=condition))
    else:
        rows = _drop(release, _explained(release).to_table(filter=in_range), {})
        if release.folder.clean is not None:
            gone = release.folder.clean.to_table(filter=~release.stays & in_range)
            rows = pa.concat_tables([rows, _drop(release, gone, _explain(release, gone))])
    # Files that share an id differ in what was found wrong with them.
    keys = ("id", "stage", "reason_code", "evidence")
    return rows.sort_by([(key, "ascending") for key in keys])


def _in_split(release: Release, split: SplitName) -> ds.Expression:
    return release.stays & (ds.field("split") == KEPT_SPLITS[split])


def _explained(release: Release) -> ds.Dataset:
    """The table `removed`; without overlap where the clean split says more of these images."""
    if release.folder.clean is None:
        return release.folder.removed
    return release.folder.removed.filter(ds.field("stage") != _OVERLAP)


def _keep(release: Release, split: SplitName, rows: pa.Table) -> pa.Table:
    size = len(rows)
    reason = ImageReason.VERIFIED.value if release.folder.table is MANIFEST else LISTED_REASON
    columns = {
        "label": rows["class_index"] if release.is_own else _number(release, rows),
        "split": pa.repeat(split.value, size),
        "decision": pa.repeat(KEEP, size),
        "reason_code": pa.repeat(reason, size),
    }
    return _arrange(release, rows, columns)


def _number(release: Release, rows: pa.Table) -> pa.Array:
    landmark_ids = rows["landmark_id"].to_numpy()
    return pa.array(np.searchsorted(release.classes, landmark_ids).astype(np.int32))


def _drop(release: Release, rows: pa.Table, columns: Columns) -> pa.Table:
    size = len(rows)
    given = {"split": pa.repeat(SplitName.REMOVED.value, size), "decision": pa.repeat(DROP, size)}
    if "reason" in rows.column_names:
        given["reason_code"] = rows["reason"]
    return _arrange(release, rows, given | dict(columns))


def _explain(release: Release, gone: pa.Table) -> Columns:
    """Stage, reason and evidence of rows whose class the policy removes."""
    place = pc.index_in(gone["landmark_id"], release.gone_ids)
    classes = release.removed_classes
    return {
        "stage": pa.repeat(_OVERLAP, len(gone)),
        "reason_code": pa.array([c.reason for c in classes], pa.string()).take(place),
        "evidence": pa.array([c.evidence for c in classes], pa.string()).take(place),
    }


def _arrange(release: Release, rows: pa.Table, given: Columns) -> pa.Table:
    """The columns of an export in their order; null where nobody knows."""
    known = {name: rows[name] for name in rows.column_names if name not in ("split", "image_id")}
    known |= {"id": rows["image_id"], "image_id": qualify_ids(rows["image_id"])}
    known |= {"policy_id": pa.repeat(release.policy, len(rows))}
    if "source_url" in known:
        known["url"] = known["source_url"]
    if "landmark_name" in known:
        known["category"] = _look_up_categories(known["landmark_name"])
    known |= dict(given)
    columns = [
        known[field.name] if field.name in known else pa.nulls(len(rows), field.type)
        for field in EXPORTED.schema
    ]
    return pa.table(columns, names=EXPORTED.schema.names).cast(EXPORTED.schema)


def _look_up_categories(names: pa.ChunkedArray) -> pa.Array:
    distinct = pc.unique(names.drop_null())
    urls = pa.array([category_url(name) for name in distinct.to_pylist()], pa.string())
    return urls.take(pc.index_in(names, distinct))
