"""Checkpoints: what a network is, its weights, its whitening, and the state of its training."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field, TypeAdapter
from torch import Tensor

from manifests.atomic import replacing
from networks.delf import DelfNetwork, DelfSettings
from networks.registry import build_network
from networks.retrieval_network import NetworkSettings, RetrievalNetwork
from networks.weights import WeightsError, read_weights_file
from networks.whitening import Whitening

FORMAT = "cleanmark.checkpoint/1"

AnyNetworkSettings = Annotated[NetworkSettings | DelfSettings, Field(discriminator="kind")]
_ADAPTER: TypeAdapter[NetworkSettings | DelfSettings] = TypeAdapter(AnyNetworkSettings)


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A network at rest.

    Attributes:
        network: what it is made of.
        state: its weights and statistics by name.
        whitening: learned for its descriptors; of a DELF network the PCA. None: none learned.
        training: what the trainer needs to go on: numbers, texts, tensors, lists and dicts of them.
    """

    network: NetworkSettings | DelfSettings
    state: Mapping[str, Tensor]
    whitening: Whitening | None = None
    training: Mapping[str, Any] = field(default_factory=dict)

    def build(self) -> RetrievalNetwork | DelfNetwork:
        """Build the network and load its weights; it is in evaluation mode.

        Raises:
            WeightsError: the weights do not fit the network.
        """
        network = build_network(self.network)
        try:
            network.load_state_dict(dict(self.state))
        except RuntimeError as error:
            raise WeightsError(f"checkpoint of another network: {error}") from error
        network.eval()
        return network


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, whole or not at all; equal contents give equal bytes."""
    whitening = checkpoint.whitening
    stored = {
        "format": FORMAT,
        "network": checkpoint.network.model_dump(mode="json"),
        "state": {name: value.detach().cpu() for name, value in checkpoint.state.items()},
        "whitening": None
        if whitening is None
        else {
            "mean": torch.from_numpy(whitening.mean),
            "projection": torch.from_numpy(whitening.projection),
        },
        "training": dict(checkpoint.training),
    }
    # Through a stream: given a path, torch writes the name of the temporary file into the archive.
    with replacing(path) as temporary, temporary.open("wb") as stream:
        torch.save(stored, stream)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint onto the CPU, without running any code that the file may contain.

    Raises:
        FileNotFoundError: there is no such file.
        WeightsError: the file is damaged or no checkpoint of this format.
    """
    stored = read_weights_file(path)
    if not isinstance(stored, dict) or stored.get("format") != FORMAT:
        raise WeightsError(
            f"{path}: not a {FORMAT} file; bare weights of a backbone are read by `read_state_dict`"
        )
    whitening = stored["whitening"]
    return Checkpoint(
        network=_ADAPTER.validate_python(stored["network"]),
        state=stored["state"],
        whitening=None
        if whitening is None
        else Whitening(whitening["mean"].numpy(), whitening["projection"].numpy()),
        training=stored["training"],
    )
