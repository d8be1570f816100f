"""The verb `reconcile`: how two lists of images differ."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cleanmark.reconcile import reconcile as reconcile_lists
from cleanmark.verbs.failures import polite_failure

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def reconcile(
    list_a: Annotated[Path, typer.Argument(metavar="A", help="A run, manifests, or a list.")],
    list_b: Annotated[Path, typer.Argument(metavar="B", help="Another.")],
    *,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.parquet", help="Write every difference here.")
    ] = None,
    paper: Annotated[
        bool, typer.Option("--paper", help="Print where the RGLDv2-clean paper contradicts itself.")
    ] = False,
) -> None:
    """Show every image that differs between two lists, with its cause."""
    console = Console()
    with polite_failure(console):
        reconcile_lists(list_a, list_b, console, out, show_contradictions=paper)
