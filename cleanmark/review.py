"""`cleanmark review`: people decide on the candidates of a run or audit, in the browser."""

import getpass
import json
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import uvicorn
from pydantic import Field, ValidationError

from cleanmark.review_error import ReviewError
from cleanmark.review_subject import ReviewSubject, find_subject
from manifests.arrow_schemas import DECISIONS
from manifests.atomic import write_text
from manifests.decisions import DecisionRow
from manifests.parquet_io import write_rows
from manifests.rows import Decision
from manifests.strict_model import StrictModel
from manifests.yaml_settings import ConfigError, read_yaml_settings
from pipelines.decision_log import current_decisions, import_decisions
from pipelines.run_folder import locked
from review_ui.access import AccessSettings, is_loopback
from review_ui.agreement import measure_agreement
from review_ui.app import create_app
from review_ui.database import open_database, sqlite_url
from review_ui.event_files import check_against, write_events
from review_ui.evidence import Pair, ReviewRun
from review_ui.hash_chain import Event
from review_ui.people import People, PeopleError, Role, check_name
from review_ui.review import Review
from review_ui.rules import ADJUDICATION_SUFFIX, RESOLVED_PREFIX, RuleSettings, make_decisions
from review_ui.votes import EventStore

_Key = tuple[str, str, str, str]
_WITHDRAWN = "withdrawn in the review"
EXPORTED_EVENTS = "review_events.parquet"
AGREEMENT_FILE = "review_agreement.json"
_SHUTDOWN_SECONDS = 5


class ReviewerSettings(StrictModel):
    """A person who reviews."""

    name: str
    """What votes are signed with."""
    role: Role = Role.REVIEWER
    """`lead` adjudicates and invites."""


class ReviewSettings(StrictModel):
    """The content of a reviewers file."""

    reviewers: tuple[ReviewerSettings, ...] = ()
    """Who may be invited; empty means whoever is."""
    rule: RuleSettings = RuleSettings()
    """How votes become decisions."""
    public_url: str | None = Field(None, pattern=r"^https?://[^/\s]+$")
    """What reviewers type, where a proxy with HTTPS stands before the app."""


@dataclass(frozen=True)
class ReviewFolder:
    """A run or an audit, and the review of it.

    Attributes:
        subject: what is reviewed.
        settings: the reviewers file.
        store: votes and adjudications.
        people: who may sign in.
    """

    subject: ReviewSubject
    settings: ReviewSettings
    store: EventStore
    people: People

    @property
    def decisions_dir(self) -> Path:
        """Where an export goes."""
        return self.subject.folder / "decisions"

    def read_run(self) -> ReviewRun:
        """The evidence."""
        return self.subject.read_run()


def load_review_settings(path: Path | None) -> ReviewSettings:
    """Read a reviewers file.

    Raises:
        ReviewError: it is missing or something in it cannot be used.
    """
    if path is None:
        return ReviewSettings()
    try:
        settings = ReviewSettings.model_validate(read_yaml_settings(path))
        for reviewer in settings.reviewers:
            check_name(reviewer.name)
    except (ConfigError, ValidationError, PeopleError) as error:
        problem = " ".join(str(error).split()).removeprefix(f"{path}: ")
        raise ReviewError(f"{path}: {problem}; docs/review.md shows a reviewers file") from error
    return settings


def open_review(folder: Path, reviewers: Path | None, database: str | None) -> ReviewFolder:
    """Open the review of a run or audit; its votes lie in the folder unless a database is named.

    Raises:
        RunFolderError: `folder` is of neither.
        ReviewError: the reviewers file cannot be used.
        DatabaseError: the database cannot be opened.
    """
    subject = find_subject(folder)
    settings = load_review_settings(reviewers)
    engine = open_database(database or sqlite_url(folder / "review" / "votes.sqlite3"))
    return ReviewFolder(subject, settings, EventStore(engine), People(engine))


def choose_access(settings: ReviewSettings, host: str, port: int) -> AccessSettings:
    """Decide under which names the app answers, and whether visitors must sign in.

    On loopback and without a reviewers file, the user of this machine reviews alone. Everybody
    else signs in.

    Raises:
        ReviewError: nobody can tell what reviewers would type.
    """
    own = f"http://{_bracket(host)}:{port}"
    loopback = is_loopback(host)
    if settings.public_url is not None:
        return AccessSettings(settings.public_url, aliases=(own,) if loopback else ())
    if host in ("0.0.0.0", "::", ""):  # noqa: S104  (refused, not used)
        raise ReviewError(
            f"--host {host}: say under public_url in the reviewers file what reviewers will type, "
            "such as https://review.example.org, or give --host an address of this machine"
        )
    aliases = (f"http://localhost:{port}", f"http://127.0.0.1:{port}") if loopback else ()
    is_open = loopback and not settings.reviewers
    return AccessSettings(own, aliases, open_as=find_user_name() if is_open else None)


def find_user_name() -> str:
    """Who uses this machine, as a name that votes can be signed with."""
    try:
        return check_name(getpass.getuser())
    except (OSError, KeyError, PeopleError):
        return "local"


