"""Stopping between two steps when a signal asks for it."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class StopFlag:
    """Whether someone asked to stop."""

    def __init__(self) -> None:
        self.is_set = False


@contextmanager
def stop_on_signals() -> Iterator[StopFlag]:
    """Turn the first Ctrl-C or SIGTERM into a flag; the second one ends the process at once.

    Outside the main thread Python delivers no signals, and the flag is never set.
    """
    flag = StopFlag()
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return
    previous = {number: signal.getsignal(number) for number in _SIGNALS}

    def restore() -> None:
        for number, handler in previous.items():
            signal.signal(number, handler)

    def note(_number: int, _frame: FrameType | None) -> None:
        flag.is_set = True
        restore()

    for number in _SIGNALS:
        signal.signal(number, note)
    try:
        yield flag
    finally:
        restore()
