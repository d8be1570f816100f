"""The first step of a job that is told where its data are: fetch what the folder lacks.

It is no stage of units. Beam would spread units over workers, each with connections of its own, and
the limit per host, the pauses a server asks for and the look at the disk must hold for all of them
together. What was fetched also belongs to the folder of the data, whichever runs read it: its
ledger says what is there, and a second run fetches nothing.
"""

import time

from rich.console import Console

from pipelines.fetching.catalogue import Dataset, at_mirror, gldv2, parse_shards
from pipelines.fetching.fetch import FetchReport, fetch_dataset
from pipelines.fetching.ledger import GOOD, read_ledger
from pipelines.markers import Tally
from pipelines.settings import SourceFetchSettings, SourceSettings
from pipelines.units import Report, UnitStatus

STEP_NAME = "ingest.fetch"


def fetch_source(
    source: SourceSettings, fetch: SourceFetchSettings, console: Console
) -> tuple[FetchReport, tuple[Report, ...]]:
    """Bring the training shards and lists into `source.root`.

    Returns:
        What the fetch came to, and a failed report for every file that is missing.

    Raises:
        DiskError: there is no room, or the disk is not writable.
        FetchError: another process fetches into the folder, or its ledger is not readable.
    """
    begun = time.monotonic()
    dataset = choose_dataset(source, fetch)
    result = fetch_dataset(dataset, source.root, console, fetch)
    seconds = time.monotonic() - begun
    failures = []
    for problem in result.problems:
        path, _, reason = problem.partition(": ")
        failures.append(Report(STEP_NAME, path, UnitStatus.FAILED, {}, reason, seconds))
    return result, tuple(failures)


def describe_fetch(source: SourceSettings, fetch: SourceFetchSettings) -> tuple[int, Tally]:
    """How many files there are to fetch, and what the ledger says of them; asks no server."""
    files = [file for file in choose_dataset(source, fetch).files if file.required]
    entries = {entry.path: entry for entry in read_ledger(source.root)}
    recorded = [entries[file.path] for file in files if file.path in entries]
    bad = {entry.path: entry.reason or "" for entry in recorded if entry.status not in GOOD}
    return len(files), Tally(len(recorded) - len(bad), len(bad), {}, bad)


def choose_dataset(source: SourceSettings, fetch: SourceFetchSettings) -> Dataset:
    """The files that a fetch looks after, at their addresses."""
    shards = None if fetch.shards is None else parse_shards(fetch.shards)
    return at_mirror(gldv2(source.split, shards), fetch.base_url)
