"""What a certificate says, part by part.

Shares that were measured stand as text with six decimals, so that equal results are equal bytes.
There is no time and no path in it.
"""

from typing import Annotated, Final, Self

from pydantic import Field, JsonValue, model_validator

from manifests.certificates.covered_tables import FindingStatus
from manifests.image_lists import ListKind
from manifests.lineage import digest_json
from manifests.proportions import estimate_share
from manifests.rows import Decision
from manifests.strict_model import StrictModel

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0)]
Share = Annotated[str, Field(pattern=r"^(0\.[0-9]{6}|1\.000000)$")]
_SHARE_DECIMALS: Final = 6


def format_share(value: float) -> str:
    """A share as it stands in a certificate."""
    return f"{value:.{_SHARE_DECIMALS}f}"


class TrainingSource(StrictModel):
    """Which list was examined."""

    name: str
    """What to call it: the name of the list's file, folder or split, without its path."""
    kind: ListKind
    """What it was read from."""
    manifest_sha256: Sha256 | None = None
    """SHA-256 of the `manifest.json` beside the split, where it is one of ours."""
    split: str | None = None
    """The split of that manifest: rgldv2_clean or gldv2_clean."""


class TrainingSide(TrainingSource):
    """The list, and the digest of its rows."""

    num_images: Count
    """Rows of `training_rows.tsv`."""
    num_classes: Count
    """Different labels."""
    root: Sha256
    """Root of the Merkle tree over the lines of `training_rows.tsv` below its header."""


class EvaluationSource(StrictModel):
    """Which evaluation set it was compared with."""

    name: str
    """As in `eval_set` of the tables."""
    format: str
    """What its queries were read from."""


class EvaluationSide(EvaluationSource):
    """The evaluation set, and the digest of its images."""

    num_queries: Count
    """Rows of its queries in `evaluation_images.tsv`."""
    num_database: Count
    """Rows of its database images; 0 if those were not compared."""
    num_unread: Count
    """Of both, rows without a digest: there was no file to read."""
    root: Sha256
    """Root of the Merkle tree over its lines of `evaluation_images.tsv`."""


class PolicyStatement(StrictModel):
    """What counts as overlap."""

    words: str
    """The rule, in words."""
    settings: dict[str, JsonValue]
    """Its settings."""


class Method(StrictModel):
    """How it was looked for; equal methods and inputs give equal results."""

    cleanmark_version: str
    """Of this program."""
    stage_versions: dict[str, int]
    """Of each step that decides the result."""
    libraries: dict[str, str]
    """Version of each library that decides the result."""
    settings: dict[str, JsonValue]
    """Every setting, without paths."""
    settings_sha256: Sha256
    """SHA-256 of the settings as JSON with sorted keys and without blanks."""

    @model_validator(mode="after")
    def _check_digest(self) -> Self:
        if self.settings_sha256 != digest_json(self.settings):
            raise ValueError("settings_sha256 is not that of the settings")
        return self


class Votes(StrictModel):
    """What people said of the candidates."""

    num_reviewers: Count
    """Who decided at least once."""
    counts: dict[Decision, Count]
    """Votes of each kind."""
    decisions_sha256: Sha256 | None
    """SHA-256 of the votes that were used (`manifests.certificates.votes`); None without any."""


class ProbeKind(StrictModel):
    """A kind of probe."""

    kind: str
    """As in `probes.tsv`."""
    words: str
    """How such a probe is made."""


class CanaryRecall(ProbeKind):
    """Of one kind of canary, made from one evaluation set, how many were found."""

    eval_set: str
    planted: Count
    found: Count
    low: Share
    """Lower end of the 95 % interval of the share found (Wilson 1927)."""
    high: Share
    """Its upper end."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_interval(self.found, self.planted, (self.low, self.high))
        return self


class ControlResult(ProbeKind):
    """Of one kind of negative control, how many were taken for overlap with one set."""

    eval_set: str
    trials: Count
    accepted: Count
    low: Share
    """Lower end of the 95 % interval of the share accepted (Wilson 1927)."""
    high: Share
    """Its upper end."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_interval(self.accepted, self.trials, (self.low, self.high))
        return self


class Coverage(StrictModel):
    """How much of the training list was examined."""

    listed: Count
    examined: Count
    uncovered: dict[str, Count]
    """Images that were not examined, by reason; they are named in `uncovered.tsv`."""

    @model_validator(mode="after")
    def _check_sum(self) -> Self:
        if self.listed != self.examined + sum(self.uncovered.values()):
            raise ValueError("examined and uncovered images do not add up to those listed")
        return self


Findings = dict[FindingStatus, Count]
"""Rows of `findings.tsv` by status."""


class CoveredFile(StrictModel):
    """A file that the certificate covers."""

    sha256: Sha256
    num_bytes: Count


def measure_interval(num_hits: int, num_trials: int) -> tuple[str, str]:
    """The 95 % interval of a counted share, as it stands in a certificate."""
    low, high = estimate_share(num_hits, num_trials)
    return format_share(low), format_share(high)


def _check_interval(num_hits: int, num_trials: int, stated: tuple[str, str]) -> None:
    if num_hits > num_trials or measure_interval(num_hits, num_trials) != stated:
        raise ValueError(f"low and high are not those of {num_hits} of {num_trials}")
