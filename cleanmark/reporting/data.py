"""The words and numbers of the report that need no picture."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cleanmark.reporting.charts import Chart, ChartWords, bins_around, bins_by_doubling, draw_bars
from cleanmark.reporting.tables import ImageTallies, PairTallies, VerdictTallies
from curation.train_split import CleanSettings
from manifests.manifest_json import Manifest
from manifests.rows import MEANINGS, REASONS_OF_STAGE
from pipelines.job import build_steps
from pipelines.markers import pending
from pipelines.run_config import RunConfig

_REMOVAL_POLICIES = {
    "paper": "for each query, the class with most confirmed photographs goes (Song et al. 2024)",
    "confirmed": "every class with a confirmed photograph goes",
    "strict": "every class with a confirmed photograph goes, and every class with a match that "
    "nobody refused",
}
_KEEP_RULES = {
    "degree": "an image stays if it is verified by at least {photographs} of its class",
    "component": "an image stays if it is connected to more than {photographs} and no group of "
    "its class is larger",
    "kcore": "an image stays if it is verified by at least {photographs} of its class that stay "
    "too",
}


@dataclass(frozen=True)
class FlowStep:
    """One number of the headline: a set of images, and what became of those that left it."""

    title: str
    num_images: int
    num_classes: int
    explanation: str
    num_lost: int
    loss: str | None
    share_of_all: float


@dataclass(frozen=True)
class ReasonCount:
    """How many images a reason has removed; `meaning` is for people."""

    stage: str
    reason: str
    num_images: int
    share_of_all: float
    meaning: str


@dataclass(frozen=True)
class NextStep:
    """What a person should do now; `command` is None where nothing is to be typed."""

    text: str
    command: str | None


def trace_flow(manifest: Manifest, images: ImageTallies) -> list[FlowStep]:
    """The way from the files found to the published split."""
    lost = {stage: sum(reasons.values()) for stage, reasons in manifest.removed.items()}
    ingested = manifest.ingested
    usable = ingested - lost.get("ingest", 0)
    num_labelled = sum(landmark_id is not None for landmark_id in images.ingested)
    clean, final = manifest.gldv2_clean, manifest.counts
    steps = [
        ("Ingested", ingested, num_labelled, "files found in the shards", None),
        ("Usable", usable, len(images.usable), "readable and labelled", "unusable"),
        ("Clean", clean.images, clean.classes, "verified within their class", "not verified"),
        (
            "Without overlap",
            final.images,
            final.classes,
            "no class of an evaluation set",
            "in overlapping classes",
        ),
    ]
    flow, before = [], ingested
    for title, num_images, num_classes, explanation, loss in steps:
        share = num_images / ingested if ingested else 0.0
        num_lost = before - num_images
        flow.append(FlowStep(title, num_images, num_classes, explanation, num_lost, loss, share))
        before = num_images
    return flow


def list_reasons(manifest: Manifest) -> list[ReasonCount]:
    """Every stage and reason, in the order of the stages, the most frequent reason first."""
    rows = []
    for stage in REASONS_OF_STAGE:
        by_reason = manifest.removed.get(stage, {})
        for reason, count in sorted(by_reason.items(), key=lambda item: (-item[1], item[0])):
            meaning = MEANINGS[REASONS_OF_STAGE[stage](reason)]
            share = count / manifest.ingested
            rows.append(ReasonCount(stage, reason, count, share, meaning))
    return rows


def describe_keep_rule(settings: CleanSettings) -> str:
    """The policy of the cleaning and its rule, in words."""
    photographs = _count_of(settings.min_verified_neighbours, "other photograph")
    rule = _KEEP_RULES[settings.policy].format(photographs=photographs)
    return (
        f"policy {settings.policy}: {rule}, with {settings.min_inliers} inliers or more. A class "
        f"stays with {_count_of(settings.min_class_images, 'image')} or more."
    )


def describe_removal_policy(config: RunConfig) -> str:
    """The policy that removes overlapping classes and its rule, in words."""
    settings = config.emit
    # The policy `strict` listens to every single reviewer, whatever the setting.
    needed = 1 if settings.policy == "strict" else settings.min_confirmations
    return (
        f"policy {settings.policy}: {_REMOVAL_POLICIES[settings.policy]}. A photograph is "
        f"confirmed when {_count_of(needed, 'reviewer')} said “same”."
    )


def find_next_steps(config: RunConfig, run_dir: Path, manifest: Manifest) -> list[NextStep]:
    """What is left to do, most urgent first."""
    folder = shlex.quote(str(run_dir))
    steps = []
    if pending(run_dir, build_steps(config, run_dir)[-1].plan()):
        text = "Decisions or tables are newer than the manifests. Write the manifests again:"
        steps.append(NextStep(text, f"cleanmark emit {folder}"))
    if not config.evaluation_sets:
        text = (
            "No evaluation set was given, so nothing is known about overlap. Add one under "
            "`evaluation_sets` in the configuration and run the job again in this folder."
        )
        steps.append(NextStep(text, None))
    if manifest.pending:
        text = f"Candidates that nobody has decided on: {manifest.pending:,}. Judge them:"
        steps.append(NextStep(text, f"cleanmark review {folder}"))
        steps.append(NextStep("Then apply the decisions:", f"cleanmark emit {folder}"))
    if not steps:
        steps.append(NextStep("Nothing is pending. Train on manifests/rgldv2_clean.", None))
    return steps


def describe_manifest_notes(manifest: Manifest) -> list[str]:
    """What the manifest wants people to know besides its counts."""
    notes = []
    if manifest.ties:
        queries = ", ".join(manifest.ties)
        notes.append(f"Several classes had equally many confirmed photographs for: {queries}.")
    if manifest.unmatched_decisions:
        notes.append(
            f"Decisions that belong to no candidate and removed nothing: "
            f"{manifest.unmatched_decisions:,}."
        )
    return notes


def draw_charts(
    images: ImageTallies,
    verdicts: VerdictTallies,
    pairs: PairTallies,
    removed_classes: frozenset[int],
    config: RunConfig,
) -> list[Chart]:
    """The distributions: inliers of pairs, verified neighbours of images, sizes of classes."""
    return [
        _draw_inliers(pairs, config.verify.min_inliers),
        _draw_neighbours(verdicts),
        _draw_class_sizes(images, verdicts, removed_classes),
    ]


def read_provenance(run_dir: Path, manifest: Manifest) -> dict[str, Any]:
    """Configuration and versions as the run recorded them, and the digests of the manifest."""
    return {
        "config": (run_dir / "run.yaml").read_text(encoding="utf-8"),
        "versions": (run_dir / "versions.yaml").read_text(encoding="utf-8"),
        "config_digest": manifest.config_digest,
        "code_version": manifest.code_version,
        "parents": manifest.parents,
        "digests": manifest.digests,
    }


def _count_of(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _draw_inliers(pairs: PairTallies, threshold: int) -> Chart:
    words = ChartWords(
        "inliers",
        "Inliers of the compared pairs",
        "Pairs within a class by the number of correspondences that agree. Well separated humps "
        "mean that the threshold is easy to choose.",
        "inliers (ranges grow by a factor of √2)",
    )
    largest = max([threshold, *pairs.passed, *pairs.rejected])
    tallies = {"verified": pairs.passed, "rejected": pairs.rejected}
    marker = (threshold, f"{threshold} needed")
    bins = bins_around(threshold, largest)
    return draw_bars(words, bins, tallies, stacked=True, marker=marker)


def _draw_neighbours(verdicts: VerdictTallies) -> Chart:
    words = ChartWords(
        "neighbours",
        "Verified neighbours of each image",
        "How many other photographs of its class confirm an image, copies counted once.",
        "verified neighbours",
    )
    tallies = {"kept": verdicts.neighbours_of_kept, "dropped": verdicts.neighbours_of_dropped}
    largest = max([1, *verdicts.neighbours_of_kept, *verdicts.neighbours_of_dropped])
    return draw_bars(words, bins_by_doubling(largest), tallies, stacked=True)


def _draw_class_sizes(
    images: ImageTallies, verdicts: VerdictTallies, removed_classes: frozenset[int]
) -> Chart:
    words = ChartWords(
        "sizes",
        "Sizes of the classes",
        "Usable images per class before, and images of the published split after. A class that "
        "is gone counts at 0.",
        "images in the class",
    )
    before, after = _tally_sizes(images, verdicts, removed_classes)
    bins = bins_by_doubling(max([1, *before]))
    return draw_bars(words, bins, {"before": before, "after": after}, stacked=False)


def _tally_sizes(
    images: ImageTallies, verdicts: VerdictTallies, removed_classes: frozenset[int]
) -> tuple[dict[int, int], dict[int, int]]:
    before: dict[int, int] = {}
    after: dict[int, int] = {}
    for landmark_id, size in images.usable.items():
        left = 0 if landmark_id in removed_classes else verdicts.clean[landmark_id]
        before[size] = before.get(size, 0) + 1
        after[left] = after.get(left, 0) + 1
    return before, after
