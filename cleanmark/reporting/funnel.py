"""The way from the files found to the published split: what went at each step, and why."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from cleanmark.reporting.tables import ImageTallies, VerdictTallies
from manifests.manifest_json import Manifest
from manifests.rows import MEANINGS, REASONS_OF_STAGE, ImageReason

_COPY_REASONS = (ImageReason.CROSS_CLASS_DUPLICATE, ImageReason.INDEX_DUPLICATE)
"""Reasons of the stage `clean` that are found after the cleaning itself."""


@dataclass(frozen=True)
class Drop:
    """How many images a reason has dropped; `meaning` is for people."""

    stage: str
    reason: str
    num_images: int
    share_of_all: float
    meaning: str


@dataclass(frozen=True)
class FunnelStep:
    """One step: the images that came in, those dropped by reason, and those kept.

    Attributes:
        title: of what is left after it.
        question: that the step asks of every image.
        num_in: images that came in.
        drops: the most frequent reason first.
        num_kept: images left, counted in the tables and not by subtraction.
        num_classes: of them.
        share_of_all: of the images ingested that is left.
    """

    title: str
    question: str
    num_in: int
    drops: tuple[Drop, ...]
    num_kept: int
    num_classes: int
    share_of_all: float

    @property
    def num_dropped(self) -> int:
        """Images dropped, for whatever reason."""
        return sum(drop.num_images for drop in self.drops)

    @property
    def num_unexplained(self) -> int:
        """Images that came in and are neither kept nor dropped; 0 when the books balance."""
        return self.num_in - self.num_dropped - self.num_kept


def trace_funnel(
    manifest: Manifest, images: ImageTallies, verdicts: VerdictTallies
) -> list[FunnelStep]:
    """All steps; the copies in other classes or splits have one only if any image went for it."""
    funnel, num_in = [], images.ingested.total()
    for step in _list_steps(manifest, images, verdicts):
        share = step.num_kept / manifest.ingested if manifest.ingested else 0.0
        drops = _list_drops(step.stage, step.removed, manifest.ingested)
        funnel.append(
            FunnelStep(
                step.title, step.question, num_in, drops, step.num_kept, step.num_classes, share
            )
        )
        num_in = step.num_kept
    return funnel


class _Step(NamedTuple):
    title: str
    question: str
    stage: str
    removed: Mapping[str, int]
    num_kept: int
    num_classes: int


def _list_steps(
    manifest: Manifest, images: ImageTallies, verdicts: VerdictTallies
) -> Iterator[_Step]:
    cleaning = manifest.removed.get("clean", {})
    copies = {reason: count for reason, count in cleaning.items() if reason in _COPY_REASONS}
    verified = verdicts.clean
    yield _Step(
        "Usable",
        "Is the file readable, and in a class?",
        "ingest",
        manifest.removed.get("ingest", {}),
        images.usable.total(),
        len(images.usable),
    )
    yield _Step(
        "Verified",
        "Do other photographs of the class confirm it?",
        "clean",
        {reason: count for reason, count in cleaning.items() if reason not in copies},
        verified.total(),
        len(verified),
    )
    if copies or verified.total() != manifest.gldv2_clean.images:
        yield _Step(
            "Without copies elsewhere",
            "Does another class, or the index, hold the same photograph?",
            "clean",
            copies,
            manifest.gldv2_clean.images,
            manifest.gldv2_clean.classes,
        )
    yield _Step(
        "Without overlap",
        "Does its class show a landmark of an evaluation set?",
        "overlap",
        manifest.removed.get("overlap", {}),
        manifest.counts.images,
        manifest.counts.classes,
    )


def _list_drops(stage: str, by_reason: Mapping[str, int], ingested: int) -> tuple[Drop, ...]:
    return tuple(
        Drop(stage, reason, count, count / ingested, MEANINGS[REASONS_OF_STAGE[stage](reason)])
        for reason, count in sorted(by_reason.items(), key=lambda item: (-item[1], item[0]))
    )
