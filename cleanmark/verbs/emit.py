"""The verb `emit`: decisions become manifests."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cleanmark.policy import Policy, Removes
from cleanmark.verbs.arguments import RunDir
from cleanmark.verbs.failures import polite_failure
from cleanmark.verbs.outcome import print_outcome, stop_if_failed
from pipelines.decision_log import import_decisions
from pipelines.job import run_job
from pipelines.run_folder import locked, read_config
from pipelines.runners import prepare_engine

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def emit(
    run_dir: RunDir,
    decisions: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Decisions to add to the run, CSV or Parquet."),
    ] = None,
    policy: Annotated[
        Policy | None, typer.Option(help="How decisions become removals. As before.")
    ] = None,
    removes: Annotated[
        Removes | None,
        typer.Option(help="What goes: whole classes, or the images found in them. As before."),
    ] = None,
) -> None:
    """Apply the decisions made so far and write the manifests again."""
    console = Console()
    with polite_failure(console):
        settings = read_config(run_dir)
        prepare_engine(settings.runner)
        chosen = {"policy": policy, "removes": removes}
        update = {name: choice.value for name, choice in chosen.items() if choice is not None}
        emit_settings = settings.emit.model_copy(update=update)
        settings = settings.model_copy(update={"emit": emit_settings})
        if decisions is not None:
            with locked(run_dir):
                import_decisions(run_dir, decisions)
        stop_if_failed(console, run_job(settings, run_dir, console, only=("emit",)))
        print_outcome(console, settings, run_dir)
