"""Rows of the published tables, from images, verdicts and removals; many at a time."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curation.class_index import ValSplitSettings, mark_val_images
from manifests.arrow_schemas import MANIFEST, REMOVED
from manifests.id_arrays import encode_ids, list_ids, pack_ids
from manifests.rows import MEANINGS, ImageReason, ImageStatus
from pipelines.verdict_columns import REASONS, VerdictColumns

Row = dict[str, Any]
Mask = NDArray[np.bool_]

_COMPUTED = ("class_index", "num_verified_neighbours", "split")
_FROM_IMAGES = tuple(c.name for c in MANIFEST.columns if c.name not in _COMPUTED)
_FOR_REMOVED = ("image_id", "landmark_id", "status", "reason", "shard", "member")


class Cause(NamedTuple):
    """Why an image is in no manifest: columns of the table `removed`."""

    stage: str
    reason: str
    evidence: str


@dataclass(frozen=True, eq=False)
class Fate:
    """Which of n images with a verdict a manifest keeps.

    Attributes:
        verdicts: of the cleaning.
        kept: bool (n,).
        is_val: held out for validation, bool (n,).
        removed: landmark_id -> why, of classes removed for overlap.
        removed_images: image id -> why, of images removed by themselves.
    """

    verdicts: VerdictColumns
    kept: Mask
    is_val: Mask
    removed: Mapping[int, Cause]
    removed_images: Mapping[str, Cause]

    @classmethod
    def choose(
        cls,
        verdicts: VerdictColumns,
        removed: Mapping[int, Cause],
        removed_images: Mapping[str, Cause],
        settings: ValSplitSettings,
    ) -> "Fate":
        """What is left of the clean split without some classes and images."""
        kept = verdicts.kept & ~np.isin(verdicts.landmark_ids, list(removed))
        kept &= ~_contains(removed_images.keys(), verdicts)
        is_val = np.zeros(len(kept), np.bool_)
        is_val[kept] = mark_val_images(
            list_ids(verdicts.image_ids[kept]), verdicts.landmark_ids[kept], settings
        )
        return cls(verdicts, kept, is_val, removed, removed_images)

    @cached_property
    def classes(self) -> NDArray[np.int64]:
        """landmark_id of each class that is left, ascending; its place is the class index."""
        return np.unique(self.verdicts.landmark_ids[self.kept])

    @cached_property
    def class_sizes(self) -> dict[int, int]:
        """landmark_id -> number of images kept."""
        ids, sizes = np.unique(self.verdicts.landmark_ids[self.kept], return_counts=True)
        return dict(zip(ids.tolist(), sizes.tolist(), strict=True))

    def find_kept(self, images: pa.Table) -> tuple[Mask, NDArray[np.int64]]:
        """Which of m rows of the table `images` the manifest has, bool (m,), and their verdicts.

        Returns:
            The mask, and rows of `verdicts`, int64 (m,); -1 where an image has none.
        """
        rows = self.verdicts.find(pack_ids(images["image_id"]))
        # A second file with the id of a kept image has a status of its own.
        is_ok = pc.equal(images["status"], ImageStatus.OK.value).to_numpy()
        rows = np.where(is_ok, rows, -1)
        is_kept = rows >= 0
        is_kept[is_kept] = self.kept[rows[is_kept]]
        return is_kept, rows


def _contains(image_ids: Collection[str], verdicts: VerdictColumns) -> Mask:
    rows = verdicts.find(encode_ids(list(image_ids)))
    mask = np.zeros(len(verdicts.image_ids), np.bool_)
    mask[rows[rows >= 0]] = True
    return mask


def make_manifest(images: pa.Table, fate: Fate) -> pa.Table:
    """The rows of a manifest for those of some rows of the table `images` that it keeps."""
    is_kept, rows = fate.find_kept(images)
    kept, own = images.filter(pa.array(is_kept)), rows[is_kept]
    columns = {name: kept[name] for name in _FROM_IMAGES}
    columns["class_index"] = pa.array(
        np.searchsorted(fate.classes, fate.verdicts.landmark_ids[own]), pa.int32()
    )
    columns["num_verified_neighbours"] = pa.array(fate.verdicts.num_verified_neighbours[own])
    columns["split"] = pc.if_else(pa.array(fate.is_val[own]), "val", "train")
    return pa.table([columns[name] for name in MANIFEST.schema.names], schema=MANIFEST.schema)


def explain_removals(images: pa.Table, fate: Fate) -> pa.Table:
    """The rows of the table `removed` for those of some images that the manifest lacks.

    Raises:
        KeyError: an image passed the cleaning and nothing says why it is not in the manifest.
    """
    is_kept, rows = fate.find_kept(images)
    gone = images.filter(pa.array(~is_kept)).select(_FOR_REMOVED)
    pairs = zip(gone.to_pylist(), rows[~is_kept].tolist(), strict=True)
    causes = [_find_cause(image, row, fate) for image, row in pairs]
    columns = {
        "image_id": gone["image_id"],
        "landmark_id": gone["landmark_id"],
        **{name: [getattr(cause, name) for cause in causes] for name in Cause._fields},
    }
    return pa.table(columns, schema=REMOVED.schema)


def _find_cause(image: Row, row: int, fate: Fate) -> Cause:
    if image["status"] != ImageStatus.OK:
        status = ImageStatus(image["status"])
        details = image["reason"] or MEANINGS[status]
        where = "" if image["shard"] is None else f"{image['shard']}, {image['member']}: "
        return Cause("ingest", status, f"{where}{details}")
    if row < 0:
        raise KeyError(image["image_id"])
    if not fate.verdicts.kept[row]:
        reason = REASONS[fate.verdicts.reasons[row]]
        return Cause("clean", reason, _describe_verdict(reason, row, fate.verdicts))
    if image["image_id"] in fate.removed_images:
        return fate.removed_images[image["image_id"]]
    return fate.removed[image["landmark_id"]]


def _describe_verdict(reason: ImageReason, row: int, verdicts: VerdictColumns) -> str:
    parts = [MEANINGS[reason]]
    parts.append(f"Verified neighbours: {verdicts.num_verified_neighbours[row]}.")
    original = verdicts.duplicates_of[row]
    if original >= 0:
        parts.append(f"Copy of {verdicts.image_ids[original].decode()}.")
    return " ".join(parts)
