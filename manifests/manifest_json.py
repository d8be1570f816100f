"""`manifest.json`: what a published split is, what it was made of, and how to check it."""

import json
from pathlib import Path
from typing import Any, Final, Literal

from manifests.atomic import write_text
from manifests.strict_model import StrictModel

FORMAT_VERSION: Final = 1


class SplitCounts(StrictModel):
    """Size of one part of a manifest."""

    images: int
    classes: int


class ManifestCounts(SplitCounts):
    """Size of a manifest; `splits` has the entries train and val."""

    splits: dict[str, SplitCounts]


class RemovedClass(StrictModel):
    """A class that was removed for showing a landmark of an evaluation set."""

    landmark_id: int
    landmark_name: str | None
    images: int
    reason: str
    evidence: str
    queries: tuple[str, ...]
    reviewers: tuple[str, ...]
    runner_ups: tuple[int, ...]
    """Further classes confirmed for the same queries that the policy leaves in."""


class CalibrationResult(StrictModel):
    """What pairs of images of different classes say of the threshold on inliers.

    Attributes:
        num_pairs: control pairs verified, without those of `one_place`.
        num_accepted: of these, accepted.
        one_place: pairs of classes that seem to be one place: at least two accepted control pairs
            without a common image. Chance does not strike one pair of classes twice. For people
            to look at; they say nothing of the threshold.
        rate_low: lower end of the interval of the accept rate (Clopper and Pearson 1934).
        rate_high: its upper end.
        max_chance_inliers: most inliers of any rejected control pair.
        threshold: the configured one.
        confirmed: whether `rate_high` is within the limit.
        suggested_threshold: the configured one if confirmed, else the smallest that would be, or
            None when no threshold would: then more control pairs are needed, or a person must look
            at the accepted ones.
    """

    num_pairs: int
    num_accepted: int
    one_place: tuple[tuple[int, int], ...]
    rate_low: float
    rate_high: float
    max_chance_inliers: int
    threshold: int
    confirmed: bool
    suggested_threshold: int | None

    def describe(self) -> str:
        """The result in words."""
        found = (
            f"Of {self.num_pairs:,} control pairs, images of different classes of the clean split, "
            f"{self.num_accepted} reach the threshold of {self.threshold} inliers, so at most "
            f"{100 * self.rate_high:.2g} % of such pairs do; the others have "
            f"{self.max_chance_inliers} at most."
        )
        parts = [found]
        if self.confirmed:
            parts.append("The threshold is confirmed.")
        elif self.suggested_threshold is not None:
            parts.append(f"A threshold of {self.suggested_threshold} would be safe.")
        else:
            parts.append("More pairs would be needed to confirm it.")
        if self.one_place:
            classes = ", ".join(f"{a} and {b}" for a, b in self.one_place)
            parts.append(f"Classes that seem to be one place: {classes}.")
        return " ".join(parts)


class UncertainPairs(StrictModel):
    """How many pairs lie so near the threshold on inliers that people may judge otherwise.

    Attributes:
        lowest_inliers: of the pairs counted; see `curation.uncertain_pairs`.
        highest_inliers: likewise.
        num_pairs: pairs of one class with so many inliers.
        num_decisive: of these, pairs that decide whether one of their images is kept.
        num_untried: of these, pairs of which that was not found out.
    """

    lowest_inliers: int
    highest_inliers: int
    num_pairs: int
    num_decisive: int
    num_untried: int

    def describe(self) -> str:
        """The counts in words."""
        text = (
            f"{self.num_pairs:,} pairs are uncertain: they have {self.lowest_inliers} to "
            f"{self.highest_inliers} inliers. On {self.num_decisive:,} of them it hinges whether "
            "an image is kept."
        )
        if self.num_untried:
            text += f" Of {self.num_untried:,} in very large classes that was not found out."
        return text


