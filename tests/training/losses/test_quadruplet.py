from itertools import product

import pytest
import torch
from torch.nn import functional

from training.losses.quadruplet import QuadrupletObjective
from training.losses.settings import QuadrupletSettings

ONE_QUADRUPLET = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [-0.6, 0.8]])


def measure_one(settings):
    """The loss of a quadruplet alone, as the paper writes it."""
    anchor, positive, first, second = ONE_QUADRUPLET
    near = (anchor - positive).square().sum()
    triplet = functional.relu(near - (anchor - first).square().sum() + settings.margin)
    pair = functional.relu(near - (first - second).square().sum() + settings.pair_margin)
    return (triplet + pair).item()


@pytest.mark.parametrize(("margins", "expected"), [((1.0, 0.5), 0.5), ((2.0, 0.5), 0.9)])
def test_numbers_worked_out_by_hand(margins, expected):
    settings = QuadrupletSettings(margin=margins[0], pair_margin=margins[1])
    assert measure_one(settings) == pytest.approx(expected)


@pytest.mark.parametrize("reduction", ["mean_non_zero", "mean"])
@pytest.mark.parametrize("labels", [[0, 0, 1, 2], [0, 0, 1, 1, 2, 2], [0, 0, 0, 1, 1, 2, 3]])
def test_all_quadruplets_against_loops(labels, reduction):
    torch.manual_seed(5)
    embeddings = functional.normalize(torch.randn(len(labels), 3))
    distances = (embeddings[:, None] - embeddings[None]).square().sum(dim=2)
    triplets, pairs = [], []
    indices = range(len(labels))
    for a, p in product(indices, indices):
        if a == p or labels[a] != labels[p]:
            continue
        for n, other in product(indices, indices):
            if labels[n] == labels[a]:
                continue
            if other == n:
                triplets.append(max(0.0, (distances[a, p] - distances[a, n] + 1.0).item()))
            elif labels[other] not in (labels[a], labels[n]):
                pairs.append(max(0.0, (distances[a, p] - distances[n, other] + 0.5).item()))
    expected = 0.0
    for violations in (triplets, pairs):
        counted = [v for v in violations if v > 0] if reduction == "mean_non_zero" else violations
        expected += sum(counted) / max(1, len(counted))
    assert expected > 0
    objective = QuadrupletObjective(QuadrupletSettings(reduction=reduction))
    loss = objective(embeddings, torch.tensor(labels))
    assert loss.item() == pytest.approx(expected, abs=1e-5)


def test_with_two_classes_only_triplets_count():
    labels = torch.tensor([0, 0, 1, 1])
    loose, strict = (
        QuadrupletObjective(QuadrupletSettings(margin=2.0, pair_margin=pair_margin))
        for pair_margin in (0.1, 2.0)
    )
    assert loose(ONE_QUADRUPLET, labels).item() == strict(ONE_QUADRUPLET, labels).item() > 0


def test_the_demand_on_pairs_must_be_the_weaker_one():
    with pytest.raises(ValueError, match="lower pair_margin"):
        QuadrupletSettings(margin=0.5, pair_margin=1.0)
