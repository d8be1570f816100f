import pytest
import torch

from networks.cider.neck import FULL, LIGHT, CiderNeck, CiderSettings
from networks.registry import NETWORKS, build_network
from networks.trunk import count_parameters


def test_size_of_the_full_head():
    with torch.device("meta"):
        network = build_network(NETWORKS["resnet101_cider"])
    expected = {
        "backbone": 42_500_160,
        "neck.enhancement": 524_288,
        # Convolutions, layers, normalisation of branches and bottleneck, fusion.
        "neck.context": 2_359_296 + 786_432 + 2 * 2 * 2048 + 2 * 128 + 2,
        "neck.localization": 2_049 + 2,
        "pooling": 1,
        "projection": 4_196_352,
    }
    counts = {name: count_parameters(network.get_submodule(name)) for name in expected}
    assert counts == expected
    assert count_parameters(network) == sum(expected.values()) == 50_377_030


def test_size_of_the_light_head():
    with torch.device("meta"):
        network = build_network(NETWORKS["resnet101_cider_light"])
    neck = network.neck
    reduction = 2048 * 512
    assert neck.reduction[0].weight.numel() == reduction
    # What Song et al. count for the enhancement: 1.08 million.
    assert reduction + count_parameters(neck.enhancement) == 1_081_344
    assert count_parameters(network) == 44_832_390


@pytest.mark.parametrize("settings", [FULL, LIGHT, CiderSettings(num_channels=32)])
def test_channels_of_the_presets(settings):
    with torch.device("meta"):
        neck = CiderNeck(1024, settings)
        out = neck(torch.empty(2, 1024, 5, 7))
    assert out.shape == (2, settings.num_channels or 1024, 5, 7)
    assert neck.num_channels == out.shape[1]


@pytest.mark.parametrize("enhancement", [None, "se", "eca", "nl", "ge"])
@pytest.mark.parametrize("context", [None, "sknet_learned", "sknet", "aspp"])
def test_every_combination_runs_and_indexes_without_chance(enhancement, context):
    torch.manual_seed(0)
    settings = CiderSettings(num_channels=32, enhancement=enhancement, context=context)
    neck = CiderNeck(64, settings)
    features = torch.rand(2, 64, 6, 5)
    neck(features).sum().backward()
    assert neck.localization.attention.weight.grad.abs().sum() > 0
    neck.eval()
    assert torch.equal(neck(features), neck(features))


def test_without_any_component_nothing_happens():
    settings = CiderSettings(enhancement=None, context=None, localization=None)
    neck, features = CiderNeck(8, settings), torch.rand(1, 8, 2, 2)
    assert torch.equal(neck(features), features)
    with pytest.raises(ValueError, match="`localization` is null"):
        neck.localize(features)


def test_localization_reads_what_context_has_made():
    torch.manual_seed(0)
    neck, features = CiderNeck(64, CiderSettings()).eval(), torch.rand(1, 64, 6, 5)
    selected = neck.context(neck.enhancement(features))
    found = neck.localize(features)
    assert torch.equal(found.attention, neck.localization.attend(selected))
    assert torch.equal(neck(features), neck.localization(selected))
