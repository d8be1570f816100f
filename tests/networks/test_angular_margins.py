import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from networks.angular_margins import MarginSettings, apply_margin, widen_angle

_COSINES = [0.9, 0.5, 0.0, -0.5, -0.96, -0.99]
_HARD = [21.92966, 6.65221, -8.86561, -22.00789, -31.45968, -32.35968]


@pytest.mark.parametrize(
    ("continuation", "logits"),
    [
        ("hard_margin", _HARD),
        ("easy_margin", [21.92966, 6.65221, 0, -15, -28.8, -29.7]),
        ("keep_cosine", [*_HARD[:4], -28.8, -29.7]),
    ],
)
def test_logits_of_the_three_continuations(continuation, logits):
    widened = widen_angle(torch.tensor(_COSINES), 0.3, continuation)
    assert (30 * widened).tolist() == pytest.approx(logits, abs=1e-5)


@given(st.floats(-0.999, 0.999), st.floats(0.0, 1.5))
def test_against_the_angle_itself(cosine, margin):
    angle = math.acos(cosine)
    widened = widen_angle(torch.tensor([cosine], dtype=torch.float64), margin, "hard_margin")
    if angle + margin < math.pi - 1e-6:
        assert widened.item() == pytest.approx(math.cos(angle + margin), abs=1e-6)
    elif angle + margin > math.pi + 1e-6:
        expected = cosine - margin * math.sin(math.pi - margin)
        assert widened.item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("continuation", ["hard_margin", "easy_margin", "keep_cosine"])
def test_the_gradient_is_finite_where_descriptor_and_weight_agree(continuation):
    cosine = torch.tensor([1.0, -1.0, 1.0 - 1e-8], requires_grad=True)
    widen_angle(cosine, 0.3, continuation).sum().backward()
    assert torch.isfinite(cosine.grad).all()


def test_cosface_subtracts_the_margin():
    settings = MarginSettings(kind="cosface", margin=0.35)
    assert apply_margin(torch.tensor([0.5]), settings).item() == pytest.approx(0.15)


def test_the_scale_may_follow_the_dimensions():
    assert MarginSettings().resolve_scale(2048) == 30.0
    assert MarginSettings(scale="sqrt_d").resolve_scale(2048) == pytest.approx(45.2548, abs=1e-4)
    with pytest.raises(ValidationError, match="greater than 0"):
        MarginSettings(scale=0.0)
