"""Rows of the published tables, from images, verdicts and removals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from manifests.arrow_schemas import MANIFEST, VERDICTS
from manifests.parquet_io import read_table
from manifests.rows import MEANINGS, ImageReason, ImageStatus
from pipelines.run_folder import table_parts
from pipelines.run_tables import open_images

Row = dict[str, Any]
_FROM_IMAGES = tuple(
    column.name
    for column in MANIFEST.columns
    if column.name not in ("class_index", "num_verified_neighbours", "split")
)


@dataclass(frozen=True)
class Verdicts:
    """The verdicts of the cleaning, by image id, and the names of the classes."""

    by_image: Mapping[str, Row]
    landmark_names: Mapping[int, str]

    @classmethod
    def load(cls, run_dir: Path) -> "Verdicts":
        """Read the verdicts of a run."""
        rows = read_table(table_parts(run_dir, "clean"), VERDICTS).to_pylist()
        names = open_images(run_dir).landmark_names
        return cls({row["image_id"]: row for row in rows}, names)

    @cached_property
    def kept_by_class(self) -> dict[int, list[str]]:
        """landmark_id -> ids of the images kept, both ascending."""
        classes: dict[int, list[str]] = {}
        for image_id in sorted(self.by_image):
            row = self.by_image[image_id]
            if row["kept"]:
                classes.setdefault(row["landmark_id"], []).append(image_id)
        return dict(sorted(classes.items()))


class Cause(NamedTuple):
    """Why an image is in no manifest: columns of the table `removed`."""

    stage: str
    reason: str
    evidence: str


@dataclass(frozen=True)
class Fate:
    """Which images a manifest keeps.

    Attributes:
        classes: landmark_id -> image ids kept.
        class_index: landmark_id -> number of the class.
        val_images: held out for validation.
        removed: landmark_id -> why, of classes removed for overlap.
        removed_images: image id -> why, of images removed by themselves.
    """

    classes: Mapping[int, Sequence[str]]
    class_index: Mapping[int, int]
    val_images: frozenset[str]
    removed: Mapping[int, Cause]
    removed_images: Mapping[str, Cause]

    @cached_property
    def _kept(self) -> frozenset[str]:
        return frozenset(image_id for ids in self.classes.values() for image_id in ids)

    def keeps(self, image: Row) -> bool:
        """Whether the manifest has a row for this row of the table `images`."""
        # A second file with the id of a kept image has a status of its own.
        return image["status"] == ImageStatus.OK and image["image_id"] in self._kept


def manifest_row(image: Row, verdicts: Verdicts, fate: Fate) -> Row:
    """The row of a manifest for an image it keeps."""
    image_id = image["image_id"]
    return {
        **{name: image[name] for name in _FROM_IMAGES},
        "class_index": fate.class_index[image["landmark_id"]],
        "num_verified_neighbours": verdicts.by_image[image_id]["num_verified_neighbours"],
        "split": "val" if image_id in fate.val_images else "train",
    }


def explain_removal(image: Row, verdicts: Verdicts, fate: Fate) -> Row:
    """The row of the table `removed` for an image that the manifest does not keep."""
    cause = _find_cause(image, verdicts, fate)
    ids = {"image_id": image["image_id"], "landmark_id": image["landmark_id"]}
    return {**ids, **cause._asdict()}


def _find_cause(image: Row, verdicts: Verdicts, fate: Fate) -> Cause:
    if image["status"] != ImageStatus.OK:
        status = ImageStatus(image["status"])
        details = image["reason"] or MEANINGS[status]
        where = "" if image["shard"] is None else f"{image['shard']}, {image['member']}: "
        return Cause("ingest", status, f"{where}{details}")
    verdict = verdicts.by_image[image["image_id"]]
    if not verdict["kept"]:
        return Cause("clean", verdict["reason"], _describe_verdict(verdict))
    if image["image_id"] in fate.removed_images:
        return fate.removed_images[image["image_id"]]
    return fate.removed[image["landmark_id"]]


def _describe_verdict(verdict: Row) -> str:
    parts = [MEANINGS[ImageReason(verdict["reason"])]]
    parts.append(f"Verified neighbours: {verdict['num_verified_neighbours']}.")
    if verdict["duplicate_of"] is not None:
        parts.append(f"Copy of {verdict['duplicate_of']}.")
    return " ".join(parts)
