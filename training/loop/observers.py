"""What a training tells those who watch it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from manifests.strict_model import StrictModel


@dataclass(frozen=True)
class TrainingPlan:
    """What lies ahead.

    Attributes:
        num_images: of the training split.
        num_classes: of both splits.
        num_epochs: of the whole training.
        steps_per_epoch: steps of the optimiser.
        first_step: steps done already, in an earlier process.
        num_processes: that train together.
        device: where this one computes.
        is_certified: whether the split is certified not to overlap its evaluation sets.
    """

    num_images: int
    num_classes: int
    num_epochs: int
    steps_per_epoch: int
    first_step: int
    num_processes: int
    device: str
    is_certified: bool

    @property
    def num_steps(self) -> int:
        """Steps of the whole training."""
        return self.num_epochs * self.steps_per_epoch


@dataclass(frozen=True)
class StepReport:
    """The steps since the last report.

    Attributes:
        step: steps done since the very start.
        epoch: the current one, counted from 0.
        loss: mean over these steps and all processes.
        learning_rate: of the last of them.
        images_per_second: of all processes.
        wait_share: share of the time in which this process waited for images.
        num_broken: images skipped by this process since it started.
    """

    step: int
    epoch: int
    loss: float
    learning_rate: float
    images_per_second: float
    wait_share: float
    num_broken: int


class EpochResult(StrictModel):
    """One epoch; scores are None where nothing was validated."""

    epoch: int
    """Counted from 0."""
    step: int
    """Steps done since the very start."""
    loss: float
    """Mean over the steps of the epoch and all processes."""
    accuracy: float | None = None
    """Share of the held-out images whose nearest class is theirs, no margin involved."""
    mean_average_precision: float | None = None
    """Of retrieval among the held-out images."""


class Observer(Protocol):
    """Watches a training; only the main process has any."""

    def start(self, plan: TrainingPlan) -> None:
        """The training is about to start."""

    def see_images(self, step: int, images: Tensor) -> None:
        """The first batch of an epoch, uint8 (batch, 3, height, width)."""

    def advance(self, step: int) -> None:
        """So many steps are done."""

    def report(self, report: StepReport) -> None:
        """Some steps are done, and this is what they came to."""

    def end_epoch(self, result: EpochResult) -> None:
        """An epoch is over."""


class Observers:
    """Several observers as one."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = tuple(observers)

    def start(self, plan: TrainingPlan) -> None:
        """See `Observer`."""
        for observer in self._observers:
            observer.start(plan)

    def see_images(self, step: int, images: Tensor) -> None:
        """See `Observer`."""
        for observer in self._observers:
            observer.see_images(step, images)

    def advance(self, step: int) -> None:
        """See `Observer`."""
        for observer in self._observers:
            observer.advance(step)

    def report(self, report: StepReport) -> None:
        """See `Observer`."""
        for observer in self._observers:
            observer.report(report)

    def end_epoch(self, result: EpochResult) -> None:
        """See `Observer`."""
        for observer in self._observers:
            observer.end_epoch(result)
