"""Switching the removal policy over a million rows of evidence: reading once, then each policy.

Draws a table of candidates and the decisions of three people on a tenth of them, then plans the
removals under each policy, as `cleanmark emit RUN --policy ...` does.

    .venv/bin/python benchmarks/bench_policies.py > policies.json
"""

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
import pyarrow as pa

from curation.overlap_evidence import EVIDENCE_COLUMNS, CandidateColumns
from curation.removal_policies import RemovalSettings, plan_removals
from manifests.arrow_schemas import CANDIDATES, DECISIONS
from manifests.decisions import latest_per_reviewer, read_decisions
from manifests.parquet_io import read_table, write_table

_Value = TypeVar("_Value")
_NUM_CLASSES = 81_313
_IMAGES_PER_QUERY = 100
_SHARE_DECIDED = 0.1
_REVIEWERS = ("ana", "bo", "cy")
POLICIES: tuple[Literal["paper", "confirmed", "strict"], ...] = ("paper", "confirmed", "strict")


def draw_candidates(num_rows: int, rng: np.random.Generator) -> pa.Table:
    """Queries with a hundred images each, of a class near to a few others in number."""
    query = np.arange(num_rows) // _IMAGES_PER_QUERY
    image = rng.integers(20 * _NUM_CLASSES, size=num_rows)
    # Distinct within each query, whatever the draw.
    image = image - image % _IMAGES_PER_QUERY + np.arange(num_rows) % _IMAGES_PER_QUERY
    is_match = rng.random(num_rows) < 0.3
    known = {
        "eval_set": pa.array(np.where(query % 2, "roxford5k", "rparis6k")),
        "query_id": pa.array([f"query_{number:06d}" for number in query.tolist()]),
        "image_id": pa.array([f"{number:016x}" for number in image.tolist()]),
        "landmark_id": pa.array(image // 20 % _NUM_CLASSES, pa.int64()),
        "source": pa.repeat("visual", num_rows),
        "num_inliers": pa.array(rng.integers(0, 200, num_rows), pa.int32()),
        "verdict": pa.array(np.where(is_match, "match", "below_threshold")),
        "reason": pa.repeat("enough_inliers", num_rows),
    }
    nulls = {c.name: pa.nulls(num_rows, c.type) for c in CANDIDATES.columns if c.name not in known}
    return pa.table({name: (known | nulls)[name] for name in CANDIDATES.schema.names})


def draw_decisions(candidates: pa.Table, rng: np.random.Generator) -> pa.Table:
    """Three people on the candidates of some queries."""
    num_rows = int(len(candidates) * _SHARE_DECIDED)
    rows = candidates.slice(0, num_rows).select(["eval_set", "query_id", "image_id"])
    parts = [
        rows.append_column("reviewer", pa.repeat(name, num_rows))
        .append_column("decision", pa.array(rng.choice(["same", "different", "unsure"], num_rows)))
        .append_column(
            "decided_at", pa.repeat(datetime(2026, 5, 1, tzinfo=UTC).isoformat(), num_rows)
        )
        .append_column("comment", pa.nulls(num_rows, pa.string()))
        for name in _REVIEWERS
    ]
    return pa.concat_tables(parts)


def measure(work: Callable[[], _Value]) -> tuple[_Value, dict[str, float]]:
    """The result of some work, with its wall and processor seconds."""
    begun = time.perf_counter(), time.process_time()
    result = work()
    seconds, cpu_seconds = time.perf_counter() - begun[0], time.process_time() - begun[1]
    return result, {"seconds": round(seconds, 2), "cpu_seconds": round(cpu_seconds, 2)}


def run(folder: Path, num_rows: int) -> dict[str, object]:
    """Write the tables, read them, and plan the removals under each policy."""
    rng = np.random.default_rng(0)
    candidates = draw_candidates(num_rows, rng)
    write_table(folder / "candidates.parquet", CANDIDATES, candidates)
    write_table(folder / "decisions.parquet", DECISIONS, draw_decisions(candidates, rng))
    columns, reading = measure(
        lambda: CandidateColumns.from_table(
            read_table(folder / "candidates.parquet", CANDIDATES, EVIDENCE_COLUMNS)
        )
    )
    decisions, reading_decisions = measure(
        lambda: latest_per_reviewer(read_decisions(folder / "decisions.parquet"))
    )
    switches = {}
    for policy in POLICIES:
        settings = RemovalSettings(policy=policy)
        plan, spent = measure(lambda s=settings: plan_removals(columns, decisions, s))  # type: ignore[misc]
        switches[policy] = {**spent, "removed_classes": len(plan.removals)}
    return {
        "candidates": num_rows,
        "decisions": len(decisions),
        "read_candidates": reading,
        "read_decisions": reading_decisions,
        "switch": switches,
        "peak_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of evidence")
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(run(Path(folder), parser.parse_args().rows), indent=2))


if __name__ == "__main__":
    main()
