"""What `cleanmark review` does with its options, and what it prints."""

import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from cleanmark.review import (
    ReviewFolder,
    choose_access,
    export_review,
    invite,
    open_review,
    serve,
    start_review,
    verify_review,
)
from cleanmark.review_error import ReviewError
from curation.shards import ShardError
from manifests.evaluation_sets import GroundTruthError
from manifests.parquet_io import TableError
from review_ui.access import AccessSettings
from review_ui.database import DatabaseError
from review_ui.event_files import EventFileError, import_events
from review_ui.people import PeopleError, Role
from review_ui.routes.people import make_link
from review_ui.votes import ConflictError

_BAD_INPUT = (
    ConflictError, DatabaseError, EventFileError, GroundTruthError, PeopleError, ShardError,
    TableError,
)  # fmt: skip


@dataclass(frozen=True)
class ReviewOptions:
    """The options of the verb; without one that names a task, the app is served."""

    host: str
    port: int
    reviewers: Path | None
    database: str | None
    invite: str | None
    lead: bool
    revoke: str | None
    verify: bool
    export_to: Path | None
    import_from: Path | None

    @property
    def is_task(self) -> bool:
        """Whether something else than serving is asked for."""
        named = (self.invite, self.revoke, self.export_to, self.import_from)
        return self.verify or any(option is not None for option in named)


def hold_review(path: Path, options: ReviewOptions, console: Console) -> bool:
    """Do what the options ask for, in the order import, verify, invite, revoke, export; or serve.

    Returns:
        Whether the log is as it was written; True where nobody asked.

    Raises:
        ReviewError: something cannot be used; the message names it.
        RunFolderError: `path` is no folder of a run or of an audit, or in use.
    """
    with _one_kind_of_error():
        folder = open_review(path, options.reviewers, options.database)
        if options.is_task:
            return _do_tasks(folder, options, console)
        _serve(folder, options, console)
        return True


def _do_tasks(folder: ReviewFolder, options: ReviewOptions, console: Console) -> bool:
    if options.import_from is not None:
        num_new = import_events(folder.store, options.import_from)
        _say(console, f"{num_new} new events from {options.import_from}")
    faults = verify_review(folder) if options.verify else []
    for fault in faults:
        _say(console, fault)
    if options.verify and not faults:
        head = folder.store.head()
        _say(console, f"{head.position} events, none changed, deleted or moved; head {head.hash}")
    if options.invite is not None:
        role = Role.LEAD if options.lead else Role.REVIEWER
        token = invite(folder, options.invite, role)
        access = choose_access(folder.settings, options.host, options.port)
        _say(console, f"{make_link(access.origin, token)}")
        _say(console, f"Send this link to {options.invite}; it is shown once.")
    if options.revoke is not None:
        folder.people.revoke(options.revoke)
        _say(console, f"{options.revoke} is locked out; the votes stay.")
    if options.export_to is not None:
        _export(folder, console, options.export_to)
    return not faults


def _serve(folder: ReviewFolder, options: ReviewOptions, console: Console) -> None:
    with _listen(options) as listener:
        port: int = listener.getsockname()[1]
        access = choose_access(folder.settings, options.host, port)
        review = start_review(folder, access)
        _say(console, f"{len(review.run.pairs)} pairs in {len(review.run.classes)} classes")
        _say(console, f"{access.origin}/  {_describe_access(access)}; stop with Ctrl-C")
        # Asked to end, by whatever signal, the decisions are to be written first.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            serve(review, listener)
        except KeyboardInterrupt:
            _say(console, "stopped")
    _export(folder, console)
    _say(console, folder.subject.applied_by)


def _listen(options: ReviewOptions) -> socket.socket:
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    try:
        return socket.create_server((options.host, options.port), family=family)
    except OSError as error:
        raise ReviewError(
            f"--host {options.host} --port {options.port}: {error.strerror or error}; give another"
        ) from error


def _export(folder: ReviewFolder, console: Console, path: Path | None = None) -> None:
    num_decisions = export_review(folder, path)
    _say(console, f"{num_decisions} decisions in {folder.decisions_dir}")
    if path is not None:
        _say(console, f"the log in {path}")


def _describe_access(access: AccessSettings) -> str:
    if access.open_as is not None:
        return f"(you are {access.open_as})"
    return "(reviewers sign in by the links that --invite makes)"


def _say(console: Console, words: str) -> None:
    console.print(words, highlight=False, markup=False, soft_wrap=True)


@contextmanager
def _one_kind_of_error() -> Iterator[None]:
    try:
        yield
    except _BAD_INPUT as error:
        raise ReviewError(str(error)) from error
