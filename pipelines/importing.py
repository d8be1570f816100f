"""How the processes of a job import their libraries: once, for good, and with one thread each."""

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def keep_blas_to_one_thread() -> None:
    """Have libraries that are imported from now on compute linear algebra on one thread.

    Units run side by side, one per core, each on one thread. OpenBLAS would all the same start a
    thread per core in each of its copies (numpy, OpenCV and faiss bring one each), in every worker
    anew, and each of these turns round for a moment before it sleeps: a tenth of a second of
    processor time per worker and core. A number that is set from outside stays.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@contextmanager
def uncollected() -> Iterator[None]:
    """Import modules in the block without looking for garbage among them, now or later.

    Modules stay until the end. To look through those that are there while more come in takes a
    third of the time of importing Beam, and a forked worker that looks through them later copies
    every page that they are on.
    """
    num_modules = len(sys.modules)
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if len(sys.modules) > num_modules:
            gc.freeze()
        if was_enabled:
            gc.enable()
