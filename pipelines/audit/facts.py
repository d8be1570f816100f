"""What an audit says of itself: the list, the sets, the policy, the method and the limits."""

from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path

from curation.canaries import SAME_LANDMARK, SCRAMBLED, TRANSFORMED, WORDS, CanaryKind
from manifests.certificates.facts import AuditFacts
from manifests.certificates.gates import AuditLimits
from manifests.certificates.statement import (
    EvaluationSource,
    Method,
    PolicyStatement,
    ProbeKind,
    TrainingSource,
)
from manifests.certificates.votes import summarise_votes
from manifests.decisions import DecisionRow
from manifests.image_lists import find_split
from manifests.lineage import CODE_VERSION, digest_file
from pipelines.audit.findings import POLICY_WORDS
from pipelines.audit.job import build_audit_steps
from pipelines.audit.probes import OTHER_LANDMARK, OTHER_LANDMARK_WORDS, Probe
from pipelines.audit.settings import AuditConfig
from pipelines.audit.training_list import TrainingList

_LIBRARIES = ("faiss-cpu", "numba", "numpy", "opencv-contrib-python-headless", "pillow")


def state_facts(
    config: AuditConfig,
    work_dir: Path,
    training_list: TrainingList,
    votes: Sequence[DecisionRow],
    probes: Iterable[Probe],
) -> AuditFacts:
    """What the certificate says beside its tables.

    Args:
        config: of the audit.
        work_dir: where all steps are done.
        training_list: what was audited.
        votes: those that were used.
        probes: as they were judged.
    """
    return AuditFacts(
        training=_describe_list(training_list),
        evaluations=tuple(
            EvaluationSource(name=s.name, format=s.format) for s in config.evaluation_sets
        ),
        policy=PolicyStatement(
            words=POLICY_WORDS, settings={"min_inliers": config.overlap.min_inliers}
        ),
        method=_describe_method(config, work_dir),
        votes=summarise_votes(votes),
        canaries=_name_kinds((*TRANSFORMED, *SAME_LANDMARK)),
        controls=(*_name_kinds(SCRAMBLED), *_name_other_landmark(probes)),
        limits=_limits(config),
    )


def _describe_list(training_list: TrainingList) -> TrainingSource:
    split = find_split(training_list.path)
    if split is None:
        return TrainingSource(name=training_list.path.name, kind=training_list.kind)
    return TrainingSource(
        name=split.name,
        kind=training_list.kind,
        manifest_sha256=digest_file(split.parent / "manifest.json"),
        split=split.name,
    )


def _describe_method(config: AuditConfig, work_dir: Path) -> Method:
    libraries = (*_LIBRARIES, "torch") if config.embed.used_network else _LIBRARIES
    return Method(
        cleanmark_version=CODE_VERSION,
        stage_versions={step.name: step.version for step in build_audit_steps(config, work_dir)},
        libraries={name: version(name) for name in libraries},
        settings=config.dump_decisive(),
        settings_sha256=config.digest,
    )


def _limits(config: AuditConfig) -> AuditLimits:
    return AuditLimits(
        min_recall={str(kind): config.gate.min_recall for kind in TRANSFORMED},
        max_false_accept_rate=config.gate.max_false_accept_rate,
        min_examined=config.gate.min_examined,
    )


def _name_kinds(kinds: Iterable[CanaryKind]) -> tuple[ProbeKind, ...]:
    return tuple(ProbeKind(kind=kind, words=WORDS[kind]) for kind in kinds)


def _name_other_landmark(probes: Iterable[Probe]) -> tuple[ProbeKind, ...]:
    if not any(probe.kind == OTHER_LANDMARK for probe in probes):
        return ()
    return (ProbeKind(kind=OTHER_LANDMARK, words=OTHER_LANDMARK_WORDS),)
