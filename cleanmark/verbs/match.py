"""The verb `match`: verify two photographs."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cleanmark.match import MatchSettings, match_files
from cleanmark.verbs.failures import polite_failure

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def match(
    path_a: Annotated[Path, typer.Argument(metavar="A.jpg")],
    path_b: Annotated[Path, typer.Argument(metavar="B.jpg")],
    out: Annotated[
        Path | None, typer.Option(metavar="MATCH.png", help="Draw the inliers into this file.")
    ] = None,
) -> None:
    """Verify two image files: inliers, model, verdict, reason, picture."""
    console = Console()
    with polite_failure(console):
        result = match_files(path_a, path_b, MatchSettings(), picture=out)
        console.print(str(result), highlight=False, markup=False, soft_wrap=True)
        if out is not None:
            console.print(f"picture: {out}", highlight=False, soft_wrap=True)
