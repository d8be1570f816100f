"""The optimiser of a recipe."""

import torch

from networks.inference_settings import Precision
from training.learning_rate import group_parameters
from training.loop.model import TrainedModel
from training.recipe import OptimiserSettings


def build_optimiser(
    model: TrainedModel, settings: OptimiserSettings, peak: float
) -> torch.optim.Optimizer:
    """Build the optimiser of what is not frozen.

    Args:
        model: network and loss.
        settings: kind and groups.
        peak: learning rate after the warm-up.

    Raises:
        ValueError: everything is frozen.
    """
    groups = group_parameters(model, peak, settings.parameters)
    if settings.kind == "adamw":
        return torch.optim.AdamW(groups, lr=peak)
    return torch.optim.SGD(groups, lr=peak, momentum=settings.momentum)


def build_scaler(precision: Precision, device: torch.device) -> torch.amp.GradScaler:
    """Build the scaler of gradients, which only float16 needs."""
    return torch.amp.GradScaler(device.type, enabled=precision == "float16")
