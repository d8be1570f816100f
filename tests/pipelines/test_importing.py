import gc
import os
import subprocess
import sys

import pytest

from pipelines.importing import uncollected

COUNT_THREADS = """
from threadpoolctl import threadpool_info

# Those on OpenMP start their threads when there is work for them.
found = [pool for pool in threadpool_info() if pool.get("threading_layer") == "pthreads"]
print(len(found), max((pool["num_threads"] for pool in found), default=0))
"""


AS_WORKERS_DO = "import pipelines.preload"
AS_THEY_BEGIN = """
from pipelines.importing import keep_blas_to_one_thread
keep_blas_to_one_thread()
import cv2, numpy
"""


def _count_blas_threads(code: str, number: str | None = None) -> tuple[int, int]:
    """Copies of OpenBLAS with threads of their own in a worker, and the most that one has."""
    environment = {name: value for name, value in os.environ.items() if "NUM_THREADS" not in name}
    if number is not None:
        environment["OPENBLAS_NUM_THREADS"] = number
    command = [sys.executable, "-c", code + COUNT_THREADS]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    num_copies, num_threads = map(int, done.stdout.split())
    return num_copies, num_threads


def test_a_worker_has_one_thread_for_linear_algebra():
    num_copies, num_threads = _count_blas_threads(AS_WORKERS_DO)
    if num_copies == 0:
        pytest.skip("no library here brings OpenBLAS with threads of its own")
    assert num_threads == 1


def test_a_number_of_threads_that_is_set_from_outside_stays():
    num_copies, num_threads = _count_blas_threads(AS_THEY_BEGIN, "2")
    if num_copies == 0:
        pytest.skip("no library here brings OpenBLAS with threads of its own")
    assert num_threads == min(2, len(os.sched_getaffinity(0)))


@pytest.fixture
def _unfrozen():
    yield
    gc.unfreeze()


@pytest.fixture
def new_module(tmp_path, monkeypatch):
    """Name of a module that nobody has imported yet."""
    (tmp_path / "seldom_imported.py").write_text("THINGS = [[number] for number in range(1000)]\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "seldom_imported"
    sys.modules.pop("seldom_imported", None)


@pytest.mark.usefixtures("_unfrozen")
def test_what_is_imported_is_never_looked_through_for_garbage(new_module):
    with uncollected():
        assert not gc.isenabled()
        things = __import__(new_module).THINGS
    assert gc.isenabled()
    assert gc.get_freeze_count() >= len(things)
    assert not any(thing is things for thing in gc.get_objects())


@pytest.mark.usefixtures("_unfrozen")
def test_garbage_is_not_kept_when_everything_was_imported_before():
    gc.unfreeze()
    with uncollected():
        import json  # noqa: F401
    assert gc.get_freeze_count() == 0


@pytest.mark.usefixtures("_unfrozen")
def test_garbage_is_collected_again_after_an_import_that_fails():
    with pytest.raises(ModuleNotFoundError), uncollected():
        import no_module_has_this_name  # noqa: F401
    assert gc.isenabled()


@pytest.mark.usefixtures("_unfrozen")
def test_a_process_that_collects_no_garbage_goes_on_without():
    gc.disable()
    try:
        with uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
