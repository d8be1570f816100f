"""A certificate at the true size of RGLDv2-clean, beside a bare loop of SHA-256 over its rows.

Draws 1,578,905 rows into a temporary folder, then writes the certificate, checks it with the
training list, and proves one image, each in a process of its own: seconds, processor seconds, peak
memory, and the ratio of the processor seconds to those of the bare loop.

    .venv/bin/python benchmarks/bench_certificate.py > certificate.json
"""

import hashlib
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from separate_processes import PREPARE, run_ways

from manifests.certificates.certificate import read_certificate
from manifests.certificates.covered_tables import FINDINGS, FOLDER, TRAINING_ROWS, UNCOVERED
from manifests.certificates.facts import AuditFacts
from manifests.certificates.inclusion import prove_inclusion
from manifests.certificates.verify import verify_certificate
from manifests.certificates.write import AuditTables, write_certificate_folder
from manifests.lineage import digest_json
from manifests.reference.published_removal import RGLDV2_CLEAN

NUM_CLASSES = RGLDV2_CLEAN.classes
SETTINGS: dict[str, int] = {}
FACTS = AuditFacts.model_validate(
    {
        "training": {"name": "drawn.parquet", "kind": "parquet"},
        "evaluations": [{"name": "drawn", "format": "drawn"}],
        "policy": {"words": "Drawn.", "settings": {}},
        "method": {
            "cleanmark_version": "",
            "stage_versions": {},
            "libraries": {},
            "settings": SETTINGS,
            "settings_sha256": digest_json(SETTINGS),
        },
        "votes": {"num_reviewers": 0, "counts": {}, "decisions_sha256": None},
        "canaries": [{"kind": "drawn", "words": "Drawn."}],
        "controls": [{"kind": "drawn", "words": "Drawn."}],
        "limits": {"min_recall": {"drawn": 0.5}},
    }
)


def draw_rows(folder: Path) -> None:
    digests = [hashlib.sha256(str(n).encode()).hexdigest() for n in range(RGLDV2_CLEAN.images)]
    columns = {
        "image_id": [digest[:16] for digest in digests],
        "label": [str(n % NUM_CLASSES) for n in range(RGLDV2_CLEAN.images)],
        "sha256": digests,
    }
    pq.write_table(pa.table(columns), folder / "drawn.parquet")


def write(folder: Path) -> str:
    queries = {"eval_set": ["drawn"], "role": ["query"], "item_id": ["q"], "box": [""]}
    probe = {"kind": "drawn", "eval_set": "drawn", "query_id": "q"}
    tables = AuditTables(
        training=pq.read_table(folder / "drawn.parquet"),
        evaluation=pa.table({**queries, "sha256": ["0" * 64]}),
        uncovered=pa.table(dict.fromkeys(UNCOVERED.names, pa.array([], pa.string()))),
        findings=pa.table(dict.fromkeys(FINDINGS.names, pa.array([], pa.string()))),
        probes=pa.Table.from_pylist(
            [
                {**probe, "role": "canary", "probe_id": "a", "found": True},
                {**probe, "role": "control", "probe_id": "b", "found": False},
            ]
        ),
    )
    return write_certificate_folder(folder, FACTS, tables).training.root


def verify(folder: Path) -> bool:
    check = verify_certificate(folder, train=folder / "drawn.parquet")
    return check.is_sound and check.difference is None


def prove(folder: Path) -> int:
    certificate = read_certificate(folder / "certificate.json")
    assert certificate is not None
    image_id = hashlib.sha256(b"0").hexdigest()[:16]
    return len(prove_inclusion(folder, certificate, image_id).path)


def hash_lines(folder: Path) -> int:
    """No tree, no order, no check: what hashing alone costs."""
    num_lines = 0
    with (folder / FOLDER / TRAINING_ROWS.file_name).open("rb") as stream:
        for line in stream:
            hashlib.sha256(line).digest()
            num_lines += 1
    return num_lines


WAYS = {
    PREPARE: draw_rows,
    "write": write,
    "verify_with_list": verify,
    "prove": prove,
    "bare_sha256": hash_lines,
}


def main() -> None:
    ways = run_ways(__file__, __doc__, WAYS)
    bare = ways["bare_sha256"]["cpu_seconds"]
    for way in ways.values():
        way["times_bare_sha256"] = round(way["cpu_seconds"] / bare, 1)
    print(json.dumps(ways, indent=1))


if __name__ == "__main__":
    main()
