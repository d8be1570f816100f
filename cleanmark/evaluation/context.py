"""What all kinds of evaluation sets share while one of them is evaluated."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from cleanmark.evaluation.image_lists import check_all_there
from cleanmark.evaluation.options import EvaluateOptions
from cleanmark.evaluation.sources import DescriptorRows, DescriptorSource
from manifests.input_error import InputError
from manifests.lineage import digest_file, digest_json
from pipelines.fetching.catalogue import EVALUATION_SETS
from pipelines.settings import EvaluationSetSettings
from training.evaluation.evaluation_images import EvaluationImage

NUM_SHOWN = 10
"""Results of a query that the gallery shows."""


@dataclass
class Inputs:
    """What went into the evaluation of a set, gathered on the way.

    Attributes:
        digests: SHA-256 by role.
        missing: images that are not there.
        unreadable: image -> what is wrong with it.
        checked: lists that were looked through for missing images.
    """

    digests: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    checked: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class SetContext:
    """One set on its way: its settings, where descriptors come from, and what was asked for."""

    settings: EvaluationSetSettings
    source: DescriptorSource | None
    options: EvaluateOptions
    console: Console
    inputs: Inputs = field(default_factory=Inputs)

    def describe(
        self, role: str, images: Sequence[EvaluationImage], label: str | None = None
    ) -> DescriptorRows:
        """Describe the queries or the database, after looking whether all are there.

        Args:
            role: what they are in this set.
            images: in the order of the rows.
            label: what they are called; lists that several sets share have one of their own.
        """
        if self.source is None:
            raise InputError(f"{self.settings.name}: a submission is scored against GLDv2 alone")
        label = label or f"{self.settings.name}-{role}"
        if self.source.needs_images:
            self.require(label, images)
        rows = self.source.describe(label, images)
        self.add_problems(role, rows)
        return rows

    def require(self, label: str, images: Sequence[EvaluationImage]) -> None:
        """Refuse missing images, or note them; a list is looked through once."""
        if label in self.inputs.checked:
            return
        self.inputs.checked.add(label)
        if not self.options.allow_missing:
            check_all_there(label, images, _suggest_fetch(self.settings))
        self.inputs.missing += [image.name for image in images if image.read is None]

    def add_problems(self, role: str, rows: DescriptorRows) -> None:
        """Note the digest of the images, and name those that cannot be read."""
        self.inputs.digests[role] = rows.images_sha256
        known = set(self.inputs.missing)
        fresh = {name: text for name, text in rows.problems.items() if name not in known}
        for name, text in fresh.items():
            line = f"{self.settings.name}: {role}: {name}: {text}; it counts as not found"
            self.console.print(line, highlight=False, markup=False, soft_wrap=True)
        self.inputs.unreadable |= fresh


def digest_ground_truth(path: Path) -> str:
    """SHA-256 of a file, or of the names and digests of a folder's files."""
    if path.is_dir():
        return digest_json([[file.name, digest_file(file)] for file in sorted(path.glob("*.txt"))])
    return digest_file(path)


def _suggest_fetch(settings: EvaluationSetSettings) -> str:
    if settings.name in EVALUATION_SETS:
        return f"fetch them with `cleanmark fetch {settings.name} --to {settings.images.parent}`"
    return f"put them into {settings.images}"
