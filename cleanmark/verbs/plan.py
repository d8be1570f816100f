"""The verb `plan`: what a job will take, before it runs."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cleanmark.plan import print_plan
from cleanmark.verbs.arguments import Overrides
from cleanmark.verbs.failures import polite_failure
from pipelines.engines.buckets import mounted
from pipelines.planning.errors import PlanningError
from pipelines.planning.plan_file import read_rates, write_plan
from pipelines.planning.planner import make_plan
from pipelines.run_config import load_config

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def plan(
    config: Annotated[Path, typer.Argument(metavar="CONFIG.yaml", help="The job.")],
    probe: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="Share of the images to measure, such as 0.01."),
    ] = None,
    rates: Annotated[
        Path | None,
        typer.Option(metavar="PLAN.json", help="Rates of an earlier plan, in place of a probe."),
    ] = None,
    run: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Plan only what this run has not done.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="PLAN.json", help="Write the plan as JSON too.")
    ] = None,
    overrides: Overrides = None,
    *,
    no_probe: Annotated[
        bool, typer.Option("--no-probe", help="Read no photograph; lists and settings alone.")
    ] = False,
) -> None:
    """Say what a job will take: images, pairs, hours, disk and money, from a small probe."""
    console = Console()
    with polite_failure(console):
        if probe is not None and (no_probe or rates is not None):
            raise PlanningError("--probe: not together with --no-probe or --rates")
        share = [] if probe is None else [f"plan.probe.share={probe}"]
        settings = load_config(config, [*(overrides or ()), *share])
        made = make_plan(
            settings,
            probe=not no_probe,
            rates=None if rates is None else read_rates(rates),
            run_dir=None if run is None else mounted(str(run), settings.runner.mount_root),
        )
        print_plan(console, made)
        if out is not None:
            write_plan(out, made)
            console.print(f"plan: {out}", highlight=False, markup=False, soft_wrap=True)
