"""A training built from its recipe."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from networks.retrieval_network import RetrievalNetwork
from training.learning_rate import make_scheduler
from training.loop.distributed import World
from training.loop.model import TrainedModel, prepare_model
from training.loop.optimisation import build_optimiser, build_scaler
from training.loop.step import Stepper
from training.loop.training_state import TrainingState
from training.losses import make_objective
from training.recipe import Recipe
from training.weight_average import make_weight_average

_CUBLAS_VARIABLE: Final = "CUBLAS_WORKSPACE_CONFIG"


def build_state(
    recipe: Recipe, num_classes: int, steps_per_epoch: int, world: World
) -> TrainingState:
    """Build a training at its start; every process gets the same weights.

    Args:
        recipe: of the training.
        num_classes: of the manifest.
        steps_per_epoch: steps of the optimiser.
        world: the processes.

    Raises:
        ValueError: settings contradict each other, or the weights are those of another backbone.
        OSError: the weights cannot be read.
    """
    torch.manual_seed(recipe.seed)
    network = RetrievalNetwork(recipe.network_settings)
    if recipe.weights is not None:
        network.load_backbone(recipe.weights)
    if recipe.freeze_backbone:
        network.freeze_backbone()
    objective = make_objective(recipe.loss, num_classes, network.dimensions)
    model = TrainedModel(network, objective, recipe.batch_norm)
    prepare_model(model, recipe.batch_norm, world.device)
    model.train()
    # From here on, what is random in the layers differs from process to process.
    torch.manual_seed(recipe.seed + world.rank)
    average = None
    if recipe.weight_average is not None:
        average = make_weight_average(model.network, recipe.weight_average)
    stepper = _build_stepper(model, recipe, steps_per_epoch, world)
    loss_sum = torch.zeros((), dtype=torch.float64, device=world.device)
    return TrainingState(model, stepper, average, loss_sum=loss_sum)


def connect(model: TrainedModel, world: World) -> nn.Module:
    """Let the processes exchange gradients, from the weights of the first one on."""
    if world.size == 1:
        return model
    devices = [world.device] if world.device.type == "cuda" else None
    return DistributedDataParallel(model, device_ids=devices)


@contextmanager
def chosen_algorithms(*, deterministic: bool) -> Iterator[None]:
    """Within the context, use only algorithms that repeat bit for bit, or the fastest ones."""
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    if deterministic:
        # Read by cuBLAS when it starts; without it torch refuses matrix products.
        os.environ.setdefault(_CUBLAS_VARIABLE, ":4096:8")
        torch.use_deterministic_algorithms(mode=True)
    # There are five sizes of images, so that trying out algorithms for each pays.
    torch.backends.cudnn.benchmark = not deterministic
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.backends.cudnn.benchmark = before[1]


def _build_stepper(
    model: TrainedModel, recipe: Recipe, steps_per_epoch: int, world: World
) -> Stepper:
    optimiser = build_optimiser(model, recipe.optimiser, recipe.learning_rate.peak)
    schedule = make_scheduler(
        optimiser,
        recipe.learning_rate,
        steps_per_epoch=steps_per_epoch,
        num_epochs=recipe.epochs,
    )
    return Stepper(
        model=model,
        optimiser=optimiser,
        schedule=schedule,
        scaler=build_scaler(recipe.precision, world.device),
        precision=recipe.precision,
        num_parts=recipe.gradient_accumulation,
        clip_norm=recipe.optimiser.clip_norm,
    )
