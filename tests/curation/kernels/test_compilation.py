import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from curation.kernels.compilation import compile_on_first_call, compile_with, freeze


def test_a_function_without_a_place_for_its_cache_is_compiled_all_the_same():
    """As on a read-only installation: numba finds no folder for a function of no file."""
    namespace = {}
    exec(compile("def halve(x):\n    return x / 2\n", "<nowhere>", "exec"), namespace)
    assert compile_on_first_call(namespace["halve"])(3.0) == 1.5


CALLED = """
from curation.kernels.compilation import compile_on_first_call

@compile_on_first_call
def inner(x):
    return x + {added}
"""
CALLER = """
import called
from called import inner
from curation.kernels.compilation import compile_with

@compile_with(called)
def outer(x):
    return inner(x)

print(outer(1), sum(outer.stats.cache_hits.values()))
"""


def test_a_change_of_another_file_is_noticed(tmp_path):
    def run(added):
        (tmp_path / "called.py").write_text(CALLED.format(added=added))
        # Numba stamps a file by its time and size, and so the caller as well.
        for name in ("called.py", "caller.py"):
            os.utime(tmp_path / name, (0, 0))
        command = [sys.executable, "-B", str(tmp_path / "caller.py")]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
        ran = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.split()

    (tmp_path / "caller.py").write_text(CALLER)
    assert run(1) == ["2", "0"]
    assert run(1) == ["2", "1"]
    assert run(10)[0] == "11"


def test_a_function_of_several_files_without_a_place_for_its_cache_is_compiled_all_the_same():
    namespace = {}
    exec(compile("def halve(x):\n    return x / 2\n", "<nowhere>", "exec"), namespace)
    assert compile_with(np)(namespace["halve"])(3.0) == 1.5


def test_division_by_zero_follows_ieee():
    namespace = {}
    exec(compile("def invert(x):\n    return 1.0 / x\n", "<nowhere>", "exec"), namespace)
    assert compile_on_first_call(namespace["invert"])(0.0) == np.inf


def test_a_frozen_view_shares_the_data_and_cannot_be_written():
    array = np.arange(3)
    view = freeze(array)
    assert np.shares_memory(array, view)
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 1
    array[0] = 7
    assert view[0] == 7
