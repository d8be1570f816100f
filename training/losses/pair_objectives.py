"""Losses that compare the images of a batch, by pytorch-metric-learning.

Their memory grows with the square of the batch (contrastive, multi-similarity) or with its cube
(triplet, NT-Xent): with four images of each class, NT-Xent compares 6 million pairs of pairs in a
batch of 128, 25 MB for each matrix of them, and 64 times as many in one of 512.
"""

from pytorch_metric_learning import distances, losses, miners, reducers
from torch import Tensor, nn

from training.losses.objective import Objective
from training.losses.settings import (
    ContrastiveSettings,
    MultiSimilaritySettings,
    NtXentSettings,
    Reduction,
    TripletSettings,
)


class PairObjective(Objective):
    """A loss of that library, with or without one of its miners."""

    def __init__(self, loss: nn.Module, miner: nn.Module | None = None) -> None:
        super().__init__()
        self.loss = loss
        self.miner = miner

    def compute_loss(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The loss over what the miner finds in the batch."""
        mined = None if self.miner is None else self.miner(embeddings, labels)
        loss: Tensor = self.loss(embeddings, labels, mined)
        return loss


class HalvedSquareContrastiveLoss(losses.ContrastiveLoss):  # type: ignore[misc]  # (the library is untyped)
    """The contrastive loss as Hadsell et al. 2006 write it; the library's own is linear."""

    def get_per_pair_loss(self, pair_dists: Tensor, pos_or_neg: str) -> Tensor:
        """Half the square of what the library computes for each pair."""
        violations: Tensor = super().get_per_pair_loss(pair_dists, pos_or_neg)
        return violations.square() / 2


def make_contrastive(settings: ContrastiveSettings) -> PairObjective:
    """Contrastive loss over all pairs of a batch."""
    kind = HalvedSquareContrastiveLoss if settings.squared else losses.ContrastiveLoss
    return PairObjective(
        kind(neg_margin=settings.margin, reducer=_make_reducer(settings.reduction))
    )


def make_triplet(settings: TripletSettings) -> PairObjective:
    """Triplet loss, over all triplets or those of a miner."""
    distance = distances.LpDistance(power=2 if settings.squared else 1)
    loss = losses.TripletMarginLoss(
        margin=settings.margin, distance=distance, reducer=_make_reducer(settings.reduction)
    )
    return PairObjective(loss, _make_triplet_miner(settings, distance))


def make_nt_xent(settings: NtXentSettings) -> PairObjective:
    """NT-Xent loss over all positive pairs of a batch, each against all negatives of its anchor."""
    return PairObjective(losses.NTXentLoss(temperature=settings.temperature))


def make_multi_similarity(settings: MultiSimilaritySettings) -> PairObjective:
    """Multi-similarity loss, with its own miner unless that is switched off."""
    loss = losses.MultiSimilarityLoss(settings.alpha, settings.beta, settings.base)
    if settings.miner_epsilon is None:
        return PairObjective(loss)
    return PairObjective(loss, miners.MultiSimilarityMiner(epsilon=settings.miner_epsilon))


def _make_triplet_miner(settings: TripletSettings, distance: nn.Module) -> nn.Module | None:
    miner: nn.Module | None = None
    if settings.miner == "batch_hard":
        miner = miners.BatchHardMiner(distance=distance)
    elif settings.miner == "semi_hard":
        miner = miners.TripletMarginMiner(
            margin=settings.margin, type_of_triplets="semihard", distance=distance
        )
    return miner


def _make_reducer(reduction: Reduction) -> nn.Module:
    kinds = {
        "mean_non_zero": reducers.AvgNonZeroReducer,
        "mean": reducers.MeanReducer,
        "sum": reducers.SumReducer,
    }
    reducer: nn.Module = kinds[reduction]()
    return reducer
