"""The words of the report that need no table: rules, what is left to do, where it came from."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curation.train_split import CleanSettings
from manifests.manifest_json import Manifest
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
class NextStep:
    """What a person should do now; `command` is None where nothing is to be typed."""

    text: str
    command: str | None


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
