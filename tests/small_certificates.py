"""A certificate of a dozen images against two evaluation sets, made without an audit."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from manifests.certificates.certificate import Certificate
from manifests.certificates.covered_tables import (
    EVALUATION_IMAGES,
    FINDINGS,
    PROBES,
    TRAINING_ROWS,
    UNCOVERED,
)
from manifests.certificates.facts import AuditFacts
from manifests.certificates.text_tables import TextTable
from manifests.certificates.write import AuditTables, write_certificate_folder
from manifests.lineage import digest_json

SETTINGS = {"max_hash_bits": 10, "min_inliers": 30, "ratio": 0.8}
FACTS = {
    "training": {"name": "list.txt", "kind": "path and label lines"},
    "evaluations": [
        {"name": "tiny", "format": "folder"},
        {"name": "roxford5k", "format": "revisited"},
    ],
    "policy": {"words": "No image shows the place of a query.", "settings": {"policy": "strict"}},
    "method": {
        "cleanmark_version": "1.0",
        "stage_versions": {"overlap": 3},
        "libraries": {"opencv": "4.10"},
        "settings": SETTINGS,
        "settings_sha256": digest_json(SETTINGS),
    },
    "votes": {
        "num_reviewers": 2,
        "counts": {"same": 0, "different": 1, "unsure": 1},
        "decisions_sha256": "ab" * 32,
    },
    "canaries": [
        {"kind": "recompressed", "words": "The query as JPEG of quality 30."},
        {"kind": "cropped", "words": "The query without a tenth of each side."},
    ],
    "controls": [{"kind": "other_place", "words": "A photograph of another place."}],
    "limits": {"min_recall": {"recompressed": 0.7, "cropped": 0.5}, "max_false_accept_rate": 0.2},
}
CANARIES = {"recompressed": (20, 20), "cropped": (20, 18)}
CONTROLS = {"other_place": (40, 1)}
NUM_IMAGES = 12
UNREAD = 3
"""Position of the image that was not there to be read."""


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


IMAGE_IDS = [sha256(str(number))[:16] for number in range(NUM_IMAGES)]


def table(layout: TextTable, rows: list[tuple]) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else ((),) * len(layout.names)
    return pa.table(dict(zip(layout.names, map(pa.array, map(list, columns)), strict=True)))


def training_rows(num_images: int = NUM_IMAGES) -> list[tuple]:
    return [
        (sha256(str(i))[:16], str(i % 4), None if i == UNREAD else sha256(f"bytes {i}"))
        for i in range(num_images)
    ]


def finding(position: int, status: str) -> tuple:
    query = ("tiny", "all_souls_1", "geometry", 41, status, "said so by anna")
    return (IMAGE_IDS[position], str(position % 4), *query)


def small_tables() -> AuditTables:
    """A list that passes, but for `min_examined`."""
    queries = [
        (name, "query", f"q{i}", "1.0,2.0,30.0,40.0" if i else None, sha256(f"{name}{i}"))
        for name in ("tiny", "roxford5k")
        for i in range(3)
    ]
    return AuditTables(
        training=table(TRAINING_ROWS, training_rows()),
        evaluation=table(EVALUATION_IMAGES, [*queries, ("tiny", "database", "a", None, "0" * 64)]),
        uncovered=table(UNCOVERED, [(IMAGE_IDS[UNREAD], "no_file")]),
        findings=table(FINDINGS, [finding(5, "refused"), finding(1, "refused")]),
        probes=table(PROBES, probe_rows()),
    )


def probe_rows() -> list[tuple]:
    return [
        (role, kind, f"{name}_{kind}_{i}", name, f"q{i % 3}", i < hits)
        for name in ("tiny", "roxford5k")
        for role, kinds in (("canary", CANARIES), ("control", CONTROLS))
        for kind, (trials, hits) in kinds.items()
        for i in range(trials)
    ]


def small_facts(*, passed: bool = True, **changes: object) -> AuditFacts:
    limits = FACTS["limits"] | {"min_examined": 0.9 if passed else 1.0}
    return AuditFacts.model_validate(FACTS | {"limits": limits} | changes)


def write_small_certificate(
    folder: Path, *, passed: bool = True, tables: AuditTables | None = None, **changes: object
) -> Certificate:
    """Write a certificate into a folder; `changes` replace parts of its facts."""
    facts = small_facts(passed=passed, **changes)
    return write_certificate_folder(folder, facts, tables or small_tables())


def with_rows(tables: AuditTables, **rows: tuple[TextTable, list[tuple]]) -> AuditTables:
    """Tables of which some are replaced, by name of the attribute."""
    return replace(tables, **{name: table(*content) for name, content in rows.items()})
