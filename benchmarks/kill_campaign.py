"""Kill a job again and again, at random, and see whether anything is lost.

    .venv/bin/python benchmarks/kill_campaign.py [--kills N] [--seed N] > kill_campaign.json

A small miniature is rendered, and the job on it done once in peace. Then `cleanmark run` is started
in a session of its own, and at a random moment `kill -9` hits one of its processes: a worker, the
main process, the process that workers are forked from, or all at once, as when the machine stops.
The same command is started again, and may be hit again, until a run has come to its end. Its files
must then be those of the peaceful run, to the byte. All random numbers come from the seed; what a
kill hits still depends on how far the machine has come.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml

from cleanmark.miniature import build_miniature
from cleanmark.miniature.settings import TINY
from pipelines.ledger import LEDGER_STEPS, read_accounts
from pipelines.markers import IN_FLIGHT_SUFFIX, parse_marker
from pipelines.units import UnitStatus

COMMAND = Path(sys.executable).with_name("cleanmark")
VICTIMS = {"worker": 0.4, "main": 0.3, "everything": 0.2, "fork server": 0.1}
BOOT_SHARE = 0.1
"""Of the kills: soon after the start; the others when a drawn number of units is done."""
LAST_SECONDS = 0.5
"""From that moment to the kill, at most."""
PATIENCE_SECONDS = 300.0
POLL_SECONDS = 0.01
CONFIG = {
    "evaluation_sets": [
        {
            "name": "miniworld",
            "images": "{source.root}/eval/jpg",
            "ground_truth": "{source.root}/eval/gnd_miniworld.json",
            "text_terms": ["Valmere"],
        }
    ],
    "verify": {"schedule": {"min_units": 6}},
    "clean": {"min_verified_neighbours": 1},
    "overlap": {"queries_per_unit": 3},
    "runner": {"workers": 2},
}


@dataclass
class Campaign:
    """What the kills came to.

    Attributes:
        by_victim: kills by what was killed.
        by_step: kills by the step at work.
        units_in_work: number of units at work at a kill -> kills; those are run again.
        finished_units_run_again: units that were done before a kill and were done anew after it.
        num_runs: run folders brought to their end.
        num_identical: of these, with the bytes of the peaceful run.
        rows_lost_or_doubled: in the manifests, of all runs together.
        unbalanced_steps: steps without an account in the ledger.
        leftover_files: temporary files in finished run folders.
        orphan_seconds: the longest that a process outlived the kill of its main process.
        exit_statuses: of the runs that lived through a kill of another process -> how many.
    """

    by_victim: Counter[str] = field(default_factory=Counter)
    by_step: Counter[str] = field(default_factory=Counter)
    units_in_work: Counter[int] = field(default_factory=Counter)
    finished_units_run_again: int = 0
    num_runs: int = 0
    num_identical: int = 0
    rows_lost_or_doubled: int = 0
    unbalanced_steps: int = 0
    leftover_files: int = 0
    orphan_seconds: float = 0.0
    exit_statuses: Counter[int] = field(default_factory=Counter)

    @property
    def num_kills(self) -> int:
        """Kills so far."""
        return self.by_victim.total()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=8)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        config = write_miniature(Path(folder))
        finish(config, Path(folder) / "peace")
        rng = random.Random(arguments.seed)
        campaign = run_campaign(config, Path(folder) / "peace", arguments.kills, rng)
    print(json.dumps({"kills": campaign.num_kills, **vars(campaign)}, indent=1))


def write_miniature(folder: Path) -> Path:
    """Render the smallest world; return the configuration of the job on it."""
    build_miniature(folder / "world", TINY, workers=1)
    path = folder / "job.yaml"
    path.write_text(yaml.safe_dump({"source": {"root": "world"}} | CONFIG))
    return path


def run_campaign(config: Path, peace: Path, num_kills: int, rng: random.Random) -> Campaign:
    """Kill runs until there were so many kills, and bring each run to its end.

    Args:
        config: the job.
        peace: the folder of its undisturbed run.
        num_kills: how often to kill.
        rng: decides when and whom.
    """
    campaign = Campaign()
    expected = read_files(peace)
    num_units = len(read_done(peace))
    while campaign.num_kills < num_kills:
        run_dir = peace.with_name(f"run{campaign.num_runs}")
        while not _start_and_kill(config, run_dir, campaign, num_kills, num_units, rng):
            pass
        _judge(run_dir, expected, campaign)
        report = f"{campaign.num_kills} kills, {campaign.num_runs} runs"
        print(report, f"{campaign.num_identical} identical", file=sys.stderr)
        shutil.rmtree(run_dir)
    return campaign


def finish(config: Path, run_dir: Path) -> int:
    """Run the job in peace; return the exit status."""
    process = start(config, run_dir)
    status = process.wait(PATIENCE_SECONDS)
    if status:
        raise RuntimeError(f"{run_dir}: exit status {status}: {_read_log(run_dir)}")
    return status


def start(config: Path, run_dir: Path) -> "subprocess.Popen[bytes]":
    """Start the command in a session of its own; its output goes beside the run folder."""
    command = [str(COMMAND), "run", str(config), "--out", str(run_dir)]
    with run_dir.with_suffix(".log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)


def _read_log(run_dir: Path) -> str:
    return run_dir.with_suffix(".log").read_text()[-2000:]


def _start_and_kill(
    config: Path,
    run_dir: Path,
    campaign: Campaign,
    num_kills: int,
    num_units: int,
    rng: random.Random,
) -> bool:
    """Start the job and kill something of it; return whether it came to its end all the same."""
    done_before = read_done(run_dir)
    begun_ns = time.time_ns()
    process = start(config, run_dir)
    if campaign.num_kills < num_kills:
        # When so many units are done; at once if that is the case already.
        moment = rng.randrange(num_units) if rng.random() >= BOOT_SHARE else None
        _await_moment(process, run_dir, begun_ns, moment)
        _sleep_while_running(process, rng.uniform(0.0, LAST_SECONDS))
        victim = rng.choices(list(VICTIMS), list(VICTIMS.values()))[0]
        _kill(process, victim, lambda: list_at_work(run_dir, begun_ns), campaign)
    status = process.wait(PATIENCE_SECONDS)
    dead_since = time.monotonic()
    _wait_for(lambda: not list_session(process.pid))
    campaign.orphan_seconds = max(campaign.orphan_seconds, time.monotonic() - dead_since)
    campaign.finished_units_run_again += _count_changed(done_before, read_done(run_dir))
    if status >= 0:
        campaign.exit_statuses[status] += 1
    return status == 0


def _await_moment(
    process: "subprocess.Popen[bytes]", run_dir: Path, begun_ns: int, num_done: int | None
) -> None:
    """Wait until so many units are done and another is at work; None: do not wait."""

    def has_come() -> bool:
        if process.poll() is not None or num_done is None:
            return True
        return bool(list_at_work(run_dir, begun_ns)) and len(read_done(run_dir)) >= num_done

    _wait_for(has_come)


def _sleep_while_running(process: "subprocess.Popen[bytes]", seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)


def _kill(
    process: "subprocess.Popen[bytes]",
    victim: str,
    list_notes: Callable[[], list[Path]],
    campaign: Campaign,
) -> None:
    """Kill the victim as soon as there is one; nothing if the run ends first."""
    found: list[int] = []

    def find() -> bool:
        found[:] = find_victims(process.pid, victim)
        return bool(found) or process.poll() is not None

    _wait_for(find)
    if process.poll() is not None:
        return
    at_work = list_notes()
    for pid in found if victim == "everything" else found[:1]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    campaign.by_victim[victim] += 1
    campaign.by_step[at_work[0].parent.name if at_work else "between steps"] += 1
    campaign.units_in_work[len(at_work)] += 1


def find_victims(session: int, victim: str) -> list[int]:
    """Processes of a session that are of a kind; the main process has the session's number."""
    parents = list_session(session)
    servers = [pid for pid in parents if parents[pid] == session and not _is_tracker(pid)]
    kinds = {
        "main": [pid for pid in parents if pid == session],
        "everything": list(parents),
        "fork server": servers,
        "worker": [pid for pid, parent in parents.items() if parent in servers],
    }
    return sorted(kinds[victim])