def start_review(folder: ReviewFolder, access: AccessSettings) -> Review:
    """Put together what the app serves."""
    if access.open_as is not None:
        folder.people.admit(access.open_as, Role.LEAD)
    return Review(folder.read_run(), folder.store, folder.people, folder.settings.rule, access)


def invite(folder: ReviewFolder, name: str, role: Role) -> str:
    """Invite a person and return the token; where there is a reviewers file, it says who and what.

    Raises:
        ReviewError: the file does not name the person.
        PeopleError: the name cannot be used.
    """
    roles = {reviewer.name: reviewer.role for reviewer in folder.settings.reviewers}
    if roles and name not in roles:
        raise ReviewError(f"--invite {name}: the reviewers file does not name this person; add it")
    return folder.people.invite(name, roles.get(name, role), find_user_name())


def verify_review(folder: ReviewFolder) -> list[str]:
    """Check the log, what is folded from it, and its last export; return the faults, in words."""
    faults = folder.store.verify()
    exported = folder.decisions_dir / EXPORTED_EVENTS
    if exported.is_file():
        faults += check_against(folder.store, exported)
    return faults


def export_review(folder: ReviewFolder, path: Path | None = None) -> int:
    """Write what was decided into the folder, for what applies it; return the number of decisions.

    Its `decisions/` gets the decisions that changed since the last time, the whole log and the
    agreement of the reviewers; `path` gets the log once more, to take it elsewhere.

    Raises:
        RunFolderError: another process is at work in the folder.
    """
    subject = folder.subject
    events = list(folder.store.read_events())
    votes = folder.store.votes()
    run = folder.read_run()
    decisions = make_decisions(
        run.pairs,
        votes,
        folder.store.adjudications(),
        folder.settings.rule,
        run.min_confirmations,
    )
    agreement = json.dumps(asdict(measure_agreement(votes)), indent=2)
    with locked(subject.locked_dir):
        rows = current_decisions(subject.folder, any_image_id=subject.any_image_id)
        current = {row.key: row for row in rows}
        changes = find_changes(current, decisions, _list_spoken(run.pairs, events))
        if changes:
            _add_decisions(subject, changes)
        for target in (folder.decisions_dir / EXPORTED_EVENTS, *([path] if path else [])):
            write_events(target, events)
        write_text(folder.decisions_dir / AGREEMENT_FILE, agreement + "\n")
    return len(decisions)


def find_changes(
    current: Mapping[_Key, DecisionRow],
    wanted: Sequence[DecisionRow],
    spoken: set[_Key],
) -> list[DecisionRow]:
    """The rows that turn the decisions of a folder into those of the review.

    Args:
        current: what the folder holds, by candidate and reviewer.
        wanted: what it shall hold of this review.
        spoken: what the review ever decided, by candidate and reviewer. Decisions that came by
            another way are left alone.

    Returns:
        Rows later than those that they replace. A decision that is gone becomes `unsure`, which
        neither confirms nor refuses.
    """
    changed = []
    for row in wanted:
        old = current.get(row.key)
        if old is None:
            changed.append(row)
        elif old.decision is not row.decision:
            changed.append(replace(row, decided_at=max(row.decided_at, _just_after(old))))
    kept = {row.key for row in wanted}
    for key, old in current.items():
        is_ours = key in spoken or _is_made_by_rule(old.reviewer)
        if is_ours and key not in kept and old.comment != _WITHDRAWN:
            gone = replace(old, decision=Decision.UNSURE, comment=_WITHDRAWN)
            changed.append(replace(gone, decided_at=_just_after(old)))
    return sorted(changed, key=lambda row: row.key)


def serve(review: Review, listener: socket.socket) -> None:
    """Serve the app on a socket that listens, until the process is asked to end."""
    config = uvicorn.Config(
        create_app(review),
        log_level="warning",
        access_log=False,
        server_header=False,
        # Addresses count for the limit on signing in; a header could claim any.
        proxy_headers=False,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
    )
    # Connections inherit it; asyncio would see to it only for sockets it makes itself, and without
    # it headers and body wait for each other, 40 ms each time.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    uvicorn.Server(config).run([listener])


def _list_spoken(pairs: Iterable[Pair], events: Iterable[Event]) -> set[_Key]:
    """Candidates, as the folder calls them, with everybody who ever spoke of them in the review."""
    speakers: dict[str, set[str]] = {}
    for event in events:
        speakers.setdefault(event.content_key, set()).add(event.reviewer)
    return {
        (*pair.key, reviewer) for pair in pairs for reviewer in speakers.get(pair.content_key, ())
    }


def _add_decisions(subject: ReviewSubject, rows: Iterable[DecisionRow]) -> None:
    columns = [asdict(row) | {"decided_at": row.decided_at.isoformat()} for row in rows]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "decisions.parquet"
        write_rows(path, DECISIONS, columns)
        import_decisions(subject.folder, path, any_image_id=subject.any_image_id)


def _just_after(row: DecisionRow) -> datetime:
    return row.decided_at + timedelta(microseconds=1)


def _is_made_by_rule(reviewer: str) -> bool:
    return reviewer.startswith(RESOLVED_PREFIX) or ADJUDICATION_SUFFIX in reviewer


def _bracket(host: str) -> str:
    return f"[{host}]" if ":" in host else host
