"""Curves and images for TensorBoard: `tensorboard --logdir OUT`."""

from pathlib import Path
from types import TracebackType
from typing import Final, Self

from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from training.loop.observers import EpochResult, StepReport, TrainingPlan

_NUM_IMAGES: Final = 8


class TensorBoardWriter:
    """Writes event files; implements `training.loop.observers.Observer`.

    Args:
        folder: for the event files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer: SummaryWriter | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._writer is not None:
            self._writer.close()

    def start(self, plan: TrainingPlan) -> None:
        """Open a file; what an earlier process wrote behind its last checkpoint is not shown."""
        purge_step = plan.first_step or None
        self._writer = SummaryWriter(str(self._folder), purge_step=purge_step)

    def see_images(self, step: int, images: Tensor) -> None:
        """Write some images as the network sees them, augmented."""
        if self._writer is not None:
            self._writer.add_images("train/images", images[:_NUM_IMAGES].cpu(), step)

    def advance(self, step: int) -> None:
        """Single steps are not written."""

    def report(self, report: StepReport) -> None:
        """Write a point of each curve."""
        self._add("train/loss", report.loss, report.step)
        self._add("train/learning_rate", report.learning_rate, report.step)
        self._add("speed/images_per_second", report.images_per_second, report.step)
        self._add("speed/share_waiting_for_images", report.wait_share, report.step)
        self._add("train/broken_images", report.num_broken, report.step)

    def end_epoch(self, result: EpochResult) -> None:
        """Write the scores of an epoch."""
        self._add("train/epoch_loss", result.loss, result.step)
        self._add("val/accuracy", result.accuracy, result.step)
        self._add("val/mean_average_precision", result.mean_average_precision, result.step)

    def _add(self, name: str, value: float | None, step: int) -> None:
        if self._writer is not None and value is not None:
            self._writer.add_scalar(name, value, step)
