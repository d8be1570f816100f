"""A fetch in a process of its own, to be killed or to be given too little disk."""

import io
import resource
import signal
from multiprocessing.connection import Connection
from pathlib import Path

from rich.console import Console

from pipelines.fetching.catalogue import at_mirror, gldv2
from pipelines.fetching.errors import FetchError
from pipelines.fetching.fetch import fetch_dataset
from pipelines.fetching.settings import FetchSettings

SETTINGS = FetchSettings(connections=3, sync_every_bytes=8192, margin_bytes=0)


def fetch_shards(url: str, folder: Path, shards: tuple[int, ...]) -> None:
    """Fetch some shards of the train split."""
    dataset = at_mirror(gldv2("train", shards), url)
    fetch_dataset(dataset, folder, Console(file=io.StringIO()), SETTINGS, seed=0)


def fetch_with_file_limit(
    url: str, folder: Path, shards: tuple[int, ...], limit_bytes: int, answer: Connection
) -> None:
    """Fetch while no file may grow beyond a limit; send the message of the error."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))
    try:
        fetch_shards(url, folder, shards)
    except FetchError as error:
        answer.send(f"{type(error).__name__}: {error}")
    else:
        answer.send("no error")
