"""Photographs that stand in two classes, as the report shows them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cleanmark.reporting.pictures import (
    Picture,
    PictureInliner,
    TrainingImages,
    open_training_images,
)
from cleanmark.reporting.tables import list_parts
from manifests.arrow_schemas import CROSS_DUPLICATES, REMOVED
from manifests.parquet_io import read_table
from manifests.rows import DuplicateKind, ImageReason
from manifests.strict_model import StrictModel
from pipelines.run_config import RunConfig
from pipelines.stages.cross_duplicates import FindCrossDuplicates
from pipelines.stages.emit import FOLDER, REMOVED_ROWS

_Row = dict[str, Any]
_ORDER = (
    ("num_inliers", "descending"), ("image_id_a", "ascending"), ("image_id_b", "ascending"),
)  # fmt: skip


class TwoClassSettings(StrictModel):
    """How many pairs are shown of each kind, and how large."""

    max_picture_bytes: int = 1_500_000
    max_figures: int = 8
    thumbnail_px: int = 168


@dataclass(frozen=True)
class TwoClassPair:
    """A pair of images of different classes.

    Attributes:
        row: of the table `cross_duplicates`.
        names: of the two classes, None if unknown.
        pictures: of the two images.
        gone: whether each of them left the split for it.
    """

    row: _Row
    names: tuple[str | None, str | None]
    pictures: tuple[Picture, Picture]
    gone: tuple[bool, bool]


@dataclass(frozen=True)
class KindOfPairs:
    """The pairs of one kind: some of them, and how many there are."""

    kind: DuplicateKind
    pairs: tuple[TwoClassPair, ...]
    num_pairs: int


def show_two_classes(
    run_dir: Path,
    config: RunConfig,
    names: Mapping[int, str],
    inliner: PictureInliner,
    settings: TwoClassSettings,
) -> list[KindOfPairs]:
    """Some pairs of each kind, those with most inliers first; kinds without pairs are left out.

    Args:
        run_dir: the run folder.
        config: of the run.
        names: landmark_id -> readable name.
        inliner: bounds the size of the pictures.
        settings: how many, and how large.
    """
    found = _choose_pairs(run_dir, settings.max_figures)
    ids = [row[f"image_id_{side}"] for _, rows, _ in found for row in rows for side in "ab"]
    training = open_training_images(run_dir, config.source.root, ids)
    shower = _Shower(training, names, _find_gone(run_dir, ids), inliner, settings.thumbnail_px)
    return [
        KindOfPairs(kind, tuple(shower.show(row) for row in rows), num_pairs)
        for kind, rows, num_pairs in found
    ]


def _choose_pairs(run_dir: Path, max_rows: int) -> list[tuple[DuplicateKind, list[_Row], int]]:
    """For each kind that occurs, some rows and how many there are."""
    table = read_table(list_parts(run_dir, FindCrossDuplicates.name), CROSS_DUPLICATES)
    found = []
    for kind in DuplicateKind:
        of_kind = table.filter(pc.equal(table["kind"], kind.value)).sort_by(list(_ORDER))
        if of_kind.num_rows:
            found.append((kind, of_kind.slice(0, max_rows).to_pylist(), of_kind.num_rows))
    return found


@dataclass(frozen=True)
class _Shower:
    training: TrainingImages
    names: Mapping[int, str]
    gone: Collection[str]
    inliner: PictureInliner
    thumbnail_px: int

    def show(self, row: _Row) -> TwoClassPair:
        """One pair with its pictures and what became of them."""
        return TwoClassPair(
            row,
            (self.names.get(row["landmark_id_a"]), self.names.get(row["landmark_id_b"])),
            (self._inline(row, "a"), self._inline(row, "b")),
            (row["image_id_a"] in self.gone, row["image_id_b"] in self.gone),
        )

    def _inline(self, row: _Row, side: str) -> Picture:
        image_id, landmark_id = row[f"image_id_{side}"], row[f"landmark_id_{side}"]
        alt = f"Image {image_id} of {self.names.get(landmark_id, landmark_id)}"
        load = partial(self.training.load_thumbnail, image_id, self.thumbnail_px)
        return self.inliner.inline(alt, load)


def _find_gone(run_dir: Path, image_ids: Collection[str]) -> frozenset[str]:
    """Which of some images are in no manifest for having a copy in another class."""
    wanted = pa.array(sorted(set(image_ids)), pa.string())
    gone: set[str] = set()
    for path in sorted((run_dir / FOLDER / REMOVED_ROWS).glob("*.parquet")):
        part = read_table(path, REMOVED, ["image_id", "reason"])
        is_copy = pc.equal(part["reason"], ImageReason.CROSS_CLASS_DUPLICATE.value)
        found = part.filter(pc.and_(pc.is_in(part["image_id"], wanted), is_copy))
        gone |= set(found["image_id"].to_pylist())
    return frozenset(gone)
