"""The verdict: every gate with its value, its limit and its outcome, from what was counted."""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from manifests.certificates.covered_tables import FindingStatus
from manifests.certificates.statement import (
    CanaryRecall,
    ControlResult,
    Coverage,
    EvaluationSide,
    format_share,
)
from manifests.strict_model import StrictModel

_Rate = Annotated[float, Field(ge=0, le=1)]


class AuditLimits(StrictModel):
    """What a list must reach to pass. Overlap is never allowed, so it has no limit here."""

    min_recall: dict[str, _Rate] = Field(min_length=1)
    """Kind of canary -> what the lower end of its interval must reach at least, for every
    evaluation set. Other kinds are measured, and decide nothing."""
    max_false_accept_rate: _Rate = 0.05
    """What the upper end of the interval may be at most, for every evaluation set and every kind
    of negative control that was tried with it; one kind must have been."""
    min_examined: _Rate = 1.0
    """Share of the training list that must have been examined."""
    max_undecided: int = Field(0, ge=0)
    """Likenesses that nobody has decided on."""
    max_unread: int = Field(0, ge=0)
    """Images of the evaluation sets that could not be read."""


class GateName(StrEnum):
    """What a list must pass."""

    OVERLAP = "overlap"
    UNDECIDED = "undecided"
    EXAMINED = "examined"
    EVALUATION_READ = "evaluation_read"
    RECALL = "recall"
    FALSE_ACCEPTS = "false_accepts"


class Gate(StrictModel):
    """One of them: what was found, what was asked for, and whether that is met."""

    name: GateName
    eval_set: str | None = None
    """Where a gate is about one set."""
    kind: str | None = None
    """Of canary or control, where a gate is about one kind."""
    value: str
    """What was found."""
    limit: str
    """The most or the least that passes."""
    passed: bool
    words: str
    """The outcome, for people."""


class Verdict(StrictModel):
    """Whether the list passed, and why."""

    passed: bool
    gates: tuple[Gate, ...]

    @property
    def reason(self) -> str:
        """What speaks against the list, if anything does."""
        wrong = [gate.words for gate in self.gates if not gate.passed]
        return "; ".join(wrong) or "no overlap was found, and all that was measured is as asked"


def judge(
    limits: AuditLimits,
    findings: Mapping[FindingStatus, int],
    coverage: Coverage,
    evaluations: Sequence[EvaluationSide],
    recall: Sequence[CanaryRecall],
    controls: Sequence[ControlResult],
) -> Verdict:
    """Hold what was counted against the limits; the list passes if every gate does."""
    num_unread = sum(side.num_unread for side in evaluations)
    gates = (
        _judge_count(GateName.OVERLAP, findings.get(FindingStatus.OVERLAP, 0), 0),
        _judge_count(
            GateName.UNDECIDED, findings.get(FindingStatus.UNDECIDED, 0), limits.max_undecided
        ),
        _judge_coverage(coverage, limits.min_examined),
        _judge_count(GateName.EVALUATION_READ, num_unread, limits.max_unread),
        *_judge_recall(recall, evaluations, limits.min_recall),
        *_judge_controls(controls, evaluations, limits.max_false_accept_rate),
    )
    return Verdict(passed=all(gate.passed for gate in gates), gates=gates)


_COUNTED = {
    GateName.OVERLAP: "overlaps of an image of the list with an evaluation query",
    GateName.UNDECIDED: "likenesses that nobody has decided on",
    GateName.EVALUATION_READ: "images of the evaluation sets that could not be read",
}


def _judge_count(name: GateName, count: int, limit: int) -> Gate:
    return Gate(
        name=name,
        value=str(count),
        limit=str(limit),
        passed=count <= limit,
        words=f"{_COUNTED[name]}: {count:,}; {limit:,} may be",
    )


def _judge_coverage(coverage: Coverage, least: float) -> Gate:
    # An empty list has no share; it is refused, because nothing was shown of it.
    share = coverage.examined / coverage.listed if coverage.listed else 0.0
    return Gate(
        name=GateName.EXAMINED,
        value=format_share(share),
        limit=format_share(least),
        passed=coverage.listed > 0 and share >= least,
        words=f"{coverage.examined:,} of {coverage.listed:,} images examined; "
        f"{100 * least:g} % must be",
    )


def _judge_recall(
    recall: Sequence[CanaryRecall],
    evaluations: Sequence[EvaluationSide],
    least: Mapping[str, float],
) -> Iterator[Gate]:
    parts = {(part.eval_set, part.kind): part for part in recall}
    wanted = [(side.name, kind) for side in evaluations for kind in sorted(least)]
    for eval_set, kind in wanted:
        part = parts.get((eval_set, kind))
        found, planted, low = (part.found, part.planted, part.low) if part else (0, 0, "0.000000")
        yield Gate(
            name=GateName.RECALL,
            eval_set=eval_set,
            kind=kind,
            value=low,
            limit=format_share(least[kind]),
            passed=planted > 0 and float(low) >= least[kind],
            words=f"{eval_set}: {found:,} of {planted:,} canaries of the kind {kind} found, so "
            f"with 95 % confidence {_percent(low)} at least; {100 * least[kind]:g} % must be",
        )


def _judge_controls(
    controls: Sequence[ControlResult], evaluations: Sequence[EvaluationSide], most: float
) -> Iterator[Gate]:
    tried = [part for part in controls if part.trials]
    for part in tried:
        yield Gate(
            name=GateName.FALSE_ACCEPTS,
            eval_set=part.eval_set,
            kind=part.kind,
            value=part.high,
            limit=format_share(most),
            passed=float(part.high) <= most,
            words=f"{part.eval_set}: {part.accepted:,} of {part.trials:,} controls of the kind "
            f"{part.kind} taken for overlap, so with 95 % confidence {_percent(part.high)} at "
            f"most; {100 * most:g} % may be",
        )
    for side in evaluations:
        if side.name not in {part.eval_set for part in tried}:
            yield Gate(
                name=GateName.FALSE_ACCEPTS,
                eval_set=side.name,
                value="1.000000",
                limit=format_share(most),
                passed=False,
                words=f"{side.name}: no negative controls, so nothing says that the search tells "
                "places apart",
            )


def _percent(share: str) -> str:
    return f"{100 * float(share):.1f} %"
