import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from networks.pooling import MAC, GeM, PoolingSettings, SPoC, build_pooling, l2_normalise

_MAP = torch.tensor([[[[0.0, 1.0], [2.0, 3.0]]]])


@pytest.mark.parametrize(("p", "pooled"), [(1.0, 1.5), (3.0, 2.080084), (10.0, 2.616150)])
def test_generalised_means_of_a_small_map(p, pooled):
    assert GeM(p=p)(_MAP).item() == pytest.approx(pooled, abs=5e-7)


def test_the_gradient_of_the_exponent():
    gem = GeM()
    gem(_MAP).backward()
    assert gem.p.shape == (1,)
    assert gem.p.grad.item() == pytest.approx(0.1702783, abs=5e-7)


@pytest.mark.parametrize("value", [0.0, -3.0])
def test_a_map_without_activation_pools_to_the_smallest_value(value):
    assert GeM()(torch.full((1, 1, 2, 2), value)).item() == pytest.approx(1e-6, rel=1e-4)


@given(
    st.lists(st.floats(0.01, 50), min_size=4, max_size=4),
    st.floats(1, 8),
)
def test_against_the_formula_in_plain_numbers(values, p):
    pooled = GeM(p=p)(torch.tensor(values).view(1, 1, 2, 2)).item()
    assert pooled == pytest.approx(math.pow(sum(v**p for v in values) / 4, 1 / p), rel=1e-4)


def test_half_precision_does_not_overflow():
    features = torch.full((1, 1, 2, 2), 50.0, dtype=torch.float16)
    assert torch.isinf(features.pow(3)).all()
    with torch.autocast("cpu", torch.bfloat16):
        pooled = GeM()(features)
    assert pooled.dtype == torch.float32
    assert pooled.item() == pytest.approx(50.0, rel=1e-5)


def test_an_exponent_for_each_channel():
    gem = build_pooling(PoolingSettings(per_channel=True), 2)
    with torch.no_grad():
        gem.p.copy_(torch.tensor([1.0, 10.0]))
    pooled = gem(_MAP.expand(1, 2, 2, 2))
    assert pooled[0].tolist() == pytest.approx([1.5, 2.616150], abs=5e-7)


def test_means_and_maxima_are_the_ends_of_the_generalised_mean():
    features = torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(SPoC()(features), GeM(p=1.0)(features))
    assert torch.allclose(MAC()(features), GeM(p=100.0)(features), rtol=0.05)
    assert isinstance(build_pooling(PoolingSettings(kind="spoc"), 3), SPoC)
    assert isinstance(build_pooling(PoolingSettings(kind="mac"), 3), MAC)


def test_unit_length_and_zero_stays_zero():
    unit = l2_normalise(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
    assert torch.allclose(unit, torch.tensor([[0.6, 0.8], [0.0, 0.0]]))
    assert l2_normalise(torch.ones(1, 2, dtype=torch.bfloat16)).dtype == torch.float32
