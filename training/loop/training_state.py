"""All that changes while a training runs, and how it goes to a file and back."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from manifests.input_error import InputError
from networks.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from networks.retrieval_network import RetrievalNetwork
from training.loop.distributed import World
from training.loop.model import TrainedModel
from training.loop.observers import EpochResult
from training.loop.step import Stepper
from training.recipe import Recipe
from training.recipe_file import dump_fixed, find_changes

LAST_NAME: Final = "last.pt"
"""The state of the training: whoever starts again goes on from here."""
NETWORK_NAME: Final = "network.pt"
"""The network alone, after the last full epoch: for evaluation and embedding."""


@dataclass(eq=False)
class TrainingState:
    """A training between two steps.

    Attributes:
        model: network and loss.
        stepper: with the optimiser, its schedule and the scaler of gradients.
        average: running mean of the network, or None.
        epoch: the current one, counted from 0.
        step_in_epoch: steps done of it.
        loss_sum: of these steps, float64 scalar on the device.
        history: the epochs that are over.
    """

    model: TrainedModel
    stepper: Stepper
    average: AveragedModel | None
    epoch: int = 0
    step_in_epoch: int = 0
    loss_sum: Tensor = field(default_factory=lambda: torch.zeros((), dtype=torch.float64))
    history: list[EpochResult] = field(default_factory=list)

    @property
    def published_network(self) -> RetrievalNetwork:
        """The network to validate and to publish: the running mean if there is one."""
        network = self.model.network if self.average is None else self.average.module
        if not isinstance(network, RetrievalNetwork):
            raise TypeError(f"{type(network).__name__} is no retrieval network")
        return network


def save_state(
    path: Path, state: TrainingState, recipe: Recipe, manifest_digest: str, world: World
) -> None:
    """Write everything that decides how the training goes on; all processes take part.

    The file is a checkpoint like any other, whose network is the published one.
    """
    generators = world.gather(_read_generators(world))
    if not world.is_main:
        return
    optional: dict[str, Any] = {}
    if state.average is not None:
        optional = {
            "network": state.model.network.state_dict(),
            "average": state.average.state_dict(),
        }
    training = {
        "recipe": dump_fixed(recipe),
        "manifest": manifest_digest,
        "epoch": state.epoch,
        "step_in_epoch": state.step_in_epoch,
        "loss_sum": state.loss_sum.cpu(),
        "history": [result.model_dump() for result in state.history],
        "objective": state.model.objective.state_dict(),
        "optimiser": state.stepper.optimiser.state_dict(),
        "schedule": state.stepper.schedule.state_dict(),
        "scaler": state.stepper.scaler.state_dict(),
        "generators": generators,
        **optional,
    }
    network = state.published_network
    save_checkpoint(path, Checkpoint(network.settings, network.state_dict(), training=training))


def load_state(
    path: Path, state: TrainingState, recipe: Recipe, manifest_digest: str, world: World
) -> None:
    """Put a written state into a training that was built from the same recipe.

    Raises:
        InputError: the state belongs to another recipe or manifest.
    """
    checkpoint = load_checkpoint(path)
    training = checkpoint.training
    _check_same(path, training, recipe, manifest_digest)
    state.model.network.load_state_dict(training.get("network", dict(checkpoint.state)))
    if state.average is not None:
        state.average.load_state_dict(training["average"])
    state.model.objective.load_state_dict(training["objective"])
    state.stepper.optimiser.load_state_dict(training["optimiser"])
    state.stepper.schedule.load_state_dict(training["schedule"])
    state.stepper.scaler.load_state_dict(training["scaler"])
    state.epoch, state.step_in_epoch = training["epoch"], training["step_in_epoch"]
    state.loss_sum = training["loss_sum"].to(world.device)
    state.history = [EpochResult.model_validate(result) for result in training["history"]]
    _write_generators(training["generators"], world)


def save_network(path: Path, state: TrainingState) -> None:
    """Write the published network alone."""
    network = state.published_network
    save_checkpoint(path, Checkpoint(network.settings, network.state_dict()))


def _check_same(path: Path, training: Any, recipe: Recipe, manifest_digest: str) -> None:  # noqa: ANN401
    if "recipe" not in training:
        raise InputError(
            f"{path}: holds a network and no state of a training; choose another --out"
        )
    changes = find_changes(training["recipe"], recipe)
    if changes:
        raise InputError(
            f"{path}: begun with other settings of {', '.join(changes)}; give those again to go "
            "on, or another --out to begin anew"
        )
    if training["manifest"] != manifest_digest:
        raise InputError(
            f"{path}: begun on another manifest; give that one again to go on, or another --out "
            "to begin anew"
        )


def _read_generators(world: World) -> list[Tensor]:
    """State of the random number generators of this process: of the host, and of its GPU."""
    states = [torch.get_rng_state()]
    if world.device.type == "cuda":
        states.append(torch.cuda.get_rng_state(world.device))
    return states


def _write_generators(generators: list[list[Tensor]], world: World) -> None:
    """Take up the generators where they were, if there are as many processes as then.

    With another number of processes each image meets another generator anyhow; the training goes
    on, though not with the same bits.
    """
    if len(generators) != world.size:
        return
    own = generators[world.rank]
    torch.set_rng_state(own[0])
    if world.device.type == "cuda" and len(own) > 1:
        torch.cuda.set_rng_state(own[1], world.device)
