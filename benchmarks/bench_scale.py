"""The whole job after `describe`, on a simulated GLDv2 of any size.

    .venv/bin/python benchmarks/bench_scale.py [--fraction F] [--queries Q] [--workers N]
        [--folder DIR] > F.json

For each step: seconds, processor seconds and peak memory of all processes together, and what was
counted. At the end the ledger: every image ingested is kept or removed, once. With `--queries`
there is an evaluation set of so many images too, each of them has to be in the ledger as well, and
last of all everything is planned again, as by a start that finds nothing to do.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from process_tree import TreeWatch

MEASURED_FROM = "verify"
"""The steps before it write what they would have found."""
PLANNED_AGAIN = "planned again"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fraction", type=float, default=0.01, help="of GLDv2's images")
    parser.add_argument("--queries", type=int, default=0, help="images of a further evaluation set")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--folder", type=Path, help="where the run goes; a temporary one if not given"
    )
    parser.add_argument("--run", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        run_job(arguments.folder, arguments.fraction, arguments.queries, arguments.workers)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        measured = measure(folder, arguments.fraction, arguments.queries, arguments.workers)
    print(json.dumps(measured, indent=1))


def measure(folder: Path, fraction: float, num_queries: int, workers: int) -> dict[str, Any]:
    """Run the job in a process of its own, and watch it and its descendants."""
    command = [sys.executable, __file__, "--run", "--folder", str(folder)]
    command += ["--fraction", str(fraction), "--workers", str(workers)]
    command += ["--queries", str(num_queries)]
    steps: list[dict[str, Any]] = []
    last: dict[str, Any] = {}
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as job,
        TreeWatch(job.pid) as watch,
    ):
        begun, cpu_begun = time.perf_counter(), 0.0
        for line in job.stdout or ():
            last = json.loads(line)
            if "step" not in last:
                continue
            now, cpu_now = time.perf_counter(), watch.count_cpu_seconds()
            peak = {name: round(mib) for name, mib in asdict(watch.take_peak()).items()}
            last["seconds"] = round(now - begun, 2)
            last["cpu_seconds"] = round(cpu_now - cpu_begun, 2)
            steps.append(last | {"peak": peak})
            print(json.dumps(steps[-1]), file=sys.stderr, flush=True)
            begun, cpu_begun = now, cpu_now
    if job.returncode:
        raise SystemExit(job.returncode)
    return {"fraction": fraction, "queries": num_queries, **summarise(workers, steps, last)}


def summarise(workers: int, steps: list[dict[str, Any]], ledger: dict[str, Any]) -> dict[str, Any]:
    names = [step["step"] for step in steps]
    own = steps[names.index(MEASURED_FROM) :]
    return {
        "workers": workers,
        "seconds": round(sum(step["seconds"] for step in own), 1),
        "cpu_seconds": round(sum(step["cpu_seconds"] for step in own), 1),
        "peak_pss_mib": max(step["peak"]["pss_mib"] for step in own),
        "peak_anonymous_mib": max(step["peak"]["anonymous_mib"] for step in own),
        "steps": steps,
        **ledger,
    }


def run_job(folder: Path, fraction: float, num_queries: int, workers: int) -> None:
    """Prepare what is not measured, then the steps; one line of JSON for each."""
    from rich.console import Console
    from simulated_gldv2.inputs import write_inputs
    from simulated_gldv2.ledger import check_ledger, check_queries
    from simulated_gldv2.steps import build_simulated_steps
    from simulated_gldv2.world import World

    from pipelines.job import run_step
    from pipelines.markers import pending, read_markers, tally
    from pipelines.run_folder import locked, write_config
    from pipelines.runners import open_engine

    world, run_dir = World(fraction), folder.absolute() / "run"
    config = write_inputs(folder.absolute() / "source", world, num_queries)
    runner = config.runner.model_copy(update={"workers": workers})
    config = config.model_copy(update={"runner": runner})
    console = Console(stderr=True)
    with locked(run_dir), open_engine(config.runner, ()) as engine:
        write_config(run_dir, config)
        steps = build_simulated_steps(config, run_dir, world)
        for step in steps:
            result = run_step(step, run_dir, console, engine)
            if result.failures:
                raise SystemExit(f"{step.name}: {result.failures[0].error}")
            counts = tally(read_markers(run_dir, step.name)).counts
            report({"step": step.name, "units": result.num_units, "counts": counts})
    if num_queries:
        if waiting := [step.name for step in steps if pending(run_dir, step.plan())]:
            raise SystemExit(f"{', '.join(waiting)}: finished, and planned differently")
        report({"step": PLANNED_AGAIN, "units": 0, "counts": {}})
    ledger = check_ledger(run_dir) | check_queries(run_dir, config)
    report({"ledger": ledger, "images": world.num_images})


def report(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
