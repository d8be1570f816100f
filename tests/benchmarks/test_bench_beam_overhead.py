import subprocess
import sys
from pathlib import Path

import pytest

ORPHAN_SECONDS = 0.2
MEASURE = f'''
import ctypes, sys
from benchmarks.bench_beam_overhead import measure

ctypes.CDLL(None).prctl(36, 1)
burn = "import time\\nwhile time.process_time() < {ORPHAN_SECONDS}: pass"
leave = f"""
import subprocess, sys
subprocess.Popen([sys.executable, "-c", {{burn!r}}], stdout=subprocess.DEVNULL)
print("left")
"""
seconds, printed = measure([sys.executable, "-c", leave])
print(printed.strip(), seconds["cpu_seconds"])
'''


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives orphans to another process")
def test_processes_that_a_command_leaves_behind_are_counted():
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", MEASURE], cwd=root, capture_output=True, text=True, check=True
    )
    printed, cpu_seconds = done.stdout.split()
    assert printed == "left"
    assert float(cpu_seconds) >= ORPHAN_SECONDS
