"""The verb `train`: a retrieval network from a published split."""

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cleanmark.tables import print_next
from cleanmark.verbs.arguments import Overrides
from cleanmark.verbs.failures import polite_failure
from training.loop.distributed import World, joined_world
from training.loop.observers import Observer
from training.loop.progress import ProgressLine
from training.loop.tensorboard import TensorBoardWriter
from training.loop.trainer import TrainingResult
from training.loop.trainer import train as run_training
from training.loop.training_state import NETWORK_NAME
from training.recipe import Recipe
from training.recipe_file import load_recipe

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def train(
    config: Annotated[Path, typer.Argument(metavar="CONFIG.yaml", help="The recipe.")],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Folder of the training. Default: trained/NAME-OF-CONFIG."
        ),
    ] = None,
    overrides: Overrides = None,
) -> None:
    """Train a network, or go on with a training that was stopped. Works under `torchrun`."""
    console = Console()
    with polite_failure(console):
        recipe = load_recipe(config, overrides or ())
        folder = out or Path("trained") / config.stem
        with joined_world(recipe.device) as world:
            result = _run(recipe, folder, world, console)
        if world.is_main:
            _say_how_it_ended(console, result, folder)
    if not result.is_finished:
        raise typer.Exit(130)


def _run(recipe: Recipe, folder: Path, world: World, console: Console) -> TrainingResult:
    """Train, and show it in the main process."""
    with ExitStack() as stack:
        observers: list[Observer] = []
        if world.is_main:
            observers = [
                stack.enter_context(ProgressLine(console)),
                stack.enter_context(TensorBoardWriter(folder / "curves")),
            ]
        return run_training(recipe, folder, world, observers)


def _say_how_it_ended(console: Console, result: TrainingResult, folder: Path) -> None:
    if not result.is_finished:
        console.print(
            f"stopped after step {result.step:,}, all of it written; the same command goes on "
            f"from there: {' '.join(sys.argv)}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
        return
    network = folder / NETWORK_NAME
    print_next(
        console,
        f"Trained: {network}",
        [
            (
                f"cleanmark evaluate --checkpoint {network} --set SET.yaml --out DIR",
                "on benchmarks",
            ),
            (f"tensorboard --logdir {folder / 'curves'}", "loss, scores, speed, images"),
        ],
    )