class ManualAnswers(StrictModel):
    """How many pairs of one class people have answered on; the cleaning went by what they said.

    Attributes:
        num_same: pairs that were answered with `same`.
        num_different: pairs that were answered with `different`.
        sha256: of the file of answers.
    """

    num_same: int
    num_different: int
    sha256: str

    def describe(self) -> str:
        """The counts in words."""
        num_pairs = self.num_same + self.num_different
        return (
            f"The cleaning went by people's answers on {num_pairs:,} pairs: {self.num_same:,} "
            f"same, {self.num_different:,} different."
        )


class CrossDuplicates(StrictModel):
    """Photographs of the clean split that stand in two classes.

    Attributes:
        num_pairs: pairs of different classes, by kind: `exact`, `near` and `same_scene`.
        num_dropped: images that left for having a copy in another class.
    """

    num_pairs: dict[str, int]
    num_dropped: int

    def describe(self) -> str:
        """The counts in words."""
        counts = self.num_pairs
        return (
            f"Across classes: {counts['exact']:,} pairs of equal files, {counts['near']:,} of "
            f"copies, {counts['same_scene']:,} of one scene; {self.num_dropped:,} images left."
        )


class IndexDuplicates(StrictModel):
    """Photographs of the clean split that another split of GLDv2 holds as well.

    Attributes:
        split: the other one, `index` or `test`.
        num_images: of it that were compared.
        num_unreadable: of it that could not be read, so that nothing can be said of them.
        num_pairs: by kind: `exact`, `near` and `same_scene`.
        num_dropped: images of the clean split that left for it.
    """

    split: str
    num_images: int
    num_unreadable: int
    num_pairs: dict[str, int]
    num_dropped: int

    def describe(self) -> str:
        """The counts in words."""
        counts = self.num_pairs
        return (
            f"Against {self.num_images:,} images of the split {self.split}: {counts['exact']:,} "
            f"pairs of equal files, {counts['near']:,} of copies, {counts['same_scene']:,} of one "
            f"scene; {self.num_dropped:,} images left."
        )


class Manifest(StrictModel):
    """The content of `manifest.json`.

    Attributes:
        counts: of rgldv2_clean, the published split.
        gldv2_clean: counts before the overlap was removed.
        ingested: rows of the table images; kept and removed rows add up to it.
        removed: number of removed images, by stage and reason.
        digests: path relative to the folder of this file -> SHA-256, of every other file there.
        config_digest: of the settings, without paths and without the runner.
        code_version: of this program.
        policy: the settings that turned decisions into removals.
        parents: SHA-256 of what the manifest was made from, by table.
        removed_classes: by ascending landmark id.
        reduced_classes: classes that lost single images for showing a landmark of an evaluation
            set, by ascending landmark id; `images` of each is their number.
        calibration: of the threshold on inliers; None if it was left out.
        uncertain: pairs near that threshold; None if they were not listed.
        answers: of people on such pairs; None if no file of answers was given.
        cross_duplicates: photographs in two classes; None if they were not looked for.
        index_duplicates: photographs that the index split holds too; None if not looked for.
        ties: queries for which several classes had the most confirmed images.
        pending: candidates that nobody has decided on.
        unmatched_decisions: decisions on something that is no candidate; they remove nothing.
    """

    format_version: Literal[1] = FORMAT_VERSION
    counts: ManifestCounts
    gldv2_clean: ManifestCounts
    ingested: int
    removed: dict[str, dict[str, int]]
    digests: dict[str, str]
    config_digest: str
    code_version: str
    policy: dict[str, Any]
    parents: dict[str, str]
    removed_classes: tuple[RemovedClass, ...]
    reduced_classes: tuple[RemovedClass, ...] = ()
    calibration: CalibrationResult | None
    uncertain: UncertainPairs | None = None
    answers: ManualAnswers | None = None
    cross_duplicates: CrossDuplicates | None = None
    index_duplicates: IndexDuplicates | None = None
    ties: tuple[str, ...]
    pending: int
    unmatched_decisions: int


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write `manifest.json`, atomically; equal content gives equal bytes."""
    content = manifest.model_dump(mode="json")
    write_text(path, json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def read_manifest(path: Path) -> Manifest:
    """Read a `manifest.json`.

    Raises:
        pydantic.ValidationError: the file is of another format.
    """
    return Manifest.model_validate_json(path.read_bytes())
