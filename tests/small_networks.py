"""Checkpoints of networks that are small enough for tests, random but always the same."""

from pathlib import Path

import torch

from networks.checkpoints import Checkpoint, save_checkpoint
from networks.retrieval_network import NetworkSettings, RetrievalNetwork
from networks.whitening import Whitening

SMALL = NetworkSettings(backbone="resnet18", dimensions=16)
INFERENCE = {"long_side_px": 64, "scales": (1.0,), "batch_size": 4}
"""Settings under which it is quick."""


def make_network(seed: int = 0, settings: NetworkSettings = SMALL) -> RetrievalNetwork:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return RetrievalNetwork(settings).eval()


def write_checkpoint(path: Path, seed: int = 0, *, whitening: Whitening | None = None) -> Path:
    network = make_network(seed)
    save_checkpoint(path, Checkpoint(SMALL, network.state_dict(), whitening))
    return path
