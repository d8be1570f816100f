"""Evidence cards: for each class that lost images to an evaluation set, what that rests on."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from pydantic import Field

from cleanmark.reporting.candidate_figures import CandidateFigure, FigureMaker, FigureSource
from cleanmark.reporting.candidates import CandidateRow, Votes, take_rows
from cleanmark.reporting.pictures import PictureInliner
from manifests.manifest_json import Manifest, RemovedClass
from manifests.rows import CandidateVerdict, Decision
from manifests.strict_model import StrictModel


class EvidenceSettings(StrictModel):
    """Bounds of the cards. Every class has one; only pictures and rows of it are bounded."""

    max_picture_bytes: int = 8_000_000
    """Of all cards together, shared fairly."""
    max_card_bytes: int = Field(270_000, le=280_000)
    """Pictures of one card, as they stand in the file; its words add a few thousand bytes."""
    max_figures: int = 4
    figure_bytes: int = Field(30_000, ge=1)
    """Room that a picture needs; a card whose share has no room for it is not drawn."""
    max_rows: int = 12
    """Candidates of a card with what people said of them."""
    max_runner_ups: int = 12
    max_named: int = 40
    """Queries and reviewers named."""
    panel_px: int = 300


@dataclass(frozen=True)
class RunnerUp:
    """A class confirmed for the same queries.

    Attributes:
        landmark_id: the class.
        landmark_name: readable name, None if unknown.
        num_confirmed: of its photographs, confirmed for one of these queries.
        most_inliers: of these.
        stays: whether the split still holds it; it may have been removed for another query.
    """

    landmark_id: int
    landmark_name: str | None
    num_confirmed: int
    most_inliers: int
    stays: bool


@dataclass(frozen=True)
class EvidenceCard:
    """What a removal rests on.

    Attributes:
        removal: the class, its reason and the evidence in words.
        figures: query and photographs with the lines that join what agrees.
        rows: candidates that the removal rests on, with what people said.
        num_rows: how many there are in all.
        runner_ups: further classes confirmed for the same queries.
    """

    removal: RemovedClass
    figures: tuple[CandidateFigure, ...]
    rows: tuple[tuple[CandidateRow, str], ...]
    num_rows: int
    runner_ups: tuple[RunnerUp, ...]


def make_cards(
    source: FigureSource,
    manifest: Manifest,
    candidates: pd.DataFrame,
    names: Mapping[int, str],
    inliner: PictureInliner,
    settings: EvidenceSettings,
) -> list[EvidenceCard]:
    """A card for every class that was removed, or that lost single images.

    Args:
        source: of the figures, and of what people said.
        manifest: lists the classes.
        candidates: of the run, from `read_candidates`.
        names: landmark_id -> readable name.
        inliner: bounds the size of all pictures together.
        settings: bounds of the cards.
    """
    removals = [*manifest.removed_classes, *manifest.reduced_classes]
    if not removals:
        return []
    votes = source.votes
    grounds = [_find_grounds(removal, candidates, votes, manifest) for removal in removals]
    fair_share = min(settings.max_card_bytes, settings.max_picture_bytes // len(removals))
    num_figures = min(settings.max_figures, fair_share // settings.figure_bytes)
    shown = [rows[:num_figures] for rows in grounds]
    maker = source.open((row for rows in shown for row in rows), settings.panel_px)
    runner_ups = _RunnerUps(candidates, votes, manifest, names)
    return [
        EvidenceCard(
            removal,
            _draw(maker, figures, inliner.take_part(fair_share)),
            tuple((row, votes.describe(row)) for row in rows[: settings.max_rows]),
            len(rows),
            runner_ups.describe(removal),
        )
        for removal, rows, figures in zip(removals, grounds, shown, strict=True)
    ]


def list_left_behind(cards: Iterable[EvidenceCard]) -> list[RunnerUp]:
    """Runner-ups that the split still holds, each once, with its strongest evidence first."""
    best: dict[int, RunnerUp] = {}
    for runner_up in (r for card in cards for r in card.runner_ups if r.stays):
        known = best.get(runner_up.landmark_id, runner_up)
        best[runner_up.landmark_id] = max(known, runner_up, key=lambda r: r.num_confirmed)
    return sorted(best.values(), key=lambda r: (-r.num_confirmed, r.landmark_id))


def _draw(
    maker: FigureMaker, rows: Sequence[CandidateRow], inliner: PictureInliner
) -> tuple[CandidateFigure, ...]:
    return tuple(maker.make(row, inliner) for row in rows)


def _find_grounds(
    removal: RemovedClass, candidates: pd.DataFrame, votes: Votes, manifest: Manifest
) -> list[CandidateRow]:
    """The candidates that speak for a removal; each query in turn, the strongest first."""
    of_class = candidates[candidates["landmark_id"] == removal.landmark_id]
    queries = of_class["eval_set"] + "/" + of_class["query_id"]
    of_class = of_class[queries.isin(removal.queries)]
    rows = take_rows(of_class)
    # The policy `strict` listens to every single reviewer, whatever the setting.
    is_strict = manifest.policy.get("policy") == "strict"
    needed = 1 if is_strict else manifest.policy.get("min_confirmations", 1)
    confirmed = [row for row in rows if votes.count(row, Decision.SAME) >= needed]
    if not is_strict:
        return confirmed
    unrefused = [
        row
        for row in rows
        if row["verdict"] == CandidateVerdict.MATCH
        and not votes.count(row, Decision.SAME)
        and not votes.count(row, Decision.DIFFERENT)
    ]
    return confirmed + unrefused


class _RunnerUps:
    """Looks up classes that were confirmed for the queries of a removed one."""

    def __init__(
        self,
        candidates: pd.DataFrame,
        votes: Votes,
        manifest: Manifest,
        names: Mapping[int, str],
    ) -> None:
        removals = (*manifest.removed_classes, *manifest.reduced_classes)
        self._removed = {removal.landmark_id for removal in removals}
        self._names = names
        wanted = {runner_up for removal in removals for runner_up in removal.runner_ups}
        rows = take_rows(candidates[candidates["landmark_id"].isin(wanted)])
        self._confirmed = [row for row in rows if votes.count(row, Decision.SAME)]

    def describe(self, removal: RemovedClass) -> tuple[RunnerUp, ...]:
        """The runner-ups of a removal, the one with most confirmed photographs first."""
        found = [self._describe_one(removal, c) for c in removal.runner_ups]
        return tuple(sorted(found, key=lambda r: (-r.num_confirmed, r.landmark_id)))

    def _describe_one(self, removal: RemovedClass, landmark_id: int) -> RunnerUp:
        rows = [
            row
            for row in self._confirmed
            if row["landmark_id"] == landmark_id
            and f"{row['eval_set']}/{row['query_id']}" in removal.queries
        ]
        return RunnerUp(
            landmark_id,
            self._names.get(landmark_id),
            len({row["image_id"] for row in rows}),
            max((row["num_inliers"] or 0 for row in rows), default=0),
            landmark_id not in self._removed,
        )
