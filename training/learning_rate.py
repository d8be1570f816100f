"""How fast each weight learns, and when."""

import math
from functools import partial
from typing import Any

from pydantic import Field
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from manifests.strict_model import StrictModel
from networks.pooling import GeM

_NORMALISATIONS = (
    nn.modules.batchnorm._NormBase,  # noqa: SLF001  (the only base that all of them share)
    nn.LayerNorm,
    nn.GroupNorm,
)


class LearningRateSettings(StrictModel):
    """Linear warm-up, then half a cosine (Loshchilov and Hutter 2017), step by step."""

    peak: float = Field(1e-3, gt=0)
    """The rate after the warm-up (Song et al. 2024, appendix A)."""
    warmup_epochs: float = Field(3.0, ge=0)
    """Epochs until the peak."""
    final_factor: float = Field(0.0, ge=0, le=1)
    """Share of the peak that is left at the end."""


class ParameterGroupSettings(StrictModel):
    """What is trained differently from the rest."""

    weight_decay: float = Field(1e-5, ge=0)
    """Song et al. 2024, appendix A."""
    gem_factor: float = Field(10.0, gt=0)
    """Factor of the learning rate of GeM's exponent, which is never decayed: decay would pull the
    pooling towards a plain mean (Radenović et al. 2019)."""
    decay_norms_and_biases: bool = True
    """Whether weight decay applies to biases and to the weights of normalisation layers."""


def compute_factor(
    step: int,
    *,
    steps_per_epoch: int,
    num_epochs: float,
    warmup_epochs: float = 3.0,
    final_factor: float = 0.0,
) -> float:
    """Share of the peak learning rate in a step.

    Args:
        step: optimiser steps taken before this one.
        steps_per_epoch: optimiser steps of an epoch.
        num_epochs: epochs of the whole training, warm-up included.
        warmup_epochs: epochs until the peak.
        final_factor: share that is left at the end, and after it.

    Returns:
        0 to 1.
    """
    num_warmup = warmup_epochs * steps_per_epoch
    if step < num_warmup:
        return min(1.0, (step + 1) / num_warmup)
    num_cosine = num_epochs * steps_per_epoch - num_warmup
    progress = min(1.0, (step - num_warmup) / num_cosine) if num_cosine > 0 else 1.0
    return final_factor + (1 - final_factor) * 0.5 * (1 + math.cos(math.pi * progress))


def make_scheduler(
    optimiser: Optimizer, settings: LearningRateSettings, *, steps_per_epoch: int, num_epochs: float
) -> LambdaLR:
    """Schedule every parameter group from its own peak; call `step` after each optimiser step.

    The state holds the position only. Whoever resumes with another number of epochs gets the
    schedule of that number.

    Raises:
        ValueError: there are no steps, or nothing is left of the epochs after the warm-up.
    """
    if steps_per_epoch < 1:
        raise ValueError(
            "an epoch without optimiser steps: lower the batch size or the number of accumulated "
            "batches below the number of training images"
        )
    if settings.warmup_epochs >= num_epochs:
        raise ValueError(
            f"a warm-up of {settings.warmup_epochs} of {num_epochs} epochs leaves nothing to train "
            "at the full rate: lower warmup_epochs"
        )
    factor = partial(
        compute_factor,
        steps_per_epoch=steps_per_epoch,
        num_epochs=num_epochs,
        warmup_epochs=settings.warmup_epochs,
        final_factor=settings.final_factor,
    )
    return LambdaLR(optimiser, factor)


def group_parameters(
    module: nn.Module, peak: float, settings: ParameterGroupSettings | None = None
) -> list[dict[str, Any]]:
    """Sort the trainable parameters of a module into groups for an optimiser.

    Args:
        module: network, loss, or a `ModuleList` of both.
        peak: learning rate of the plain group.
        settings: see there.

    Returns:
        Groups with `name`, `params`, `lr` and `weight_decay`: `weights`, then, if there are any,
        `norms_and_biases` and `gem`. Every trainable parameter is in exactly one.

    Raises:
        ValueError: nothing is trainable.
    """
    settings = settings or ParameterGroupSettings()
    groups: dict[str, dict[str, Any]] = {
        "weights": {"lr": peak, "weight_decay": settings.weight_decay},
        "norms_and_biases": {"lr": peak, "weight_decay": 0.0},
        "gem": {"lr": peak * settings.gem_factor, "weight_decay": 0.0},
    }
    for name, parameter in _find_trainable(module, settings):
        groups[name].setdefault("params", []).append(parameter)
    chosen = [{"name": name, **group} for name, group in groups.items() if "params" in group]
    if not chosen:
        raise ValueError("no parameter is trainable: unfreeze the backbone or add a head")
    return chosen


def _find_trainable(
    module: nn.Module, settings: ParameterGroupSettings
) -> list[tuple[str, nn.Parameter]]:
    """Name of the group and parameter; one that two layers share comes once."""
    seen: set[int] = set()
    found = []
    for layer in module.modules():
        for name, parameter in layer.named_parameters(recurse=False):
            if parameter.requires_grad and id(parameter) not in seen:
                seen.add(id(parameter))
                found.append((_choose_group(layer, name, settings), parameter))
    return found


def _choose_group(layer: nn.Module, name: str, settings: ParameterGroupSettings) -> str:
    if isinstance(layer, GeM):
        return "gem"
    is_plain = name != "bias" and not isinstance(layer, _NORMALISATIONS)
    return "weights" if is_plain or settings.decay_norms_and_biases else "norms_and_biases"
