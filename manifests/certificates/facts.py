"""What an audit must say of itself; everything else in a certificate is counted from its tables."""

from collections.abc import Iterable
from typing import Any, TypeVar

from pydantic import Field

from manifests.certificates.certificate import Certificate
from manifests.certificates.gates import AuditLimits
from manifests.certificates.statement import (
    EvaluationSource,
    Method,
    PolicyStatement,
    ProbeKind,
    TrainingSource,
    Votes,
)
from manifests.strict_model import StrictModel

_Model = TypeVar("_Model", bound=StrictModel)


class AuditFacts(StrictModel):
    """The part of a certificate that its tables do not hold."""

    training: TrainingSource
    evaluations: tuple[EvaluationSource, ...] = Field(min_length=1)
    policy: PolicyStatement
    method: Method
    votes: Votes
    canaries: tuple[ProbeKind, ...]
    """Every kind there is; one that could not be made from a set counts as 0 of 0 there."""
    controls: tuple[ProbeKind, ...]
    """Every kind there is."""
    limits: AuditLimits


def extract_facts(certificate: Certificate) -> AuditFacts:
    """The facts that a certificate was made from."""
    content = certificate.model_dump()
    return AuditFacts(
        training=_select(TrainingSource, content["training"]),
        evaluations=tuple(_select(EvaluationSource, side) for side in content["evaluations"]),
        policy=certificate.policy,
        method=certificate.method,
        votes=certificate.votes,
        canaries=_select_kinds(content["recall"]),
        controls=_select_kinds(content["controls"]),
        limits=certificate.limits,
    )


def _select_kinds(parts: Iterable[dict[str, Any]]) -> tuple[ProbeKind, ...]:
    return tuple(dict.fromkeys(_select(ProbeKind, part) for part in parts))


def _select(model: type[_Model], content: dict[str, Any]) -> _Model:
    return model.model_validate({name: content[name] for name in model.model_fields})
