"""Ctrl-C, even where Python loses it."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def heeding_ctrl_c() -> Iterator[Callable[[], None]]:
    """Remember Ctrl-C beside raising it.

    What is raised while a library calls back, or while an object is destroyed, Python reports and
    drops, and the job would go on as if nobody had pressed anything.

    Yields:
        A function that raises KeyboardInterrupt if Ctrl-C was pressed in the block. Call it where
        the job can stop.
    """
    pressed = threading.Event()
    before = signal.getsignal(signal.SIGINT)
    is_default = before is signal.default_int_handler
    if not is_default or threading.current_thread() is not threading.main_thread():
        # Somebody else decides what Ctrl-C means here.
        yield lambda: None
        return

    def note(number: int, frame: FrameType | None) -> None:
        pressed.set()
        signal.default_int_handler(number, frame)

    def heed() -> None:
        if pressed.is_set():
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, note)
    try:
        yield heed
    finally:
        signal.signal(signal.SIGINT, before)
