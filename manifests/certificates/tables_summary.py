"""Counts and digests of the tables that a certificate covers, read from their files.

Whoever writes a certificate and whoever checks one count with the same code, and both count what
lies on disk.
"""

from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from manifests.certificates.covered_tables import (
    EVALUATION_IMAGES,
    FINDINGS,
    PROBES,
    TRAINING_ROWS,
    UNCOVERED,
    EvaluationRole,
    FindingStatus,
    ProbeRole,
)
from manifests.certificates.merkle import compute_root, hash_leaf
from manifests.certificates.row_agreement import Mentions, RowAgreement
from manifests.certificates.text_tables import (
    TextTableError,
    read_lines,
    read_rows,
    split_line,
)

ProbeKey = tuple[ProbeRole, str, str]
_Word = TypeVar("_Word", bound=StrEnum)


@dataclass
class EvaluationCount:
    """Of one evaluation set: images by role, digests, those without, and the leaves of its tree."""

    by_role: Counter[EvaluationRole] = field(default_factory=Counter)
    digests: set[str] = field(default_factory=set)
    num_unread: int = 0
    leaves: bytearray = field(default_factory=bytearray)

    @property
    def root(self) -> str:
        """Root of the tree over its lines, hexadecimal."""
        return compute_root(bytes(self.leaves)).hex()


@dataclass
class _Findings:
    by_status: dict[FindingStatus, int] = field(
        default_factory=lambda: dict.fromkeys(FindingStatus, 0)
    )
    labels: dict[str, str] = field(default_factory=dict)
    overlapping: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class TablesSummary:
    """What the tables of a certificate come to.

    Attributes:
        num_images: rows of the training list.
        num_classes: different labels.
        root: of the tree over the training rows, hexadecimal.
        evaluations: by name of the set.
        uncovered: images that were not examined, by reason.
        findings: rows by status.
        probes: role, kind and evaluation set -> how many there were, how many were found.
    """

    num_images: int
    num_classes: int
    root: str
    evaluations: dict[str, EvaluationCount]
    uncovered: dict[str, int]
    findings: dict[FindingStatus, int]
    probes: dict[ProbeKey, tuple[int, int]]


def summarise_tables(folder: Path) -> TablesSummary:
    """Read all tables of a certificate.

    Args:
        folder: the one that holds the tables.

    Raises:
        TextTableError: a table is missing or damaged, or speaks of images or sets that the others
            do not have; names the file and the row.
    """
    evaluations = _count_evaluations(folder)
    findings = _count_findings(folder, evaluations.keys())
    uncovered = _read_uncovered(folder)
    probes, probe_ids = _count_probes(folder, evaluations.keys())
    mentions = Mentions(
        labels=findings.labels,
        overlapping=findings.overlapping,
        uncovered=uncovered,
        probes=probe_ids,
        evaluation_digests=set[str]().union(*(count.digests for count in evaluations.values())),
    )
    num_images, num_classes, leaves = _count_training(folder, RowAgreement(folder, mentions))
    return TablesSummary(
        num_images=num_images,
        num_classes=num_classes,
        root=compute_root(leaves).hex(),
        evaluations=evaluations,
        uncovered=dict(sorted(Counter(uncovered.values()).items())),
        findings=findings.by_status,
        probes=probes,
    )


def _count_training(folder: Path, agreement: RowAgreement) -> tuple[int, int, bytes]:
    path = folder / TRAINING_ROWS.file_name
    leaves, labels, before = bytearray(), set(), None
    num_images = 0
    for line in read_lines(folder, TRAINING_ROWS):
        image_id, label, sha256 = split_line(path, TRAINING_ROWS, line)
        if image_id == before:
            raise TextTableError(f"{path}: image {image_id} occurs twice")
        agreement.check(image_id, label, sha256)
        labels.add(label)
        leaves += hash_leaf(line)
        num_images, before = num_images + 1, image_id
    agreement.check_all_seen()
    return num_images, len(labels), bytes(leaves)


def _count_evaluations(folder: Path) -> dict[str, EvaluationCount]:
    path = folder / EVALUATION_IMAGES.file_name
    counts: defaultdict[str, EvaluationCount] = defaultdict(EvaluationCount)
    for line in read_lines(folder, EVALUATION_IMAGES):
        name, role, _, _, sha256 = split_line(path, EVALUATION_IMAGES, line)
        count = counts[name]
        count.by_role[_read_word(path, EvaluationRole, role)] += 1
        if sha256:
            count.digests.add(sha256)
        else:
            count.num_unread += 1
        count.leaves += hash_leaf(line)
    return dict(counts)


def _count_findings(folder: Path, sets: Collection[str]) -> _Findings:
    path = folder / FINDINGS.file_name
    found = _Findings()
    for image_id, label, eval_set, _, _, _, word, _ in read_rows(folder, FINDINGS):
        _check_set(path, eval_set, sets)
        status = _read_word(path, FindingStatus, word)
        found.by_status[status] += 1
        if status is FindingStatus.OVERLAP:
            found.overlapping.add(image_id)
        if found.labels.setdefault(image_id, label) != label:
            raise TextTableError(f"{path}: image {image_id} has two labels")
    return found


def _read_uncovered(folder: Path) -> dict[str, str]:
    reasons: dict[str, str] = {}
    for image_id, reason in read_rows(folder, UNCOVERED):
        if image_id in reasons:
            raise TextTableError(f"{folder / UNCOVERED.file_name}: image {image_id} occurs twice")
        reasons[image_id] = reason
    return reasons


def _count_probes(
    folder: Path, sets: Collection[str]
) -> tuple[dict[ProbeKey, tuple[int, int]], set[str]]:
    path = folder / PROBES.file_name
    planted: Counter[ProbeKey] = Counter()
    found: Counter[ProbeKey] = Counter()
    probe_ids = set()
    for role, kind, probe_id, eval_set, _, outcome in read_rows(folder, PROBES):
        _check_set(path, eval_set, sets)
        key = _read_word(path, ProbeRole, role), kind, eval_set
        planted[key] += 1
        found[key] += _read_word(path, _Found, outcome) is _Found.TRUE
        probe_ids.add(probe_id)
    return {key: (planted[key], found[key]) for key in sorted(planted)}, probe_ids


class _Found(StrEnum):
    TRUE = "true"
    FALSE = "false"


def _check_set(path: Path, name: str, sets: Collection[str]) -> None:
    if name not in sets:
        raise TextTableError(f"{path}: {name!r} is no set of {EVALUATION_IMAGES.file_name}")


def _read_word(path: Path, words: type[_Word], text: str) -> _Word:
    try:
        return words(text)
    except ValueError as error:
        raise TextTableError(f"{path}: {text!r} is none of {', '.join(words)}") from error
