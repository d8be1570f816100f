"""One step of the optimiser: forward and backward in parts, mixed precision, clipping."""

import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.lr_scheduler import LRScheduler

from networks.inference_settings import Precision
from training.manifest_dataset import Batch


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """A context in which the convolutions have a precision."""
    dtype = getattr(torch, precision)
    return torch.autocast(device.type, dtype, enabled=dtype is not torch.float32)


@dataclass(frozen=True, eq=False)
class Stepper:
    """What a step needs besides a batch.

    Attributes:
        model: images and labels to a loss; perhaps a `DistributedDataParallel`.
        optimiser: of what is trained.
        schedule: of its learning rates.
        scaler: keeps gradients of half precision above zero; does nothing in other precisions.
        precision: of the convolutions.
        num_parts: parts of a batch that are computed one after the other.
        clip_norm: longest gradient, or None.
    """

    model: nn.Module
    optimiser: torch.optim.Optimizer
    schedule: LRScheduler
    scaler: torch.amp.GradScaler
    precision: Precision = "float32"
    num_parts: int = 1
    clip_norm: float | None = None

    def take(self, batch: Batch) -> Tensor:
        """Take one step.

        Args:
            batch: on the device of the model.

        Returns:
            Mean loss of the batch before the step, float32 scalar on the device; this process
            alone.
        """
        self.optimiser.zero_grad(set_to_none=True)
        loss = torch.zeros((), device=batch.images.device)
        for part, weight, is_last in self._split(batch):
            with self._exchange(is_last=is_last):
                with autocast(batch.images.device, self.precision):
                    part_loss = self.model(part.images, part.labels) * weight
                self.scaler.scale(part_loss).backward()
            loss += part_loss.detach()
        self._update()
        return loss

    def _split(self, batch: Batch) -> Iterator[tuple[Batch, float, bool]]:
        """Parts with their share of the mean, and whether it is the last one."""
        images = batch.images.chunk(self.num_parts)
        labels = batch.labels.chunk(self.num_parts)
        for number, (some, theirs) in enumerate(zip(images, labels, strict=True), start=1):
            yield Batch(some, theirs), len(theirs) / len(batch), number == len(images)

    def _exchange(self, *, is_last: bool) -> AbstractContextManager[object]:
        """Let the processes exchange gradients once a step, when they are complete."""
        if is_last or not isinstance(self.model, DistributedDataParallel):
            return nullcontext()
        context: AbstractContextManager[object] = self.model.no_sync()
        return context

    def _update(self) -> None:
        if self.clip_norm is not None:
            self.scaler.unscale_(self.optimiser)
            weights = [w for group in self.optimiser.param_groups for w in group["params"]]
            nn.utils.clip_grad_norm_(weights, self.clip_norm)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        with warnings.catch_warnings():
            # The scaler leaves out steps with infinite gradients, the very first as a rule; to
            # the schedule that looks like a mistake of ours.
            warnings.filterwarnings("ignore", message="Detected call of", category=UserWarning)
            self.schedule.step()
