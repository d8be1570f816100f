import subprocess
import sys

import pytest

COUNT_FAULTS = """
import resource
import numpy as np
from pipelines.allocator import keep_freed_memory

def count_faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        blocks = [np.ones(3_000_000, np.uint8) for _ in range(10)]
        del blocks
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

count_faults()
without = count_faults()
print(int(keep_freed_memory()), without, min(count_faults() for _ in range(3)))
"""


def test_memory_of_one_image_serves_the_next():
    # In a process of its own: the hint holds for the rest of a process's life.
    done = subprocess.run(
        [sys.executable, "-c", COUNT_FAULTS], capture_output=True, text=True, check=True
    )
    took_it, without, with_hint = map(int, done.stdout.split())
    if not took_it:
        pytest.skip("this C library does not know mallopt")
    assert with_hint < without / 10
