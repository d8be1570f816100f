import contextlib
import os
import signal
import threading
import weakref

import pytest

from pipelines.interruption import heeding_ctrl_c


class Thing:
    pass


def press_ctrl_c(_=None):
    os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_is_raised_at_once_as_ever():
    with pytest.raises(KeyboardInterrupt), heeding_ctrl_c():
        press_ctrl_c()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_ctrl_c_in_a_callback_is_not_lost():
    with heeding_ctrl_c() as heed:
        thing = Thing()
        watched = weakref.ref(thing, press_ctrl_c)
        del thing  # Python drops what the callback raises
        assert watched() is None
        with pytest.raises(KeyboardInterrupt):
            heed()


def test_without_ctrl_c_there_is_nothing_to_heed():
    before = signal.getsignal(signal.SIGINT)
    with heeding_ctrl_c() as heed:
        assert signal.getsignal(signal.SIGINT) is not before
        heed()
    assert signal.getsignal(signal.SIGINT) is before


def test_what_somebody_else_has_made_of_ctrl_c_stays():
    pressed = []
    before = signal.signal(signal.SIGINT, lambda *_: pressed.append(True))
    try:
        with heeding_ctrl_c() as heed:
            press_ctrl_c()
            heed()
    finally:
        signal.signal(signal.SIGINT, before)
    assert pressed == [True]


def test_other_threads_may_not_ask():
    errors = []

    def ask():
        with contextlib.suppress(KeyboardInterrupt), heeding_ctrl_c() as heed:
            heed()
            errors.append(None)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert errors == [None]
