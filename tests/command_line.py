"""The installed command in a process of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

COMMAND = Path(sys.executable).with_name("cleanmark")
PATIENCE_SECONDS = 120.0


def start_cleanmark(*arguments: object, **options: object) -> subprocess.Popen[str]:
    """Start the command in a session of its own, as a terminal does."""
    if not COMMAND.is_file():
        pytest.skip(f"no console script {COMMAND}; install the project (`make setup`)")
    return subprocess.Popen(
        [str(COMMAND), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **options,
    )


def run_cleanmark(
    *arguments: object, patience_seconds: float = PATIENCE_SECONDS, **options: object
) -> tuple[int, str, str]:
    """Run the command to its end; return exit status, output and errors."""
    with start_cleanmark(*arguments, **options) as process:
        output, errors = process.communicate(timeout=patience_seconds)
    return process.returncode, output, errors


def stop_when(
    process: subprocess.Popen[str], condition: Callable[[], bool], number: signal.Signals
) -> tuple[str, str]:
    """Signal the process alone as soon as the condition holds; return what it printed."""
    wait_until(lambda: condition() or process.poll() is not None)
    assert process.poll() is None, process.communicate()
    process.send_signal(number)
    return process.communicate(timeout=PATIENCE_SECONDS)


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for something that is bound to happen."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.005)


def has_marker(run_dir: Path, step: str) -> bool:
    """Whether a unit of the step is settled."""
    return any((run_dir / "state" / step).glob("[!.]*.json"))


def processes_of_session(session: int) -> list[int]:
    """Ids of the processes that still run in a session."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[3]) == session and fields[0] != "Z":
                found.append(int(entry.name))
    return [pid for pid in found if pid != os.getpid()]
