"""One process of a training that a test starts: recipe and folder in, losses out, as JSON.

`python -m ddp_child RECIPE.yaml OUT`, with the variables that torchrun sets, or without.
"""

import json
import sys
from pathlib import Path

import torch

from training.loop.distributed import joined_world
from training.loop.observers import EpochResult, StepReport, TrainingPlan
from training.loop.trainer import train
from training.recipe_file import load_recipe


class LossRecorder:
    """Keeps what changes with every step."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.scores: list[dict] = []

    def start(self, plan: TrainingPlan) -> None:
        pass

    def see_images(self, step: int, images: torch.Tensor) -> None:
        pass

    def advance(self, step: int) -> None:
        pass

    def report(self, report: StepReport) -> None:
        self.losses.append(report.loss)

    def end_epoch(self, result: EpochResult) -> None:
        self.scores.append(result.model_dump())


def main() -> None:
    recipe, out = load_recipe(Path(sys.argv[1])), Path(sys.argv[2])
    torch.set_num_threads(1)
    recorder = LossRecorder()
    with joined_world(recipe.device) as world:
        train(recipe, out, world, [recorder] if world.is_main else [])
        if world.is_main:
            content = {"losses": recorder.losses, "scores": recorder.scores}
            (out / "losses.json").write_text(json.dumps(content))


if __name__ == "__main__":
    main()
