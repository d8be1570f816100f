"""Ways to do one thing, each measured in a process of its own."""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

PREPARE = "prepare"


def measure_process(work: Callable[[], Any]) -> dict[str, Any]:
    """Seconds, processor seconds and peak memory of this process, and what `work` returns."""
    begun = time.perf_counter(), time.process_time()
    result = work()
    return {
        "seconds": round(time.perf_counter() - begun[0], 2),
        "cpu_seconds": round(time.process_time() - begun[1], 2),
        "peak_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
        "result": result,
    }


def compare_ways(
    script: str, ways: Mapping[str, Callable[[Path], Any]], folder: str, *arguments: str
) -> dict[str, Any]:
    """Run the script once for each way, `--way WAY --folder FOLDER`; way -> what it printed.

    The way `prepare` comes first if there is one, and is left out of the answer. The input is
    drawn by a child too, never here: a new process starts with the peak memory of the one that
    started it.
    """
    found = {}
    for way in sorted(ways, key=lambda way: way != PREPARE):
        command = [sys.executable, script, "--way", way, "--folder", folder, *arguments]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        if way != PREPARE:
            found[way] = json.loads(done.stdout)
    return found


def run_ways(
    script: str, description: str | None, ways: Mapping[str, Callable[[Path], Any]]
) -> dict[str, Any]:
    """What such a script does: as a child measure one way and end, else compare all of them."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--way", choices=ways, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.way:
        print(json.dumps(measure_process(lambda: ways[arguments.way](arguments.folder))))
        sys.exit()
    with tempfile.TemporaryDirectory() as folder:
        return compare_ways(script, ways, folder)
