"""The verb `demo`: the whole job on an embedded miniature data set."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cleanmark.demo import DemoFolder, make_data, script_decisions
from cleanmark.tables import print_next
from cleanmark.verbs.failures import polite_failure
from cleanmark.verbs.outcome import print_outcome, stop_if_failed
from pipelines.decision_log import import_decisions
from pipelines.fork_server import fork_server_from_here
from pipelines.job import run_job
from pipelines.run_config import load_config
from pipelines.run_folder import locked

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for data and run.")] = Path(
        "demo"
    ),
) -> None:
    """Render a small world of landmarks, run the whole job on it and score it."""
    fork_server_from_here()
    console = Console()
    folder = DemoFolder(out)
    with polite_failure(console):
        console.rule("1. a small world, with mistakes planted in it")
        make_data(folder, console)
        console.rule("2. the job: find the mistakes, propose overlaps with the evaluation set")
        settings = load_config(folder.config)
        stop_if_failed(console, run_job(settings, folder.run, console))
        console.rule("3. people decide: a scripted reviewer answers for them here")
        num_decided = script_decisions(folder)
        with locked(folder.run):
            import_decisions(folder.run, folder.decisions)
        console.print(f"{num_decided} candidates decided, in {folder.decisions}", highlight=False)
        stop_if_failed(console, run_job(settings, folder.run, console, only=("emit",)))
        console.rule("4. what came out")
        print_outcome(console, settings, folder.run)
        print_next(
            console,
            "What to do next:",
            [
                (f"cleanmark report {folder.run}", "one HTML page with the pictures"),
                (f"cleanmark review {folder.run}", "decide yourself, in the browser"),
                (f"cleanmark status {folder.run}", "what is done, and why images were removed"),
                (
                    "cleanmark run configs/photos_mini.yaml --set source.root=DIR",
                    "the same job on photographs of your own in GLDv2's layout",
                ),
            ],
        )
