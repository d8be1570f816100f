"""A driver that makes a copy of itself the fork server; each in a process of its own."""

import os
import subprocess
import sys

import pytest

PATIENCE_SECONDS = 120.0
BEGIN = """
import os, signal, sys, threading, time, types
from multiprocessing import forkserver
from pathlib import Path
from pipelines.fork_server import CONTEXT, fork_server_from_here

# A module that no other process can import.
only_here = types.ModuleType("only_here")
exec("def succeed(): pass", only_here.__dict__)
sys.modules["only_here"] = only_here

def find_server():
    return forkserver._forkserver._forkserver_pid

def run_worker(target=int):
    worker = CONTEXT.Process(target=target)
    worker.start()
    worker.join()
    return worker.exitcode

def ignores(pid, number):
    ignored = Path(f"/proc/{pid}/status").read_text().split("SigIgn:")[1].split()[0]
    return bool(int(ignored, 16) >> number - 1 & 1)

def wait_until(condition):
    while not condition():
        time.sleep(0.01)
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")


def _drive(code: str) -> str:
    """Run a driver until it and all its workers have ended; return what they printed."""
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + code],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)},
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_SECONDS,
    )
    assert done.stderr == ""
    return done.stdout


def test_workers_of_a_copy_have_what_the_driver_has_imported():
    code = """
print("waits in the buffer,", end=" ")
fork_server_from_here()
copy = find_server()
fork_server_from_here()
wait_until(lambda: ignores(copy, signal.SIGINT))
os.kill(copy, signal.SIGINT)  # as Ctrl-C does
print(run_worker(only_here.succeed), run_worker(), find_server() == copy)
"""
    assert _drive(code) == "waits in the buffer, 0 0 True\n"


def test_a_copy_that_has_died_is_replaced():
    code = """
fork_server_from_here()
copy = find_server()
os.kill(copy, signal.SIGKILL)
os.waitid(os.P_PID, copy, os.WEXITED | os.WNOWAIT)
print(run_worker(), find_server() != copy)
"""
    assert _drive(code) == "0 True\n"


def test_a_process_with_a_second_thread_is_not_copied():
    code = """
ended = threading.Event()
thread = threading.Thread(target=ended.wait)
thread.start()
fork_server_from_here()
print(find_server())
ended.set()
thread.join()
"""
    assert _drive(code) == "None\n"


def test_a_process_that_collects_its_errors_itself_is_not_copied():
    code = """
import contextlib, io
with contextlib.redirect_stderr(io.StringIO()):
    fork_server_from_here()
print(find_server())
"""
    assert _drive(code) == "None\n"


def test_a_copy_that_nobody_asks_for_a_worker_ends_with_its_driver():
    # It holds the other end of the pipe of the output too, which is closed when both have ended.
    code = """
fork_server_from_here()
print("forked")
"""
    assert _drive(code) == "forked\n"
