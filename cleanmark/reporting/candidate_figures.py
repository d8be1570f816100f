"""Pictures of overlap candidates: the query, the training image, and where they agree."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cleanmark.reporting.candidates import CandidateRow, Votes
from cleanmark.reporting.correspondence_drawing import DrawingSettings, Pixels, draw_side_by_side
from cleanmark.reporting.pictures import (
    Picture,
    PictureInliner,
    TrainingImages,
    open_training_images,
)
from cleanmark.reporting.query_images import QueryImages
from manifests.rows import CandidateSource

_MAX_LINES = 40


@dataclass(frozen=True)
class CandidateFigure:
    """A candidate with its picture.

    Attributes:
        row: the row of the table `candidates`.
        decision: what people said of it, in words.
        picture: query and training image with their correspondences; the image alone for a
            candidate that was found by its name.
        num_drawn: lines in the picture.
    """

    row: CandidateRow
    decision: str
    picture: Picture
    num_drawn: int


@dataclass(frozen=True)
class FigureMaker:
    """Draws candidates.

    Attributes:
        queries: query crops and the correspondences with training images.
        training: training images.
        votes: what people said.
        panel_px: long side of each of the two images.
    """

    queries: QueryImages
    training: TrainingImages
    votes: Votes
    panel_px: int

    def make(self, row: CandidateRow, inliner: PictureInliner) -> CandidateFigure:
        """Draw one candidate."""
        decision = self.votes.describe(row)
        name = row["landmark_name"] or row["landmark_id"]
        if row["source"] == CandidateSource.TEXT:
            alt = f"Training image {row['image_id']} of {name}, found by the name of its class"
            load = partial(self.training.load_thumbnail, row["image_id"], self.panel_px)
            return CandidateFigure(row, decision, inliner.inline(alt, load), 0)
        alt = (
            f"Query {row['query_id']} beside training image {row['image_id']} of {name}; "
            f"lines join {row['num_inliers']} agreeing points"
        )
        picture = inliner.inline(alt, partial(self._draw_pair, row))
        return CandidateFigure(row, decision, picture, min(row["num_inliers"], _MAX_LINES))

    def _draw_pair(self, row: CandidateRow) -> Pixels:
        image = self.training.load(row["image_id"])
        views = self.queries.compare(row["eval_set"], row["query_id"], row["probe"], image)
        drawing = DrawingSettings(self.panel_px, gap_px=8, max_lines=_MAX_LINES, line_px=1)
        return draw_side_by_side(*views, drawing)


@dataclass(frozen=True)
class FigureSource:
    """What figures of candidates are made from.

    Attributes:
        run_dir: the run folder.
        source_root: where the shards are.
        queries: shared, because a query is read and described once.
        votes: what people said.
    """

    run_dir: Path
    source_root: Path
    queries: QueryImages
    votes: Votes

    def open(self, rows: Iterable[CandidateRow], panel_px: int) -> FigureMaker:
        """A maker of figures of some candidates; others have no picture."""
        ids = [row["image_id"] for row in rows]
        training = open_training_images(self.run_dir, self.source_root, ids)
        return FigureMaker(self.queries, training, self.votes, panel_px)
