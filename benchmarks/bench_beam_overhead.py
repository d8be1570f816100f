"""What Beam, worker processes, markers and resuming cost, on top of the functions themselves.

    .venv/bin/python benchmarks/bench_beam_overhead.py [--data DIR] [--repeats N] > overhead.json

The whole job, with one worker, beside a plain loop: the same stages, planned by the same `plan()`,
each unit done by calling its `run()`, one after the other in one process, with no Beam, no worker,
no digest and no marker in the time that counts. (Markers are written all the same, outside of that
time, because the next stage is planned from them.) Both take turns, each in processes of its own.

Compare processor seconds: those of a way are of all processes it has started, with the start of
Python and its imports, until the last of them has ended. Elapsed seconds are those of the machine
with whatever else ran there.
"""

import argparse
import ctypes
import gc
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from manifests.atomic import write_text
from pipelines.allocator import keep_freed_memory
from pipelines.job import build_steps
from pipelines.markers import Marker, describe_outputs, write_marker
from pipelines.run_config import RunConfig, dump_config, load_config
from pipelines.run_unit import one_thread, open_in_flight
from pipelines.units import Stage, Unit, UnitStatus

COMMAND = Path(sys.executable).with_name("cleanmark")
GOAL = 1.15
ENVIRONMENT = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
"""The job sets this by itself; without it the loop would pay for threads that it does not use."""
_PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="data set in GLDv2's layout; default: rendered")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--no-warm-up", action="store_true", help="count the first round as well")
    parser.add_argument("--bare", type=Path, nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--render", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.render:
        render(arguments.render)
        return
    if arguments.bare:
        print(json.dumps(run_bare(load_config(arguments.bare[0]), arguments.bare[1])))
        return
    # Processes whose parent has ended become children of this one, so that their time is counted.
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(compare(Path(folder), arguments), indent=1))


def compare(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Run both ways in turns; the ratio is that of the sums."""
    config = write_config(folder, arguments.data)
    num_warm_up = 0 if arguments.no_warm_up else 1  # fills the caches of disk and compiler
    job: list[dict[str, float]] = []
    bare: list[dict[str, float]] = []
    functions: list[dict[str, Any]] = []
    for number in range(num_warm_up + arguments.repeats):
        out = folder / f"job{number}"
        job.append(measure([str(COMMAND), "run", str(config), "--out", str(out)])[0])
        loop = [sys.executable, __file__, "--bare", str(config), str(folder / f"bare{number}")]
        seconds, printed = measure(loop)
        functions.append(json.loads(printed))
        bare.append({name: seconds[name] - functions[-1]["untimed"][name] for name in seconds})
    again = measure([str(COMMAND), "run", str(config), "--out", str(folder / "job0")])[0]
    job, bare = job[num_warm_up:], bare[num_warm_up:]
    return {
        "goal": GOAL,
        "num_units": functions[-1]["num_units"],
        "repeats": arguments.repeats,
        "job": job,
        "bare": bare,
        "ratio": {name: round(_sum(job, name) / _sum(bare, name), 3) for name in job[0]},
        "cpu_seconds_by_step_bare": functions[-1]["cpu_seconds_by_step"],
        "job_with_nothing_to_do": again,
    }


def _sum(rounds: list[dict[str, float]], name: str) -> float:
    return sum(seconds[name] for seconds in rounds)


def write_config(folder: Path, data: Path | None) -> Path:
    """The configuration of a job on a data set, with one worker."""
    if data is None:
        data = folder / "world"
        # Not in this process: it would be left with the fork server of the workers that draw, which
        # ends with this process only, and `measure` waits for the end of all.
        measure([sys.executable, __file__, "--render", str(data)])
    content = {
        "source": {"root": data.resolve(), "check_md5": False},
        "clean": {"min_verified_neighbours": 1},
        "runner": {"workers": 1},
    }
    path = folder / "job.yaml"
    write_text(path, dump_config(RunConfig.model_validate(content)))
    return path


def render(data: Path) -> None:
    """Draw the miniature."""
    from cleanmark.miniature import MiniatureSettings, build_miniature

    build_miniature(data, MiniatureSettings(), workers=len(os.sched_getaffinity(0)))


def measure(command: list[str]) -> tuple[dict[str, float], str]:
    """Seconds of a command and of all processes that it leaves behind, and what it printed."""
    begun = time.monotonic(), _children_seconds()
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
    while True:
        try:
            os.wait()
        except ChildProcessError:
            break
    seconds = {
        "cpu_seconds": round(_children_seconds() - begun[1], 2),
        "elapsed_seconds": round(time.monotonic() - begun[0], 2),
    }
    return seconds, done.stdout


def _children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run_bare(config: RunConfig, run_dir: Path) -> dict[str, Any]:
    """All stages in a loop; returns the seconds that do not count, among others."""
    # As workers do: these differences are not Beam's.
    keep_freed_memory()
    gc.freeze()
    untimed = {"cpu_seconds": 0.0, "elapsed_seconds": 0.0}
    by_step: dict[str, float] = {}
    num_units = 0
    for stage in build_steps(config, run_dir):
        begun = time.process_time()
        for unit in stage.plan():
            with open_in_flight(run_dir, unit) as in_flight, one_thread():
                counts = stage.run(unit, in_flight)
            num_units += 1
            since = time.process_time(), time.monotonic()
            mark_done(stage, run_dir, unit, counts)
            untimed["cpu_seconds"] += time.process_time() - since[0]
            untimed["elapsed_seconds"] += time.monotonic() - since[1]
        by_step[stage.name] = round(time.process_time() - begun, 2)
    return {"num_units": num_units, "cpu_seconds_by_step": by_step, "untimed": untimed}


def mark_done(stage: Stage, run_dir: Path, unit: Unit, counts: dict[str, int]) -> None:
    marker = Marker(
        stage=stage.name,
        unit_id=unit.unit_id,
        status=UnitStatus.DONE,
        fingerprint=unit.fingerprint,
        counts=counts,
        outputs=describe_outputs(run_dir, unit),
        error=None,
        seconds=0.0,
    )
    write_marker(run_dir, unit, marker)


if __name__ == "__main__":
    main()
