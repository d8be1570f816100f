"""The verb `review`: people decide, in the browser."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cleanmark.review_verb import ReviewOptions, hold_review
from cleanmark.verbs.failures import polite_failure

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def review(
    folder: Annotated[
        Path, typer.Argument(metavar="RUN", help="Folder of a run, or of an audit's certificate.")
    ],
    *,
    host: Annotated[str, typer.Option(help="Address to serve on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8765,
    reviewers: Annotated[
        Path | None, typer.Option(metavar="FILE.yaml", help="Who reviews, and by which rule.")
    ] = None,
    database: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Default: SQLite in RUN/review. Or postgresql+psycopg://"),
    ] = None,
    invite: Annotated[
        str | None, typer.Option(metavar="NAME", help="Print a link to sign in with.")
    ] = None,
    lead: Annotated[
        bool, typer.Option("--lead", help="With --invite: may adjudicate and invite.")
    ] = False,
    revoke: Annotated[str | None, typer.Option(metavar="NAME", help="Lock somebody out.")] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Check that nobody touched the log.")
    ] = False,
    export_to: Annotated[
        Path | None,
        typer.Option("--export", metavar="FILE.parquet", help="Write decisions and log."),
    ] = None,
    import_from: Annotated[
        Path | None, typer.Option("--import", metavar="FILE.parquet", help="Merge another log.")
    ] = None,
) -> None:
    """Let people decide on the candidates of a run or an audit, in the browser."""
    console = Console()
    with polite_failure(console):
        options = ReviewOptions(
            host, port, reviewers, database, invite, lead, revoke, verify, export_to, import_from
        )
        if not hold_review(folder, options, console):
            raise typer.Exit(1)
