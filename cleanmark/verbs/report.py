"""The verb `report`: a run as one HTML page."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cleanmark.reporting.page import write_report
from cleanmark.verbs.arguments import RunDir
from cleanmark.verbs.failures import polite_failure

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def report(
    run_dir: RunDir,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Default: RUN/report.html.")
    ] = None,
) -> None:
    """Write one self-contained HTML page about a run, with its pictures and plots."""
    console = Console()
    with polite_failure(console):
        path = write_report(run_dir, out)
        console.print(f"{path} ({path.stat().st_size / 1e6:.1f} MB)", highlight=False)