def list_session(session: int) -> dict[int, int]:
    """Living processes of a session, each with its parent."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[3]) == session and fields[0] not in "ZX":
                found[int(entry.name)] = int(fields[1])
    return found


def _is_tracker(pid: int) -> bool:
    """Whether a child of the main process is Python's, and not the fork server."""
    try:
        return b"resource_tracker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return True


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the run neither moves nor ends")
        time.sleep(POLL_SECONDS)


def list_at_work(run_dir: Path, begun_ns: int) -> list[Path]:
    """The notes of units that are at work, without those that earlier kills have left."""
    notes = sorted(run_dir.glob(f"state/*/[!.]*{IN_FLIGHT_SUFFIX}"))
    return [note for note in notes if _read_mtime_ns(note) >= begun_ns]


def read_done(run_dir: Path) -> dict[Path, int]:
    """Marker of each unit that is done -> when it was written."""
    found = {}
    for path in run_dir.glob("state/*/[!.]*.json"):
        marker = parse_marker(path)
        if marker is not None and marker.status is UnitStatus.DONE:
            found[path] = _read_mtime_ns(path)
    return found


def _read_mtime_ns(path: Path) -> int:
    """When a file was written; 0 if it is gone by now."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _count_changed(before: dict[Path, int], after: dict[Path, int]) -> int:
    return sum(after.get(path) != written_ns for path, written_ns in before.items())


def read_files(run_dir: Path) -> dict[str, bytes]:
    """Every file of the tables and manifests."""
    return {
        str(path.relative_to(run_dir)): path.read_bytes()
        for path in sorted(run_dir.rglob("*"))
        if path.is_file()
        and path.parent != run_dir
        and path.relative_to(run_dir).parts[0] not in ("state", "decisions")
    }


def _judge(run_dir: Path, expected: dict[str, bytes], campaign: Campaign) -> None:
    campaign.num_runs += 1
    campaign.num_identical += read_files(run_dir) == expected
    campaign.rows_lost_or_doubled += count_lost_or_doubled(run_dir)
    campaign.unbalanced_steps += len(set(LEDGER_STEPS) - set(read_accounts(run_dir)))
    campaign.leftover_files += sum(path.name.endswith(".part") for path in run_dir.rglob(".*"))


def count_lost_or_doubled(run_dir: Path) -> int:
    """Rows of `images` that are not exactly once in the last manifest or among the removed."""

    def read_ids(pattern: str) -> Counter[Any]:
        ids: Counter[Any] = Counter()
        for path in run_dir.glob(pattern):
            ids.update(pq.read_table(path, columns=["image_id"])["image_id"].to_pylist())
        return ids

    went_in = read_ids("images/*.parquet")
    came_out = read_ids("manifests/rgldv2_clean/*.parquet")
    came_out += read_ids("manifests/removed/*.parquet")
    return ((went_in - came_out) + (came_out - went_in)).total()


if __name__ == "__main__":
    main()
