"""A small network, trained and evaluated in seconds on one core."""

from dataclasses import dataclass

import numpy as np
import torch
from leak_world import Pixels, World
from numpy.typing import NDArray
from torch import Tensor, nn

from networks.pixels import to_float, to_tensor
from networks.pooling import GeM, l2_normalise
from training.augmentation import AugmentationSettings, augment, resize_only
from training.learning_rate import (
    LearningRateSettings,
    ParameterGroupSettings,
    group_parameters,
    make_scheduler,
)
from training.losses import LossSettings, make_objective
from training.losses.settings import ArcFaceSettings
from training.revisited_metrics import Protocol, QueryRanks, score_queries
from training.search import rank_listed

SIDE_PX = 48
SIZE_PX = (SIDE_PX, SIDE_PX)
DIMENSIONS = 128
NO_RANKS = np.empty(0, np.int64)
# The exponent of GeM learns as fast as the rest: the rate is high already.
# A milder margin and milder crops than the recipe's: some hundred steps from random weights.
LOSS = LossSettings(arcface=ArcFaceSettings(margin=0.2, scale=16.0))
AUGMENTATION = AugmentationSettings(min_area=0.7, flip_probability=0.0)
GROUPS = ParameterGroupSettings(weight_decay=1e-4, gem_factor=1.0)


@dataclass(frozen=True)
class TrainingSize:
    """How long to train; equal for all training sets, whatever their number of images."""

    num_steps: int = 450
    batch_size: int = 32
    peak: float = 1e-2


class SmallNetwork(nn.Module):
    """Five convolutions, GeM, a linear layer and L2: images to descriptors of unit length."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 24, 48, 96, 128, 128)
        strides = (2, 2, 2, 1, 1)
        layers: list[nn.Module] = []
        for inputs, outputs, stride in zip(widths[:-1], widths[1:], strides, strict=True):
            layers += [
                nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(inplace=True),
            ]
        self.trunk = nn.Sequential(*layers)
        self.pooling = GeM()
        self.projection = nn.Linear(widths[-1], DIMENSIONS)

    def forward(self, images: Tensor) -> Tensor:
        """Describe uint8 (batch, 3, height, width)."""
        features = self.trunk(to_float(images) - 0.5)
        return l2_normalise(self.projection(self.pooling(features)))


def train_network(
    images: list[Pixels], labels: NDArray[np.int64], size: TrainingSize, seed: int
) -> SmallNetwork:
    """Train on ArcFace from random weights.

    Args:
        images: uint8 (height, width, 3), RGB.
        labels: int64 (len(images),), classes from 0 without gaps.
        size: how long.
        seed: of weights, batches and augmentation.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng([seed, 2])
    network = SmallNetwork()
    objective = make_objective(LOSS, int(labels.max()) + 1, DIMENSIONS)
    groups = group_parameters(nn.ModuleList([network, objective]), size.peak, GROUPS)
    optimiser = torch.optim.AdamW(groups)
    # The whole training as one epoch, a tenth of it warm-up.
    schedule = LearningRateSettings(peak=size.peak, warmup_epochs=0.1)
    scheduler = make_scheduler(optimiser, schedule, steps_per_epoch=size.num_steps, num_epochs=1)
    for batch in _draw_batches(len(images), size, rng):
        views = [to_tensor(augment(images[i], SIZE_PX, rng, AUGMENTATION)) for i in batch]
        loss = objective(network(torch.stack(views)), torch.from_numpy(labels[batch]))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        scheduler.step()
    return network.eval()


def score_landmarks(network: SmallNetwork, world: World) -> dict[str, NDArray[np.float64]]:
    """Mean average precision of each evaluation landmark, under the Medium protocol.

    Returns:
        `overlapping` and `other` -> float64 (num_landmarks,).
    """
    landmarks = world.overlapping + world.other
    queries, query_owners = _describe(network, world.queries, landmarks)
    database, owners = _describe(network, world.database, landmarks)
    listed = [np.flatnonzero(owners == owner) for owner in query_owners]
    ranks = rank_listed(queries, database, listed)
    truth = [QueryRanks(easy, NO_RANKS, NO_RANKS) for easy in ranks]
    precisions = score_queries(truth, Protocol.MEDIUM).average_precisions
    by_landmark = np.array(
        [precisions[query_owners == owner].mean() for owner in range(len(landmarks))]
    )
    num_overlapping = len(world.overlapping)
    return {"overlapping": by_landmark[:num_overlapping], "other": by_landmark[num_overlapping:]}


@torch.inference_mode()
def _describe(
    network: SmallNetwork, views: dict[str, list[Pixels]], landmarks: list[str]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Descriptors of all views and the position of the landmark of each."""
    images = [resize_only(pixels, SIZE_PX) for name in landmarks for pixels in views[name]]
    owners = np.repeat(np.arange(len(landmarks)), [len(views[name]) for name in landmarks])
    return network(torch.stack([to_tensor(image) for image in images])).numpy(), owners


def _draw_batches(
    num_images: int, size: TrainingSize, rng: np.random.Generator
) -> list[NDArray[np.int64]]:
    num_drawn = size.num_steps * size.batch_size
    num_epochs = -(-num_drawn // num_images)
    order = np.concatenate([rng.permutation(num_images) for _ in range(num_epochs)])
    return np.split(order[:num_drawn], size.num_steps)
