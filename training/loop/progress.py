"""A line on the terminal that lives, or a line now and then where there is no terminal."""

import time
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from torch import Tensor

from training.loop.observers import EpochResult, StepReport, TrainingPlan

_PLAIN_LINE_SECONDS: Final = 10.0


class ProgressLine:
    """Shows epoch, loss, speed and time left; implements `training.loop.observers.Observer`."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[numbers]}"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task: TaskID | None = None
        self._num_epochs = 0
        self._plain_at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def start(self, plan: TrainingPlan) -> None:
        """Say what lies ahead."""
        begun = f", going on after step {plan.first_step:,}" if plan.first_step else ""
        processes = f"{plan.num_processes} processes" if plan.num_processes > 1 else "one process"
        self._print(
            f"{plan.num_images:,} images of {plan.num_classes:,} classes, {plan.num_epochs} epochs "
            f"of {plan.steps_per_epoch:,} steps, {processes} on {plan.device}{begun}"
        )
        if not plan.is_certified:
            self._print("note: no certificate says that this split overlaps no evaluation set")
        self._num_epochs = plan.num_epochs
        self._task = self._progress.add_task(
            "", total=plan.num_steps, completed=plan.first_step, epoch="", numbers=""
        )
        self._progress.start()

    def see_images(self, step: int, images: Tensor) -> None:
        """A terminal shows no images."""

    def advance(self, step: int) -> None:
        """Move the bar."""
        if self._task is not None:
            self._progress.update(self._task, completed=step)

    def report(self, report: StepReport) -> None:
        """Show the latest numbers."""
        epoch = f"{report.epoch + 1}/{self._num_epochs}"
        numbers = (
            f"loss {report.loss:.3f}  rate {report.learning_rate:.1e}  "
            f"{report.images_per_second:.1f} images/s  waiting {100 * report.wait_share:.0f} %"
        )
        if report.num_broken:
            numbers += f"  {report.num_broken} broken"
        if self._task is not None:
            self._progress.update(self._task, epoch=epoch, numbers=numbers)
        now = time.monotonic()
        if not self._console.is_terminal and now - self._plain_at >= _PLAIN_LINE_SECONDS:
            self._print(f"epoch {epoch}, step {report.step:,}: {numbers}")
            self._plain_at = now

    def end_epoch(self, result: EpochResult) -> None:
        """Print a line that stays."""
        parts = [f"epoch {result.epoch + 1}: loss {result.loss:.3f}"]
        if result.accuracy is not None:
            parts.append(f"accuracy {100 * result.accuracy:.1f} %")
        if result.mean_average_precision is not None:
            parts.append(f"mAP {100 * result.mean_average_precision:.1f} %")
        self._print(", ".join(parts))

    def _print(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)
