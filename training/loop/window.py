"""What the steps since the last report came to."""

import math
import time

import torch
from torch import Tensor

from training.loop.distributed import World
from training.loop.loading import TrainingLoader
from training.loop.observers import StepReport


class Window:
    """Steps between two reports; adding one never waits for the device."""

    def __init__(self, loader: TrainingLoader, world: World) -> None:
        self._loader, self._world = loader, world
        self._loss: Tensor = torch.zeros(())
        self._num_steps = self._num_images = 0
        self._started = self._waited = 0.0
        self._restart()

    def add(self, loss: Tensor, num_images: int) -> None:
        """Take in a step: its loss, a scalar on any device, and its images in this process."""
        self._loss = self._loss + loss
        self._num_steps += 1
        self._num_images += num_images

    def close(self, step: int, epoch: int, learning_rate: float) -> StepReport:
        """Report the steps and begin anew; all processes take part.

        Raises:
            FloatingPointError: the loss is no number any more.
        """
        loss = self._world.mean(float(self._loss) / self._num_steps)
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"the loss is {loss} at step {step}: lower learning_rate.peak, set "
                "optimiser.clip_norm, or use precision bfloat16 instead of float16"
            )
        seconds = time.perf_counter() - self._started
        report = StepReport(
            step=step,
            epoch=epoch,
            loss=loss,
            learning_rate=learning_rate,
            images_per_second=self._num_images * self._world.size / seconds,
            wait_share=(self._loader.wait_seconds - self._waited) / seconds,
            num_broken=self._loader.num_broken,
        )
        self._restart()
        return report

    def _restart(self) -> None:
        self._loss = torch.zeros(())
        self._num_steps = self._num_images = 0
        self._started, self._waited = time.perf_counter(), self._loader.wait_seconds
