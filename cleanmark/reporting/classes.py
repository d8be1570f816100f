"""The classes of the report: a table of all (or many), and picture strips of a few."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from cleanmark.reporting.pictures import (
    Picture,
    PictureInliner,
    TrainingImages,
    open_training_images,
)
from cleanmark.reporting.tables import (
    BestPair,
    ImageTallies,
    VerdictTallies,
    find_best_pairs,
    read_verdicts_of,
)
from manifests.strict_model import StrictModel

_Item = TypeVar("_Item")


class StripSettings(StrictModel):
    """How many classes and pictures are shown."""

    max_picture_bytes: int = 4_000_000
    max_rows: int = 200
    max_strips: int = 24
    max_kept: int = 6
    max_dropped: int = 10
    thumbnail_px: int = 168


@dataclass(frozen=True)
class ClassRow:
    """One class in numbers; `num_published` is 0 for a class removed for overlap."""

    landmark_id: int
    name: str | None
    num_ingested: int
    num_usable: int
    num_clean: int
    num_published: int
    is_overlapping: bool

    @property
    def num_removed(self) -> int:
        """Files of the class that are not published."""
        return self.num_ingested - self.num_published

    @property
    def share_removed(self) -> float:
        """The same as a share of all its files."""
        return self.num_removed / self.num_ingested


@dataclass(frozen=True)
class Thumbnail:
    """A small picture with its id, why it was kept or dropped, and what that rests on."""

    image_id: str
    reason: str
    detail: str
    picture: Picture


@dataclass(frozen=True)
class Strip:
    """A class with some of its images; the numbers tell how many there are."""

    row: ClassRow
    kept: tuple[Thumbnail, ...]
    num_kept: int
    dropped: tuple[Thumbnail, ...]
    num_dropped: int


def list_classes(
    images: ImageTallies,
    verdicts: VerdictTallies,
    published: Counter[int],
    removed_classes: frozenset[int],
) -> list[ClassRow]:
    """Every class, the largest share removed first, then the most images removed.

    Args:
        images: files by class.
        verdicts: what the cleaning kept, by class.
        published: landmark_id -> images of the published split.
        removed_classes: classes that are gone for overlap.
    """
    rows = []
    for landmark_id, num_ingested in images.ingested.items():
        if landmark_id is not None:
            row = ClassRow(
                landmark_id,
                images.names.get(landmark_id),
                num_ingested,
                images.usable[landmark_id],
                verdicts.clean[landmark_id],
                published[landmark_id],
                landmark_id in removed_classes,
            )
            rows.append(row)
    return sorted(rows, key=lambda r: (-r.share_removed, -r.num_removed, r.landmark_id))


def choose_strips(rows: Sequence[ClassRow], settings: StripSettings) -> list[ClassRow]:
    """The head of the table, and classes at even distances in the rest, so that both show."""
    if len(rows) <= settings.max_strips:
        return list(rows)
    head = settings.max_strips // 2
    return [*rows[:head], *spread(rows[head:], settings.max_strips - head)]


def spread(items: Sequence[_Item], max_items: int) -> list[_Item]:
    """At most `max_items` of a sequence at even distances, the first among them."""
    if len(items) <= max_items:
        return list(items)
    return [items[number * len(items) // max_items] for number in range(max_items)]


def make_strips(
    run_dir: Path,
    source_root: Path,
    rows: Sequence[ClassRow],
    inliner: PictureInliner,
    settings: StripSettings,
) -> list[Strip]:
    """Fetch the pictures of some classes.

    Args:
        run_dir: the run folder.
        source_root: where the shards are.
        rows: the classes.
        inliner: bounds the size of all pictures together.
        settings: how many, and how large.
    """
    classes = [row.landmark_id for row in rows]
    verdicts = read_verdicts_of(run_dir, classes)
    best_pairs = find_best_pairs(run_dir, classes)
    chosen = {c: _choose_images(verdicts[c], settings) for c in classes}
    wanted = [verdict["image_id"] for both in chosen.values() for v in both for verdict in v]
    training = open_training_images(run_dir, source_root, wanted)
    maker = _ThumbnailMaker(training, best_pairs, inliner, settings.thumbnail_px)
    strips = []
    for row in rows:
        kept, dropped = chosen[row.landmark_id]
        num_kept = sum(verdict["kept"] for verdict in verdicts[row.landmark_id])
        num_dropped = len(verdicts[row.landmark_id]) - num_kept
        strips.append(
            Strip(row, maker.make(row, kept), num_kept, maker.make(row, dropped), num_dropped)
        )
    return strips


_Verdicts = list[dict[str, Any]]


def _choose_images(verdicts: _Verdicts, settings: StripSettings) -> tuple[_Verdicts, _Verdicts]:
    """Kept images from the best confirmed to the least; dropped ones of every reason."""
    kept = sorted((v for v in verdicts if v["kept"]), key=lambda v: -v["num_verified_neighbours"])
    dropped = sorted((v for v in verdicts if not v["kept"]), key=lambda v: str(v["reason"]))
    return spread(kept, settings.max_kept), spread(dropped, settings.max_dropped)


@dataclass(frozen=True)
class _ThumbnailMaker:
    training: TrainingImages
    best_pairs: Mapping[str, BestPair]
    inliner: PictureInliner
    thumbnail_px: int

    def make(self, row: ClassRow, verdicts: Iterable[dict[str, Any]]) -> tuple[Thumbnail, ...]:
        return tuple(self._make_one(row, verdict) for verdict in verdicts)

    def _make_one(self, row: ClassRow, verdict: dict[str, Any]) -> Thumbnail:
        image_id: str = verdict["image_id"]
        reason = str(verdict["reason"]).replace("_", " ")
        state = "kept" if verdict["kept"] else "dropped"
        alt = f"Image {image_id} of {row.name or row.landmark_id}, {state}: {reason}"
        load = partial(self.training.load_thumbnail, image_id, self.thumbnail_px)
        picture = self.inliner.inline(alt, load)
        return Thumbnail(image_id, reason, self._describe(verdict), picture)

    def _describe(self, verdict: dict[str, Any]) -> str:
        if verdict["duplicate_of"] is not None:
            return f"copy of {verdict['duplicate_of']}"
        count = verdict["num_verified_neighbours"]
        if count:
            return f"{count} neighbour{'s' if count > 1 else ''}"
        best = self.best_pairs.get(verdict["image_id"])
        if best is None:
            return "not compared"
        return f"best pair: {best.num_inliers} inliers, {best.reason.replace('_', ' ')}"
