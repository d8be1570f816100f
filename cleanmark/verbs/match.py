"""The verb `match`: verify two photographs."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cleanmark.match import MatchSettings, match_files
from cleanmark.match_run import match_in_run
from cleanmark.verbs.failures import polite_failure

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def match(
    a: Annotated[
        str,
        typer.Argument(
            metavar="A", help="An image file; with --run an image id, or EVALUATION_SET/QUERY_ID."
        ),
    ],
    b: Annotated[str, typer.Argument(metavar="B", help="Likewise.")],
    run_dir: Annotated[
        Path | None,
        typer.Option("--run", metavar="RUN", help="A and B are images of the run in this folder."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="MATCH.png", help="Draw inliers, outliers and frames in this file."),
    ] = None,
) -> None:
    """Verify two photographs: inliers, model, verdict, reason, picture."""
    console = Console()
    with polite_failure(console):
        if run_dir is None:
            result = match_files(Path(a), Path(b), MatchSettings(), picture=out)
        else:
            result = match_in_run(run_dir, a, b, picture=out)
        console.print(str(result), highlight=False, markup=False, soft_wrap=True)
        if out is not None:
            console.print(f"picture: {out}", highlight=False, soft_wrap=True)
