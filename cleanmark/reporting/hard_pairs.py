"""The hardest decisions: pairs just above and just below the threshold, drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from cleanmark.reporting.correspondence_drawing import (
    DrawingSettings,
    Pixels,
    View,
    draw_side_by_side,
)
from cleanmark.reporting.pictures import (
    Picture,
    PictureInliner,
    TrainingImages,
    open_training_images,
)
from cleanmark.reporting.tables import read_parts
from curation.verification import verify_pair
from manifests.arrow_schemas import UNCERTAIN_PAIRS
from manifests.rows import PairVerdict
from manifests.strict_model import StrictModel
from pipelines.run_config import RunConfig
from pipelines.run_tables import open_features
from pipelines.stages.uncertain import ListUncertain
from pipelines.uncertain_list import describe_stake

_Row = dict[str, Any]


class HardPairSettings(StrictModel):
    """How many pairs are shown on each side of the threshold, and how large."""

    max_picture_bytes: int = 2_000_000
    max_figures: int = 6
    panel_px: int = 300


@dataclass(frozen=True)
class HardPair:
    """A pair with its picture.

    Attributes:
        row: of the table `uncertain_pairs`.
        landmark_name: of its class, None if unknown.
        stake: what the opposite verdict would do, in words; empty if nothing.
        picture: both images with what agrees.
    """

    row: _Row
    landmark_name: str | None
    stake: str
    picture: Picture


@dataclass(frozen=True)
class HardPairs:
    """Pairs on both sides of the threshold, the nearest first; the numbers tell of all."""

    above: tuple[HardPair, ...]
    below: tuple[HardPair, ...]
    num_above: int
    num_below: int


def make_hard_pairs(
    run_dir: Path,
    config: RunConfig,
    names: Mapping[int, str],
    inliner: PictureInliner,
    settings: HardPairSettings,
) -> HardPairs:
    """Draw the pairs of the table `uncertain_pairs` that are hardest to decide.

    On each side, those on which an image's fate hinges come first, then the nearest to the
    threshold.

    Args:
        run_dir: the run folder.
        config: of the run.
        names: landmark_id -> readable name.
        inliner: bounds the size of the pictures.
        settings: how many, and how large.
    """
    sides = _read_sides(run_dir, config.clean.min_inliers)
    rows = [_take_rows(side.head(settings.max_figures)) for side in sides]
    ids = [row[f"image_id_{end}"] for side in rows for row in side for end in "ab"]
    training = open_training_images(run_dir, config.source.root, ids)
    draw = partial(_draw, run_dir, config, training, settings.panel_px)
    above, below = (
        tuple(
            HardPair(
                row,
                names.get(row["landmark_id"]),
                describe_stake(row),
                inliner.inline(_describe_alt(row), partial(draw, row)),
            )
            for row in side
        )
        for side in rows
    )
    return HardPairs(above, below, len(sides[0]), len(sides[1]))


def _read_sides(run_dir: Path, threshold: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Pairs accepted and pairs refused, each in order of interest."""
    parts = [part.to_pandas() for part in read_parts(run_dir, ListUncertain.name, UNCERTAIN_PAIRS)]
    if not parts:
        columns = [column.name for column in UNCERTAIN_PAIRS.columns]
        parts = [pd.DataFrame(columns=columns)]
    frame = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    frame["is_idle"] = ~((frame["decides_a"] == True) | (frame["decides_b"] == True))  # noqa: E712
    frame["distance"] = (frame["num_inliers"] - threshold).abs()
    frame = frame.sort_values(["is_idle", "distance", "image_id_a", "image_id_b"])
    is_above = (frame["verdict"] != PairVerdict.REJECTED.value) & (
        frame["num_inliers"] >= threshold
    )
    return frame[is_above], frame[~is_above]


def _take_rows(frame: pd.DataFrame) -> Sequence[_Row]:
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]


def _describe_alt(row: _Row) -> str:
    return (
        f"Images {row['image_id_a']} and {row['image_id_b']}; lines join {row['num_inliers']} "
        "agreeing points"
    )


def _draw(
    run_dir: Path, config: RunConfig, training: TrainingImages, panel_px: int, row: _Row
) -> Pixels:
    ids = row["image_id_a"], row["image_id_b"]
    pixels = [training.load(image_id) for image_id in ids]
    a, b = (open_features(run_dir).load(image_id) for image_id in ids)
    inliers = verify_pair(a, b, config.verify).inliers
    return draw_side_by_side(
        View(pixels[0], a.xy[inliers.index_a], a.width),
        View(pixels[1], b.xy[inliers.index_b], b.width),
        DrawingSettings(panel_px, gap_px=8, max_lines=40, line_px=1),
    )
