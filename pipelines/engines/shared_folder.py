"""Whether a worker sees the run folder, and not a folder of its own at the same path."""

import socket
import uuid
from pathlib import Path

from manifests.atomic import write_text

_FILE_NAME = ".shared"


class SharedFolderError(RuntimeError):
    """A worker does not see the run folder; what it wrote would be lost with its machine."""


def write_token(run_dir: Path) -> str:
    """Leave a word in the run folder that nobody can know who does not see it."""
    token = uuid.uuid4().hex
    write_text(run_dir / _FILE_NAME, token)
    return token


def check_token(run_dir: Path, token: str) -> None:
    """Compare the word of the folder with the one that the launching machine has left there.

    Raises:
        SharedFolderError: it is another one, or there is none.
    """
    path = run_dir / _FILE_NAME
    found = path.read_text(encoding="utf-8") if path.is_file() else None
    if found != token:
        raise SharedFolderError(
            f"worker {socket.gethostname()}: {run_dir} is not the run folder of the machine that "
            "started the job. Put it on a file system that all workers mount at the same path; "
            "see docs/running.md"
        )
