import pytest
import torch

from networks.cider.selective_context import SelectiveKernels, build_context
from networks.trunk import count_parameters


def random_map():
    return torch.randn(2, 64, 5, 7, generator=torch.Generator().manual_seed(0))


def test_sizes_of_selective_kernels():
    with torch.device("meta"):
        plain = SelectiveKernels(2048, learned_fusion=False)
        learned = SelectiveKernels(2048, learned_fusion=True)
        narrow = SelectiveKernels(256, learned_fusion=False)
    convolutions = sum(branch[0].weight.numel() for branch in plain.branches)
    layers = plain.squeeze.weight.numel() + sum(c.weight.numel() for c in plain.choices)
    assert (convolutions, layers) == (2_359_296, 786_432)
    assert count_parameters(learned) - count_parameters(plain) == 2
    # A sixteenth of 256 is below the least width of the bottleneck.
    assert narrow.squeeze.out_features == 32


@pytest.mark.parametrize("kind", ["sknet_learned", "sknet", "aspp"])
def test_the_shape_stays_and_all_parameters_learn(kind):
    torch.manual_seed(0)
    layer = build_context(kind, 64)
    selected = layer(random_map())
    assert selected.shape == (2, 64, 5, 7)
    selected.square().sum().backward()
    for name, parameter in layer.named_parameters():
        assert parameter.grad.abs().sum() > 0, name


def test_every_channel_mixes_the_branches_by_weights_of_sum_one():
    torch.manual_seed(0)
    layer, features = SelectiveKernels(64, learned_fusion=False).eval(), random_map()
    near, far = (branch(features) for branch in layer.branches)
    means = (near + far).mean(dim=(2, 3))
    squeezed = layer.bn(means @ layer.squeeze.weight.T).clamp(min=0)
    scores = [(squeezed @ choice.weight.T).exp() for choice in layer.choices]
    share = (scores[0] / (scores[0] + scores[1]))[:, :, None, None]
    assert torch.allclose(layer(features), share * near + (1 - share) * far, atol=1e-6)


def test_the_learned_fusion_steers_the_choice():
    torch.manual_seed(0)
    learned, features = SelectiveKernels(64, learned_fusion=True).eval(), random_map()
    before = learned(features)
    with torch.no_grad():
        learned.fusion.alpha.copy_(torch.tensor([4.0, -4.0]))
    assert not torch.allclose(learned(features), before)


def test_branches_reach_one_and_two_cells():
    layer = SelectiveKernels(64, learned_fusion=True).eval()
    for branch, reach in zip(layer.branches, (1, 2), strict=True):
        features = torch.zeros(1, 64, 7, 7, requires_grad=True)
        branch[0](features)[0, 0, 3, 3].backward()
        rows = features.grad[0].abs().sum(dim=(0, 2)).nonzero().flatten()
        assert rows.tolist() == [3 - reach, 3, 3 + reach]
