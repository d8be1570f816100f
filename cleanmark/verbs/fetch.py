"""The commands `cleanmark fetch …`: bring a data set into a folder, and say what is missing.

Exit status: 0 the data set is complete, 1 it is not (each file is named), 2 bad arguments, 130
stopped with Ctrl-C.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pipelines.fetching.catalogue import (
    EVALUATION_SETS,
    GLDV2_SPLITS,
    NOT_CHECKED,
    CatalogueError,
    Dataset,
    at_mirror,
    gldv2,
    parse_shards,
)
from pipelines.fetching.disk import format_bytes
from pipelines.fetching.errors import FetchError
from pipelines.fetching.fetch import FetchReport, fetch_dataset, plan_fetch
from pipelines.fetching.ledger import LEDGER_NAME
from pipelines.fetching.plan import PlannedFile, Presence, needed_bytes
from pipelines.fetching.settings import FetchSettings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Fetch a data set: resumable, checked, recorded. The same command goes on.",
)

_DEFAULTS = FetchSettings()

To = Annotated[Path, typer.Option("--to", metavar="DIR", help="Folder of the data set.")]
BaseUrl = Annotated[
    str | None,
    typer.Option(metavar="URL", help="A mirror: http(s)://, file://, gs://, s3:// or a folder."),
]
Connections = Annotated[
    int, typer.Option(min=1, max=32, metavar="N", help="Files fetched at the same time.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="List what is here and what would come; fetch nothing.")
]
Verify = Annotated[
    bool, typer.Option("--verify", help="Hash again what is here and was checked before.")
]
KeepArchives = Annotated[
    bool, typer.Option("--keep-archives", help="Keep archives that are unpacked.")
]


@app.command("gldv2")
def fetch_gldv2(
    to: To,
    split: Annotated[
        str, typer.Option(metavar="SPLIT", help=f"One of {', '.join(GLDV2_SPLITS)}.")
    ] = "train",
    shards: Annotated[
        str | None, typer.Option(metavar="LIST", help="Only these, such as 0-9,17.")
    ] = None,
    base_url: BaseUrl = None,
    connections: Connections = _DEFAULTS.connections,
    *,
    dry_run: DryRun = False,
    verify: Verify = False,
) -> None:
    """Google Landmarks v2: checksums, shards, lists and ground truth of one split."""
    console = Console()
    with _polite_failure(console):
        dataset = gldv2(split, None if shards is None else parse_shards(shards))
        settings = FetchSettings(connections=connections)
        _run(console, dataset, to, base_url, settings, dry_run=dry_run, verify=verify)


def _add_evaluation_set(name: str, help_text: str) -> None:
    @app.command(name, help=help_text)
    def fetch_evaluation_set(
        to: To,
        base_url: BaseUrl = None,
        connections: Connections = _DEFAULTS.connections,
        *,
        dry_run: DryRun = False,
        verify: Verify = False,
        keep_archives: KeepArchives = False,
    ) -> None:
        console = Console()
        with _polite_failure(console):
            _run(
                console,
                EVALUATION_SETS[name](),
                to,
                base_url,
                FetchSettings(connections=connections),
                dry_run=dry_run,
                verify=verify,
                keep_archives=keep_archives,
            )


_add_evaluation_set("roxford5k", "Revisited Oxford: images into DIR/jpg, and the ground truth.")
_add_evaluation_set("rparis6k", "Revisited Paris: images into DIR/jpg, and the ground truth.")
_add_evaluation_set("revisitop1m", "The million distractors: images into DIR/jpg, and their list.")


def _run(
    console: Console,
    dataset: Dataset,
    folder: Path,
    base_url: str | None,
    settings: FetchSettings,
    *,
    dry_run: bool,
    verify: bool,
    keep_archives: bool = False,
) -> None:
    if base_url is not None:
        dataset = at_mirror(dataset, base_url)
    if dry_run:
        plan = plan_fetch(dataset, folder, settings, verify=verify)
        _print_plan(console, dataset, plan, is_mirror=base_url is not None)
        return
    report = fetch_dataset(
        dataset, folder, console, settings, verify=verify, keep_archives=keep_archives
    )
    print_report(console, dataset.name, folder, report)
    if report.problems:
        raise typer.Exit(1)


def print_report(console: Console, name: str, folder: Path, report: FetchReport) -> None:
    """Say what a fetch came to: totals and notes on `console`, problems on standard error."""
    _print(
        console,
        f"{name}: {report.num_good} of {report.num_files} files are here and right, "
        f"{format_bytes(report.received_bytes)} came; written down in {folder / LEDGER_NAME}",
    )
    for note in report.notes:
        _print(console, f"note: {note}")
    for problem in report.problems:
        _print(Console(stderr=True), f"cleanmark: {problem}")
    if report.problems:
        _print(console, "Everything else is kept; the same command tries these again.")


def _print_plan(
    console: Console, dataset: Dataset, plan: Sequence[PlannedFile], *, is_mirror: bool
) -> None:
    for planned in plan:
        size = "size unknown"
        if planned.total_bytes is not None:
            size = ("" if planned.is_exact else "about ") + format_bytes(planned.total_bytes)
        here = f", {format_bytes(planned.here_bytes)} of it here" if planned.here_bytes else ""
        reason = f" ({planned.reason})" if planned.reason else ""
        _print(console, f"{planned.presence}: {planned.file.path}, {size}{here}{reason}")
    num_here = sum(planned.presence is Presence.VERIFIED for planned in plan)
    num_unknown = sum(
        planned.presence is Presence.ABSENT and planned.total_bytes is None for planned in plan
    )
    coming = sum(planned.missing_bytes for planned in plan)
    unknown = f" and {num_unknown} files of unknown size" if num_unknown else ""
    _print(
        console,
        f"{dataset.name}: {num_here} of {len(plan)} files are here; "
        f"{format_bytes(coming)}{unknown} would come, "
        f"{format_bytes(needed_bytes(plan))} of disk needed",
    )
    if not is_mirror:
        _print(console, f"note: {NOT_CHECKED}")


def _print(console: Console, line: str) -> None:
    console.print(line, highlight=False, markup=False, soft_wrap=True)


@contextmanager
def _polite_failure(console: Console) -> Iterator[None]:
    """Turn what a user can mend into one line, and Ctrl-C into a promise."""
    try:
        yield
    except (FetchError, OSError) as error:
        _print(Console(stderr=True), f"cleanmark: {error}")
        raise typer.Exit(2 if isinstance(error, CatalogueError) else 1) from error
    except KeyboardInterrupt as error:
        _print(console, "stopped; the same command goes on where this one stopped")
        raise typer.Exit(130) from error
