"""A plan beside the truth: 10,000 drawn photographs are planned from a probe, then really run.

Draws the data set, plans the job from a sample of it, runs the whole job with two workers, and
prints estimate, truth and their ratio for images, pairs, disk and processor time, step by step.
Times are processor seconds of the units: the clock of a shared machine says little.

    nice -n 5 .venv/bin/python benchmarks/bench_plan.py [--images N] [--folder DIR] > plan.json
"""

import argparse
import io
import json
import sys
import tempfile
import time
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import cv2
from drawn_gldv2 import DrawnSet, write_drawn_gldv2
from rich.console import Console

from pipelines.fork_server import start_fork_server
from pipelines.job import run_job
from pipelines.planning.plan_file import Plan, write_plan
from pipelines.planning.planner import make_plan
from pipelines.planning.run_facts import RunFacts, read_facts
from pipelines.run_config import RunConfig

NUM_IMAGES, NUM_SHARDS, NUM_QUERIES = 10_000, 20, 12
GOAL = 0.25
SECONDS_PER_HOUR = 3600


def make_config(root: Path, share: float) -> RunConfig:
    """A job on small pictures: everything else is as by default."""
    return RunConfig.model_validate(
        {
            "source": {"root": root},
            "evaluation_sets": [{"name": "drawn", "format": "folder", "images": root / "queries"}],
            "describe": {"long_side_px": 320, "max_features": 512},
            "runner": {"workers": 2},
            "plan": {"probe": {"share": share}},
        }
    )


def compare(plan: Plan, facts: RunFacts, run_dir: Path) -> dict[str, Any]:
    """Estimate, truth and ratio, in all and step by step."""
    joined, verified = facts["ingest.join"].counts, facts["verify"].counts
    disk = sum(path.stat().st_size for path in run_dir.rglob("*") if path.is_file())
    cpu = sum(fact.cpu_seconds for fact in facts.values())
    planned_cpu = plan.totals.core_hours
    totals = {
        "images": _relate(plan.data.images.value, joined["usable"]),
        "pairs": _relate(plan.data.pairs.value, verified["pairs"]),
        "disk_bytes": _relate(plan.totals.disk_bytes.value, disk),
        "cpu_seconds": _relate(planned_cpu.value * SECONDS_PER_HOUR, cpu),
    }
    return {
        "totals": totals,
        "within_goal": all(abs(entry["ratio"] - 1) <= GOAL for entry in totals.values()),
        "cpu_interval": [
            round(b * SECONDS_PER_HOUR, 1) for b in (planned_cpu.low, planned_cpu.high)
        ],
        "cpu_seconds_by_step": {
            step.name: _relate(
                step.core_hours.value * SECONDS_PER_HOUR, facts[step.name].cpu_seconds
            )
            for step in plan.steps
            if step.core_hours and facts[step.name].num_done
        },
        "bytes_by_table": {
            folder: _relate(plan.bytes_by_table.get(folder, 0.0), num_bytes)
            for folder, num_bytes in _sum_tables(facts).items()
        },
    }


def _sum_tables(facts: RunFacts) -> Counter[str]:
    tables: Counter[str] = Counter()
    for fact in facts.values():
        tables.update(fact.table_bytes)
    return tables


def _relate(estimate: float, truth: float) -> dict[str, float]:
    ratio = estimate / truth if truth else float(estimate == 0)
    return {"estimate": round(estimate, 2), "truth": round(truth, 2), "ratio": round(ratio, 3)}


def measure(folder: Path, num_images: int, share: float) -> dict[str, Any]:
    root, run_dir = folder / "data", folder / "run"
    if not root.exists():
        write_drawn_gldv2(root, DrawnSet(num_images, NUM_SHARDS, NUM_QUERIES))
    config = make_config(root, share)
    begun = time.perf_counter()
    plan = make_plan(config)
    plan_seconds = time.perf_counter() - begun
    write_plan(folder / "plan.json", plan)
    results = run_job(config, run_dir, Console(file=io.StringIO()))
    if failures := [failure for result in results for failure in result.failures]:
        raise RuntimeError(f"the job failed: {failures[0]}")
    compared = compare(plan, read_facts(config, run_dir), run_dir)
    probe = None if plan.probe is None else plan.probe.model_dump(mode="json")
    return {
        "files": num_images,
        "probe": probe,
        "plan_seconds": round(plan_seconds, 1),
        **compared,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=NUM_IMAGES)
    parser.add_argument("--probe", type=float, default=0.01, help="share of the images measured")
    parser.add_argument("--folder", type=Path, help="keep data, run and plan here")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    start_fork_server(["__main__"])
    kept = arguments.folder
    with tempfile.TemporaryDirectory() if kept is None else nullcontext(kept) as folder:
        summary = measure(Path(folder), arguments.images, arguments.probe)
    json.dump(summary, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
