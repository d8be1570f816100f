"""The overlap part of the report: candidates beside their queries, and what people decided."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from cleanmark.reporting.correspondence_drawing import DrawingSettings, Pixels, draw_side_by_side
from cleanmark.reporting.pictures import Picture, PictureInliner, TrainingImages
from cleanmark.reporting.query_images import QueryImages
from cleanmark.reporting.tables import list_parts
from curation.images import resize_long_side
from manifests.arrow_schemas import CANDIDATES
from manifests.decisions import DecisionRow
from manifests.parquet_io import read_table
from manifests.rows import CandidateSource, CandidateVerdict
from manifests.strict_model import StrictModel
from pipelines.stages.overlap import Overlap

CandidateRow = dict[str, Any]

_NOT_DECIDED = "not decided"


class CandidateSettings(StrictModel):
    """How many candidates are shown, and how large."""

    max_rows: int = 60
    max_figures: int = 24
    panel_px: int = 340


@dataclass(frozen=True)
class ClassEvidence:
    """All candidates of one class for one evaluation set, in numbers."""

    eval_set: str
    landmark_id: int
    landmark_name: str | None
    num_candidates: int
    num_matches: int
    num_queries: int
    most_inliers: int | None
    num_decided: int


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


def read_candidates(run_dir: Path) -> list[CandidateRow]:
    """All candidates, the most convincing one of each query and class first.

    A page shows only the first few, so no query and no class may fill it alone.
    """
    parts = list_parts(run_dir, Overlap.name)
    rows: list[CandidateRow] = read_table(parts, CANDIDATES).to_pylist()
    rows.sort(key=_by_evidence)
    turns: defaultdict[tuple[str, str, int], int] = defaultdict(int)
    turn_of: list[int] = []
    for row in rows:
        group = (row["eval_set"], row["query_id"], row["landmark_id"])
        turn_of.append(turns[group])
        turns[group] += 1
    order = sorted(range(len(rows)), key=lambda n: (not _is_convincing(rows[n]), turn_of[n], n))
    return [rows[number] for number in order]


def describe_decisions(decisions: Iterable[DecisionRow]) -> dict[tuple[str, str, str], str]:
    """Evaluation set, query and image -> who said what, such as `same (anna), unsure (ben)`."""
    said: defaultdict[tuple[str, str, str], list[str]] = defaultdict(list)
    for row in decisions:
        said[row.eval_set, row.query_id, row.image_id].append(f"{row.decision} ({row.reviewer})")
    return {key: ", ".join(words) for key, words in said.items()}


def summarise_by_class(
    candidates: Sequence[CandidateRow], decided: Mapping[tuple[str, str, str], str]
) -> list[ClassEvidence]:
    """One row per evaluation set and class, the most matches first."""
    groups: defaultdict[tuple[str, int], list[CandidateRow]] = defaultdict(list)
    for row in candidates:
        groups[row["eval_set"], row["landmark_id"]].append(row)
    evidence = [_summarise(rows, decided) for rows in groups.values()]
    return sorted(
        evidence, key=lambda e: (-e.num_matches, -(e.most_inliers or 0), e.eval_set, e.landmark_id)
    )


@dataclass(frozen=True)
class FigureMaker:
    """Draws candidates.

    Attributes:
        queries: query crops and the correspondences with training images.
        training: training images.
        decided: from `describe_decisions`.
        inliner: bounds the size of all pictures together.
        settings: how large.
    """

    queries: QueryImages
    training: TrainingImages
    decided: Mapping[tuple[str, str, str], str]
    inliner: PictureInliner
    settings: CandidateSettings

    def make(self, row: CandidateRow) -> CandidateFigure:
        """Draw one candidate."""
        decision = self.decided.get(_key(row), _NOT_DECIDED)
        name = row["landmark_name"] or row["landmark_id"]
        if row["source"] == CandidateSource.TEXT:
            alt = f"Training image {row['image_id']} of {name}, found by the name of its class"
            picture = self.inliner.inline(alt, partial(self._load_alone, row))
            return CandidateFigure(row, decision, picture, 0)
        alt = (
            f"Query {row['query_id']} beside training image {row['image_id']} of {name}; "
            f"lines join {row['num_inliers']} agreeing points"
        )
        picture = self.inliner.inline(alt, partial(self._draw_pair, row))
        return CandidateFigure(row, decision, picture, self._count_lines(row))

    def _load_alone(self, row: CandidateRow) -> Pixels:
        return resize_long_side(self.training.load(row["image_id"]), self.settings.panel_px)

    def _draw_pair(self, row: CandidateRow) -> Pixels:
        image = self.training.load(row["image_id"])
        views = self.queries.compare(row["eval_set"], row["query_id"], row["probe"], image)
        return draw_side_by_side(*views, self._drawing)

    @property
    def _drawing(self) -> DrawingSettings:
        return DrawingSettings(self.settings.panel_px, gap_px=8, max_lines=40, line_px=1)

    def _count_lines(self, row: CandidateRow) -> int:
        num_inliers: int = row["num_inliers"]
        return min(num_inliers, self._drawing.max_lines)


def _summarise(
    rows: Sequence[CandidateRow], decided: Mapping[tuple[str, str, str], str]
) -> ClassEvidence:
    inliers = [row["num_inliers"] for row in rows if row["num_inliers"] is not None]
    return ClassEvidence(
        eval_set=rows[0]["eval_set"],
        landmark_id=rows[0]["landmark_id"],
        landmark_name=rows[0]["landmark_name"],
        num_candidates=len(rows),
        num_matches=sum(row["verdict"] == CandidateVerdict.MATCH for row in rows),
        num_queries=len({row["query_id"] for row in rows}),
        most_inliers=max(inliers, default=None),
        num_decided=sum(_key(row) in decided for row in rows),
    )


def _by_evidence(row: CandidateRow) -> tuple[Any, ...]:
    return (-(row["num_inliers"] or 0), row["eval_set"], row["query_id"], row["image_id"])


def _is_convincing(row: CandidateRow) -> bool:
    return row["verdict"] in (CandidateVerdict.MATCH, CandidateVerdict.NAMED)


def _key(row: CandidateRow) -> tuple[str, str, str]:
    return row["eval_set"], row["query_id"], row["image_id"]
