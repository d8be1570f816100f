"""The process from which workers are forked, with everything imported that they need.

It is Python's own fork server, of the module `multiprocessing.forkserver`, in one of two ways.
Python starts a new interpreter, which imports everything once more. A command line may instead
fork it from itself, which saves that: nearly two seconds for each job, however small.
"""

import multiprocessing
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from multiprocessing import connection, forkserver
from typing import Any, NoReturn

CONTEXT = multiprocessing.get_context("forkserver")
_PRELOAD = "pipelines.preload"
_SERVER: Any = forkserver._forkserver  # noqa: SLF001
"""What Python knows of the server of this process; there is no public way to it."""


def start_fork_server(more_modules: Sequence[str] = ()) -> None:
    """Start the fork server, if it does not run yet.

    Args:
        more_modules: what else to import there once instead of in every worker. A command line
            names its own main module, which Python imports again in every worker.
    """
    CONTEXT.set_forkserver_preload([_PRELOAD, *more_modules])
    forkserver.ensure_running()


def fork_server_from_here() -> None:
    """Make a copy of this process the fork server, if none runs yet.

    To be called early: the copy keeps what this process holds by then, such as open files and
    locks, and so do all workers. Where no copy can be made (see `_can_be_copied`), and when the
    copy has died, the first worker starts a server in Python's way.
    """
    if _SERVER._forkserver_pid is not None or not _can_be_copied():  # noqa: SLF001
        return
    address = connection.arbitrary_address("AF_UNIX")  # type: ignore[attr-defined]
    # The server ends when nobody holds the other end of this pipe any more.
    alive_r, alive_w = os.pipe()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        _flush_streams()
        pid = os.fork()
        if pid == 0:
            os.close(alive_w)
            _serve(listener, alive_r)
    os.close(alive_r)
    _SERVER._forkserver_address = address  # noqa: SLF001
    _SERVER._forkserver_alive_fd = alive_w  # noqa: SLF001
    _SERVER._forkserver_pid = pid  # noqa: SLF001


def _can_be_copied() -> bool:
    """Whether a copy lacks nothing: neither another thread, nor where the errors of workers go."""
    return threading.active_count() == 1 and sys.stderr is sys.__stderr__


def _flush_streams() -> None:
    """Print what waits: each worker would print it again."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()


def _serve(listener: socket.socket, alive_r: int) -> NoReturn:
    """Be the fork server, from the first worker that is asked for to the end of the driver."""
    status = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        ready, _, _ = select.select([listener.fileno(), alive_r], [], [])
        # A job with nothing to do asks for no worker, and loads nothing.
        modules = [_PRELOAD] if listener.fileno() in ready else []
        forkserver.main(listener.detach(), alive_r, modules)
    except SystemExit:
        status = 0
    except BaseException:  # noqa: BLE001  (the traceback must not reach the caller's own frames)
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(status)
