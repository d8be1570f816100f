"""The overlap part of the report: cards of removed classes, and candidates."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cleanmark.reporting.candidate_figures import CandidateFigure, FigureSource
from cleanmark.reporting.candidates import (
    ClassEvidence,
    Votes,
    read_candidates,
    summarise_by_class,
    take_rows,
)
from cleanmark.reporting.evidence import (
    EvidenceCard,
    EvidenceSettings,
    RunnerUp,
    list_left_behind,
    make_cards,
)
from cleanmark.reporting.pictures import PictureInliner
from cleanmark.reporting.query_images import QueryImages
from manifests.manifest_json import Manifest
from manifests.strict_model import StrictModel
from pipelines.decision_log import current_decisions
from pipelines.run_config import RunConfig


class CandidateSettings(StrictModel):
    """How many candidates are shown, and how large."""

    max_picture_bytes: int = 2_000_000
    max_rows: int = 60
    max_figures: int = 18
    panel_px: int = 300


@dataclass(frozen=True)
class OverlapPart:
    """What the report shows of the overlap with evaluation sets.

    Attributes:
        cards: of removed classes, then of reduced ones.
        left_behind: classes that were confirmed and are still in the split.
        num_candidates: in all.
        by_class: candidates in numbers.
        figures: of some candidates.
    """

    cards: list[EvidenceCard]
    left_behind: list[RunnerUp]
    num_candidates: int
    by_class: list[ClassEvidence]
    figures: list[CandidateFigure]


def gather_overlap(
    run_dir: Path,
    config: RunConfig,
    manifest: Manifest,
    names: Mapping[int, str],
    inliner: PictureInliner,
    evidence: EvidenceSettings,
    settings: CandidateSettings,
) -> OverlapPart:
    """Draw the cards, then the candidates.

    Args:
        run_dir: the run folder.
        config: of the run.
        manifest: lists the removed classes.
        names: landmark_id -> readable name.
        inliner: bounds the size of all pictures together.
        evidence: bounds of the cards.
        settings: how many candidates are shown, and how large.
    """
    candidates = read_candidates(run_dir)
    votes = Votes.collect(current_decisions(run_dir))
    source = FigureSource(run_dir, config.source.root, QueryImages(config), votes)
    part = inliner.take_part(evidence.max_picture_bytes)
    cards = make_cards(source, manifest, candidates, names, part, evidence)
    shown = take_rows(candidates.head(settings.max_figures))
    maker = source.open(shown, settings.panel_px)
    part = inliner.take_part(settings.max_picture_bytes)
    return OverlapPart(
        cards,
        list_left_behind(cards),
        len(candidates),
        summarise_by_class(candidates, votes),
        [maker.make(row, part) for row in shown],
    )
