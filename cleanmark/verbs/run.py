"""The verb `run`: the job, from its start or from where it stopped."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cleanmark.verbs.arguments import Overrides
from cleanmark.verbs.failures import polite_failure
from cleanmark.verbs.outcome import print_outcome, stop_if_failed
from pipelines.engines.beam_options import check_beam_args
from pipelines.engines.buckets import mounted
from pipelines.job import STAGE_NAMES, is_finished, run_job
from pipelines.run_config import check_paths, load_config
from pipelines.runners import prepare_engine

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

_STAGES = ", ".join(STAGE_NAMES)


@app.command(context_settings={"allow_extra_args": True})
def run(
    ctx: typer.Context,
    config: Annotated[Path, typer.Argument(metavar="CONFIG.yaml", help="The job.")],
    out: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Run folder. Default: runs/NAME-OF-CONFIG.")
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="STAGE", help=f"Only this stage of {_STAGES}; may be repeated."),
    ] = None,
    overrides: Overrides = None,
) -> None:
    """Run a job, or go on with one that was stopped. Options for Beam follow after `--`."""
    console = Console()
    with polite_failure(console):
        settings = load_config(config, overrides or ())
        check_paths(settings)
        check_beam_args(ctx.args)
        prepare_engine(settings.runner)
        run_dir = mounted(str(out or Path("runs") / config.stem), settings.runner.mount_root)
        results = run_job(settings, run_dir, console, only=only or (), beam_args=ctx.args)
        stop_if_failed(console, results)
        if is_finished(settings, run_dir):
            print_outcome(console, settings, run_dir)
