"""Wrong labels that a data set is known to have: what the run did with each, and why."""

import csv
from collections.abc import Mapping, Sequence
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
from cleanmark.reporting.tables import BestPair, find_best_pairs, list_parts, read_parts
from cleanmark.scoring import Score, TruthError, score_run
from manifests.arrow_schemas import IMAGES, VERDICTS
from manifests.parquet_io import read_table
from manifests.rows import MEANINGS, ImageReason, ImageStatus
from manifests.strict_model import StrictModel
from pipelines.run_config import RunConfig
from pipelines.settings import TruthSettings
from pipelines.stages.clean import Clean
from pipelines.stages.ingest import Join


class PlantedSettings(StrictModel):
    """How many wrong labels are shown, and how large."""

    max_picture_bytes: int = 1_500_000
    max_figures: int = 60
    thumbnail_px: int = 140


@dataclass(frozen=True)
class WrongLabel:
    """An image that shows something else than its class says.

    Attributes:
        image_id: the image.
        landmark_id: its class.
        landmark_name: readable name of the class, None if unknown.
        truth: what it shows, in words.
        kept: whether the cleaning kept it all the same.
        reason: why it was dropped, for people.
        evidence: how near it came to being verified, in words.
        picture: of it.
    """

    image_id: str
    landmark_id: int
    landmark_name: str | None
    truth: str
    kept: bool
    reason: str
    evidence: str
    picture: Picture


@dataclass(frozen=True)
class TruthReport:
    """The run against the truth.

    Attributes:
        score: None if the truth could not be read.
        problem: why not, in words for the reader.
        labels: wrong labels, kept ones first.
        num_labels: how many there are.
        num_kept: of these, kept.
    """

    score: Score | None
    problem: str | None
    labels: tuple[WrongLabel, ...]
    num_labels: int
    num_kept: int

    @property
    def groups(self) -> list[tuple[str, str, list[WrongLabel]]]:
        """Labels shown, by what became of them and why: `kept` or `dropped`, reason, labels."""
        groups: dict[tuple[bool, str], list[WrongLabel]] = {}
        for label in self.labels:
            groups.setdefault((label.kept, label.reason), []).append(label)
        return [
            ("kept" if kept else "dropped", reason, labels)
            for (kept, reason), labels in groups.items()
        ]


def compare_with_truth(
    run_dir: Path,
    config: RunConfig,
    names: Mapping[int, str],
    inliner: PictureInliner,
    settings: PlantedSettings,
) -> TruthReport | None:
    """Show what became of every wrong label; None for a data set without the truth.

    Args:
        run_dir: the run folder.
        config: of the run.
        names: landmark_id -> readable name.
        inliner: bounds the size of the pictures.
        settings: how many, and how large.
    """
    if config.truth is None:
        return None
    try:
        score = score_run(run_dir, config.truth)
    except TruthError as error:
        return TruthReport(None, str(error), (), 0, 0)
    truths = _read_wrong_labels(config.truth)
    rows = _find_verdicts(run_dir, truths)
    shown = rows[: settings.max_figures]
    shower = _Shower(
        config.clean.min_inliers,
        truths,
        names,
        find_best_pairs(run_dir, {row["landmark_id"] for row in shown}),
        open_training_images(run_dir, config.source.root, [row["image_id"] for row in shown]),
        inliner,
        settings.thumbnail_px,
    )
    return TruthReport(
        score,
        None,
        tuple(shower.show(row) for row in shown),
        len(rows),
        sum(row["kept"] for row in rows),
    )


_Verdict = dict[str, Any]


@dataclass(frozen=True)
class _Shower:
    threshold: int
    truths: Mapping[str, str]
    names: Mapping[int, str]
    best_pairs: Mapping[str, BestPair]
    training: TrainingImages
    inliner: PictureInliner
    thumbnail_px: int

    def show(self, row: _Verdict) -> WrongLabel:
        """One wrong label with its picture and the words about it."""
        image_id, landmark_id = row["image_id"], row["landmark_id"]
        name = self.names.get(landmark_id)
        alt = f"Image {image_id}, wrongly filed under {name or landmark_id}"
        load = partial(self.training.load_thumbnail, image_id, self.thumbnail_px)
        return WrongLabel(
            image_id,
            landmark_id,
            name,
            self.truths[image_id],
            row["kept"],
            MEANINGS[ImageReason(row["reason"])],
            self._describe(self.best_pairs.get(image_id)),
            self.inliner.inline(alt, load),
        )

    def _describe(self, best: BestPair | None) -> str:
        if best is None:
            return "compared with no other photograph"
        words = f"best pair: {best.num_inliers} of {self.threshold} inliers"
        # More than enough inliers, and yet refused: then the guard is the reason.
        is_enough = best.num_inliers >= self.threshold
        return f"{words}, {best.reason.replace('_', ' ')}" if is_enough else words


def _read_wrong_labels(truth: TruthSettings) -> dict[str, str]:
    """Image id -> what it shows in words, of images whose label is wrong."""
    with truth.images.open(newline="", encoding="utf-8") as stream:
        return {
            row["image_id"]: row.get("planted") or f"shows {row['place_shown'].replace('_', ' ')}"
            for row in csv.DictReader(stream)
            if row["label_correct"] != "1"
        }


def _find_verdicts(run_dir: Path, truths: Mapping[str, str]) -> Sequence[_Verdict]:
    """Verdicts on the usable images whose label is wrong: kept ones first, then by class."""
    usable = _find_usable(run_dir, truths)
    rows: list[_Verdict] = []
    columns = ["image_id", "landmark_id", "kept", "reason"]
    for part in read_parts(run_dir, Clean.name, VERDICTS, columns):
        rows += part.filter(pc.is_in(part["image_id"], usable)).to_pylist()
    return sorted(rows, key=lambda row: (not row["kept"], row["landmark_id"], row["image_id"]))


def _find_usable(run_dir: Path, truths: Mapping[str, str]) -> pa.Array:
    wanted = pa.array(sorted(truths), pa.string())
    usable: list[str] = []
    for path in list_parts(run_dir, Join.name):
        part = read_table(path, IMAGES, ["image_id", "status"])
        is_ok = pc.equal(part["status"], ImageStatus.OK.value)
        usable += part.filter(pc.and_(pc.is_in(part["image_id"], wanted), is_ok))[
            "image_id"
        ].to_pylist()
    return pa.array(usable, pa.string())
