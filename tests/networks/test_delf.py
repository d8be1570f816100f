import pytest
import torch
from torch.nn import functional

from networks.delf import DelfNetwork, DelfSettings
from networks.trunk import count_parameters


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return DelfNetwork(DelfSettings()).eval()


def test_the_attention_is_two_convolutions_on_1024_channels(network):
    first, _, _, second = network.attention
    assert (first.in_channels, first.out_channels, second.out_channels) == (1024, 512, 1)
    expected = 1024 * 512 + 512 + 2 * 512 + 512 + 1
    assert count_parameters(network.attention) == expected


def test_features_and_positive_scores_for_every_cell(network):
    features, scores = network.describe(torch.rand(2, 3, 64, 96))
    assert features.shape == (2, 1024, 4, 6)
    assert scores.shape == (2, 4, 6)
    assert (scores > 0).all()


def test_the_embedding_is_the_weighted_sum(network):
    images = torch.rand(1, 3, 48, 48)
    features, scores = network.describe(images)
    total = torch.zeros(1024)
    for row in range(3):
        for column in range(3):
            total += scores[0, row, column] * features[0, :, row, column]
    expected = functional.normalize(total, dim=0)
    with torch.no_grad():
        assert torch.allclose(network(images)[0], expected, atol=1e-5)


def test_a_classifier_trains_the_attention_on_a_frozen_backbone():
    network = DelfNetwork(DelfSettings())
    network.freeze_backbone()
    network.train()
    network(torch.rand(2, 3, 48, 48))[:, 0].sum().backward()
    assert network.attention[0].weight.grad.abs().sum() > 0
    assert network.backbone.conv1.weight.grad is None


def test_a_backbone_without_known_receptive_field_is_refused():
    with pytest.raises(ValueError, match="a ResNet, not 'vgg16'"):
        DelfNetwork(DelfSettings(backbone="vgg16"))
