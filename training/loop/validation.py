"""What the network makes of images it was not trained on: accuracy, and retrieval among them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import DataLoader

from manifests.input_error import InputError
from networks.inference_settings import Precision
from networks.pixels import to_float
from networks.retrieval_network import RetrievalNetwork
from training.loop.distributed import World
from training.loop.step import autocast
from training.losses import Objective
from training.manifest_dataset import Batch
from training.manifest_images import ManifestImages
from training.revisited_metrics import compute_average_precision, remove_ignored
from training.search import rank_listed


@dataclass(frozen=True)
class ValidationResult:
    """Scores on the images held out, as fractions.

    Attributes:
        accuracy: share of images whose nearest class is theirs; None if the loss has no classes.
        mean_average_precision: each image as a query among the others, those of its class being
            right; None if no class has two images.
        num_images: all of them.
        num_queries: those with another image of their class.
    """

    accuracy: float | None
    mean_average_precision: float | None
    num_images: int
    num_queries: int


def choose_val_classes(images: ManifestImages, max_images: int) -> ManifestImages:
    """Whole classes with so many images at most, and always the same ones."""
    classes, sizes = np.unique(images.class_index, return_counts=True)
    order = np.random.default_rng(0).permutation(len(classes))
    fitting = order[np.cumsum(sizes[order]) <= max_images]
    return images.select(np.flatnonzero(np.isin(images.class_index, classes[fitting])))


def validate(
    network: RetrievalNetwork,
    objective: Objective,
    loader: DataLoader[Batch],
    world: World,
    *,
    precision: Precision = "float32",
    skip_broken: bool = False,
) -> ValidationResult:
    """Describe the held-out images, all processes together, and score the descriptors.

    Args:
        network: in the same mode afterwards as before.
        objective: the loss, which may know the most similar class.
        loader: this process's share of the images, each once.
        world: the processes; all must validate at the same time.
        precision: of the convolutions.
        skip_broken: leave out images that cannot be decoded.

    Raises:
        InputError: an image is broken and such images are not left out.
    """
    described = []
    with _evaluating(network), torch.inference_mode():
        for batch in loader:
            whole = _take_whole(batch, skip_broken=skip_broken)
            if len(whole):
                described.append(_describe(network, objective, whole.to(world.device), precision))
    parts = [part for own in world.gather(described) for part in own]
    if not parts:
        return ValidationResult(None, None, 0, 0)
    descriptors, labels = (np.concatenate([part[n] for part in parts]) for n in (0, 1))
    accuracy = None
    if parts[0][2] is not None:
        accuracy = float((np.concatenate([part[2] for part in parts]) == labels).mean())
    precisions = compute_average_precisions(descriptors, labels)
    mean = float(precisions.mean()) if len(precisions) else None
    return ValidationResult(accuracy, mean, len(labels), len(precisions))


def compute_average_precisions(
    descriptors: NDArray[np.float32], labels: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Average precision of each image among the others, those of its class being right.

    Args:
        descriptors: (num_images, dimensions), of unit length.
        labels: (num_images,).

    Returns:
        float64 (num_queries,); images without another of their class are no queries.
    """
    sizes = np.bincount(labels)[labels] if len(labels) else labels
    queries = np.flatnonzero(sizes > 1)
    # The image itself comes first in the list and is then taken out of the ranking.
    listed = [np.append(q, np.setdiff1d(np.flatnonzero(labels == labels[q]), q)) for q in queries]
    ranks = rank_listed(descriptors[queries], descriptors, listed)
    scores = [
        compute_average_precision(remove_ignored(np.sort(own[1:]), own[:1]), len(own) - 1)
        for own in ranks
    ]
    return np.array(scores, np.float64)


def _take_whole(batch: Batch, *, skip_broken: bool) -> Batch:
    """The images that could be read, without those that stand in for others at the end."""
    if batch.broken and not skip_broken:
        raise InputError(f"{batch.broken[0]}; set data.skip_broken to go on without such images")
    num_whole = max(0, len(batch) - len(batch.broken))
    return Batch(batch.images[:num_whole], batch.labels[:num_whole])


def _describe(
    network: RetrievalNetwork, objective: Objective, batch: Batch, precision: Precision
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64] | None]:
    """Descriptors, labels, and nearest classes if the loss knows any."""
    with autocast(batch.images.device, precision):
        embeddings = network(to_float(batch.images))
    classes = objective.classify(embeddings)
    return (
        embeddings.float().cpu().numpy(),
        batch.labels.cpu().numpy(),
        None if classes is None else classes.cpu().numpy(),
    )


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    # Layer by layer: some of a training network are frozen, and so in evaluation mode already.
    was_training = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in was_training:
            module.training = mode
