"""The report's part on pairs near the threshold: those on which the fate of an image hinges."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from cleanmark.reporting.correspondence_drawing import (
    DrawingSettings,
    Pixels,
    View,
    draw_side_by_side,
)
from cleanmark.reporting.pictures import Picture, PictureInliner, TrainingImages, find_places
from cleanmark.reporting.tables import list_parts
from curation.verification import verify_pair
from manifests.strict_model import StrictModel
from pipelines.run_config import RunConfig
from pipelines.run_tables import open_features, open_images
from pipelines.stages.ingest import Join
from pipelines.uncertain_list import describe_stake, list_decisive_pairs

_Row = dict[str, Any]


class UncertainSettings(StrictModel):
    """How many decisive pairs are shown, and how large."""

    max_figures: int = 12
    panel_px: int = 340


@dataclass(frozen=True)
class UncertainFigure:
    """A decisive pair with its picture.

    Attributes:
        row: of the table `uncertain_pairs`.
        landmark_name: of its class, None if unknown.
        stake: what the opposite verdict would do, in words.
        picture: both images with what agrees.
    """

    row: _Row
    landmark_name: str | None
    stake: str
    picture: Picture


def make_uncertain_figures(
    run_dir: Path, config: RunConfig, inliner: PictureInliner, settings: UncertainSettings
) -> list[UncertainFigure]:
    """Draw the most uncertain of the decisive pairs of a run; none if none were listed."""
    rows = list_decisive_pairs(run_dir, config.clean.min_inliers)[: settings.max_figures]
    if not rows:
        return []
    ids = [row[side] for row in rows for side in ("image_id_a", "image_id_b")]
    training = TrainingImages(config.source.root, find_places(list_parts(run_dir, Join.name), ids))
    names = open_images(run_dir).landmark_names
    drawing = DrawingSettings(settings.panel_px, gap_px=8, max_lines=40, line_px=1)
    return [
        UncertainFigure(
            row,
            names.get(row["landmark_id"]),
            describe_stake(row),
            inliner.inline(
                _describe_alt(row), partial(_draw, run_dir, config, training, drawing, row)
            ),
        )
        for row in rows
    ]


def _describe_alt(row: _Row) -> str:
    return (
        f"Images {row['image_id_a']} and {row['image_id_b']}; lines join {row['num_inliers']} "
        "agreeing points"
    )


def _draw(
    run_dir: Path,
    config: RunConfig,
    training: TrainingImages,
    drawing: DrawingSettings,
    row: _Row,
) -> Pixels:
    ids = row["image_id_a"], row["image_id_b"]
    pixels = [training.load(image_id) for image_id in ids]
    a, b = (open_features(run_dir).load(image_id) for image_id in ids)
    inliers = verify_pair(a, b, config.verify).inliers
    return draw_side_by_side(
        View(pixels[0], a.xy[inliers.index_a], a.width),
        View(pixels[1], b.xy[inliers.index_b], b.width),
        drawing,
    )
