"""A probe whose process is killed, as by a photograph that crashes the decoder."""

import os
import signal


def crash(_job: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)
