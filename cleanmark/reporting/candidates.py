"""Overlap candidates of a run and what people said of them, as columns."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from cleanmark.reporting.tables import list_parts
from manifests.arrow_schemas import CANDIDATES
from manifests.decisions import DecisionRow
from manifests.parquet_io import read_table
from manifests.rows import CandidateVerdict, Decision
from pipelines.stages.overlap import Overlap

CandidateRow = dict[str, Any]
CandidateKey = tuple[str, str, str]
"""Evaluation set, query and image."""

_COLUMNS = (
    "eval_set", "query_id", "image_id", "landmark_id", "landmark_name", "source", "rank", "probe",
    "similarity", "num_tentative", "num_inliers", "verdict",
)  # fmt: skip
_KEY = ["eval_set", "query_id", "image_id"]
_CONVINCING = (CandidateVerdict.MATCH.value, CandidateVerdict.NAMED.value)


@dataclass(frozen=True)
class Votes:
    """What people said of the candidates: key -> decisions, by reviewer."""

    by_candidate: Mapping[CandidateKey, tuple[DecisionRow, ...]]

    @classmethod
    def collect(cls, decisions: Iterable[DecisionRow]) -> "Votes":
        """Group the last word of each reviewer by candidate."""
        said: defaultdict[CandidateKey, list[DecisionRow]] = defaultdict(list)
        for row in decisions:
            said[row.eval_set, row.query_id, row.image_id].append(row)
        return cls({key: tuple(rows) for key, rows in said.items()})

    def describe(self, row: CandidateRow) -> str:
        """Who said what, such as `same (anna), unsure (ben)`; or that nobody did."""
        rows = self.by_candidate.get(key_of(row), ())
        return ", ".join(f"{r.decision} ({r.reviewer})" for r in rows) or "not decided"

    def count(self, row: CandidateRow, decision: Decision) -> int:
        """How many reviewers said so of a candidate."""
        rows = self.by_candidate.get(key_of(row), ())
        return sum(r.decision is decision for r in rows)


def key_of(row: CandidateRow) -> CandidateKey:
    """What names a candidate."""
    return row["eval_set"], row["query_id"], row["image_id"]


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


def read_candidates(run_dir: Path) -> pd.DataFrame:
    """All candidates, the most convincing one of each query and class first.

    A page shows only the first few, so no query and no class may fill it alone.
    """
    table = read_table(list_parts(run_dir, Overlap.name), CANDIDATES, _COLUMNS)
    frame: pd.DataFrame = table.to_pandas()
    frame["strength"] = frame["num_inliers"].fillna(0)
    frame = frame.sort_values(["strength", *_KEY], ascending=[False, True, True, True])
    frame["turn"] = frame.groupby(["eval_set", "query_id", "landmark_id"]).cumcount()
    frame["is_weak"] = ~frame["verdict"].isin(_CONVINCING)
    return frame.sort_values(["is_weak", "turn"], kind="stable", ignore_index=True)


def take_rows(candidates: pd.DataFrame) -> list[CandidateRow]:
    """Some candidates as rows; None where the table has a null."""
    chosen = candidates[list(_COLUMNS)].astype(object)
    rows = chosen.where(chosen.notna(), None).to_dict("records")
    return [_with_whole_numbers(dict(row)) for row in rows]


def summarise_by_class(candidates: pd.DataFrame, votes: Votes) -> list[ClassEvidence]:
    """One row per evaluation set and class, the most matches first."""
    keys = pd.MultiIndex.from_frame(candidates[_KEY])
    frame = candidates.assign(
        is_match=candidates["verdict"] == CandidateVerdict.MATCH.value,
        is_decided=keys.isin(list(votes.by_candidate)) if votes.by_candidate else False,
    )
    grouped = frame.groupby(["eval_set", "landmark_id"])
    summary = grouped.agg(
        landmark_name=("landmark_name", "first"),
        num_candidates=("image_id", "size"),
        num_matches=("is_match", "sum"),
        num_queries=("query_id", "nunique"),
        most_inliers=("num_inliers", "max"),
        num_decided=("is_decided", "sum"),
    ).reset_index()
    evidence = [_make_evidence(dict(row)) for row in summary.to_dict("records")]
    return sorted(
        evidence, key=lambda e: (-e.num_matches, -(e.most_inliers or 0), e.eval_set, e.landmark_id)
    )


def _make_evidence(row: dict[Any, Any]) -> ClassEvidence:
    counts = ("landmark_id", "num_candidates", "num_matches", "num_queries", "num_decided")
    return ClassEvidence(
        eval_set=row["eval_set"],
        landmark_name=None if pd.isna(row["landmark_name"]) else row["landmark_name"],
        most_inliers=None if pd.isna(row["most_inliers"]) else int(row["most_inliers"]),
        **{name: int(row[name]) for name in counts},
    )


def _with_whole_numbers(row: dict[Any, Any]) -> CandidateRow:
    """Pandas keeps whole numbers beside nulls as floats."""
    for name in ("landmark_id", "rank", "num_tentative", "num_inliers"):
        if row[name] is not None:
            row[name] = int(row[name])
    return row
