import pytest
import torch

from networks.cider.enhancement import (
    EfficientChannelAttention,
    GatherExcite,
    NonLocal,
    SqueezeExcitation,
    adapt_kernel_size,
    build_enhancement,
)
from networks.trunk import count_parameters


def random_map(channels=32, rows=5, columns=7):
    return torch.randn(2, channels, rows, columns, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("channels", "count"), [(512, 32_768), (1024, 131_072), (2048, 524_288)])
def test_squeeze_excitation_has_two_layers_of_a_sixteenth(channels, count):
    with torch.device("meta"):
        assert count_parameters(SqueezeExcitation(channels)) == count


@pytest.mark.parametrize(("channels", "size"), [(256, 5), (512, 5), (1024, 5), (2048, 7)])
def test_the_kernel_of_efficient_channel_attention(channels, size):
    assert adapt_kernel_size(channels) == size
    assert count_parameters(EfficientChannelAttention(channels)) == size


@pytest.mark.parametrize("kind", ["se", "eca", "nl", "ge"])
def test_the_shape_stays_and_all_parameters_learn(kind):
    # Wide enough that no seed leaves every hidden unit of a bottleneck at zero.
    layer, features = build_enhancement(kind, 512), random_map(channels=512)
    enhanced = layer(features)
    assert enhanced.shape == features.shape
    if kind == "nl":
        torch.nn.init.ones_(layer.bn.weight)
        enhanced = layer(features)
    enhanced.square().sum().backward()
    for name, parameter in layer.named_parameters():
        assert parameter.grad.abs().sum() > 0, name


def test_squeeze_excitation_against_loops():
    layer, features = SqueezeExcitation(32), random_map()
    means = torch.tensor([[channel.mean() for channel in image] for image in features])
    hidden = (means @ layer.squeeze.weight.T).clamp(min=0)
    gates = 1 / (1 + torch.exp(-hidden @ layer.excite.weight.T))
    expected = torch.stack(
        [
            torch.stack([channel * gate for channel, gate in zip(image, row, strict=True)])
            for image, row in zip(features, gates, strict=True)
        ]
    )
    assert torch.allclose(layer(features), expected, atol=1e-6)


def test_efficient_channel_attention_sees_only_channels_beside():
    layer, features = EfficientChannelAttention(32), random_map()
    changed = features.clone()
    changed[:, 0] += 100
    touched = (layer(changed) != layer(features)).flatten(2).any(dim=2).any(dim=0)
    reach = adapt_kernel_size(32) // 2
    assert touched.nonzero().flatten().tolist() == list(range(reach + 1))


def test_non_local_starts_idle_and_then_mixes_positions():
    layer, features = NonLocal(32), random_map()
    assert torch.equal(layer(features), features)
    torch.nn.init.ones_(layer.bn.weight)
    layer.eval()
    position = features[0, :, 2, 3]
    weights = torch.stack(
        [
            torch.dot(
                layer.theta(position[None, :, None, None]).flatten(),
                layer.phi(other[None, :, None, None]).flatten(),
            )
            for other in features[0].flatten(1).T
        ]
    ).softmax(dim=0)
    gathered = (layer.g(features[:1]).flatten(2)[0] * weights).sum(dim=1)
    added = layer.bn(layer.output(gathered[None, :, None, None]))[0, :, 0, 0]
    assert torch.allclose(layer(features)[0, :, 2, 3], position + added, atol=1e-5)


def test_gather_excite_gates_neighbourhoods_of_eight():
    layer = GatherExcite(512).eval()
    features = random_map(channels=512, rows=16, columns=8)
    gates = (layer(features) / features).detach()
    for top in (0, 8):
        block = gates[:, :, top : top + 8]
        assert torch.allclose(block, block[:, :, :1, :1].expand_as(block), atol=1e-4)
    assert not torch.allclose(gates[:, :, 0], gates[:, :, 8])
