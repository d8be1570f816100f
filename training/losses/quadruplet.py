"""The quadruplet loss (Chen et al. 2017), over all quadruplets of a batch.

Its two terms hold for different things: the first for triplets, the second for a positive pair and
a pair of two other classes. So they are computed apart, and no list of quadruplets is ever made.
"""

import torch
from torch import Tensor
from torch.nn import functional

from training.losses.objective import Objective
from training.losses.settings import QuadrupletSettings


class QuadrupletObjective(Objective):
    """Positives nearer than negatives of the anchor, and nearer than pairs of other classes."""

    def __init__(self, settings: QuadrupletSettings) -> None:
        super().__init__()
        self.settings = settings

    def compute_loss(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Mean violation of the triplets plus mean violation of the pairs of pairs."""
        distances = torch.cdist(embeddings, embeddings).square()
        triplets = _compare_triplets(distances, labels) + self.settings.margin
        quadruplets = _compare_pairs(distances, labels) + self.settings.pair_margin
        # Zero times the embeddings keeps the graph when there is nothing to compare.
        nothing = (embeddings * 0).sum()
        return nothing + self._reduce(triplets) + self._reduce(quadruplets)

    def _reduce(self, violations: Tensor) -> Tensor:
        losses = functional.relu(violations)
        num_counted = len(losses)
        if self.settings.reduction == "mean_non_zero":
            num_counted = int(torch.count_nonzero(losses))
        return losses.sum() / max(num_counted, 1)


def _compare_triplets(distances: Tensor, labels: Tensor) -> Tensor:
    """Distance to the positive less distance to the negative, (num_triplets,)."""
    anchors, positives = _find_positive_pairs(labels)
    differ = labels[anchors][:, None] != labels[None, :]
    margins = distances[anchors, positives][:, None] - distances[anchors]
    return margins[differ]


def _compare_pairs(distances: Tensor, labels: Tensor) -> Tensor:
    """Distance of a positive pair less that of two images of two other classes.

    Distances are symmetric, so each pair comes once; the mean is the same.
    """
    firsts, seconds = _keep_ordered(*_find_positive_pairs(labels))
    lefts, rights = _keep_ordered(*torch.where(labels[:, None] != labels[None, :]))
    classes = labels[firsts][:, None]
    differ = (classes != labels[lefts][None, :]) & (classes != labels[rights][None, :])
    margins = distances[firsts, seconds][:, None] - distances[lefts, rights][None, :]
    return margins[differ]


def _find_positive_pairs(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Two different images of one class, in both orders."""
    same = (labels[:, None] == labels[None, :]).fill_diagonal_(0)
    anchors, positives = torch.where(same)
    return anchors, positives


def _keep_ordered(firsts: Tensor, seconds: Tensor) -> tuple[Tensor, Tensor]:
    ordered = firsts < seconds
    return firsts[ordered], seconds[ordered]
