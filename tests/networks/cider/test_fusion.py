import torch
from hypothesis import given
from hypothesis import strategies as st

from networks.cider.fusion import ConvexCombination


def test_weights_are_equal_at_the_start():
    assert torch.allclose(ConvexCombination(2).weights(), torch.tensor([0.5, 0.5]))


@given(st.lists(st.floats(-30, 30), min_size=1, max_size=5))
def test_the_result_lies_between_the_maps(alpha):
    fusion = ConvexCombination(len(alpha))
    with torch.no_grad():
        fusion.alpha.copy_(torch.tensor(alpha))
    maps = torch.rand(len(alpha), 2, 3, generator=torch.Generator().manual_seed(0))
    combined = fusion(maps)
    assert (combined >= maps.amin(dim=0) - 1e-6).all()
    assert (combined <= maps.amax(dim=0) + 1e-6).all()


def test_against_the_formula():
    fusion = ConvexCombination(2)
    with torch.no_grad():
        fusion.alpha.copy_(torch.tensor([1.0, -2.0]))
    first, second = torch.log1p(torch.exp(fusion.alpha.detach()))
    maps = torch.rand(2, 4)
    expected = (first * maps[0] + second * maps[1]) / (first + second)
    assert torch.allclose(fusion(maps), expected)
