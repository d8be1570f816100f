import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from networks.cider.localization import (
    AttentionalLocalization,
    LocalizationSettings,
    mean_of_clipped_normal,
    scale_to_unit_range,
)
from networks.trunk import count_parameters

_RAW = torch.tensor([[-1.0, 0.0], [1.0, 2.0]])


def make_identity(**settings):
    """Localization on one channel whose attention is the feature itself."""
    layer = AttentionalLocalization(1, LocalizationSettings(**settings))
    with torch.no_grad():
        layer.attention.weight.fill_(1.0)
        layer.attention.bias.zero_()
    return layer


def random_map():
    return torch.randn(3, 16, 6, 5, generator=torch.Generator().manual_seed(0))


def test_the_layer_has_one_weight_per_channel_one_bias_and_the_fusion():
    assert count_parameters(AttentionalLocalization(2048).attention) == 2049
    assert AttentionalLocalization(8).fusion.alpha.shape == (2,)


def test_attention_of_a_small_map():
    attention = make_identity().attend(_RAW[None, None])
    expected = [0, 0.209457, 0.551369, 1]
    assert attention.flatten().tolist() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("background", "weights"), [(0.0, [0, 0, 0.5, 1]), (0.35, [0.35, 0.35, 0.675, 1])]
)
def test_masks_of_a_small_map(background, weights):
    layer = make_identity(background=background)
    localized = layer(_RAW[None, None])
    expected = torch.tensor(weights).view(2, 2) * _RAW
    assert torch.allclose(localized[0, 0], expected, atol=1e-6)


def test_masked_maps_are_combined_by_learned_weights():
    torch.manual_seed(0)
    settings = LocalizationSettings(thresholds=(0.2, 0.5, 0.7), background=0.25)
    layer, features = AttentionalLocalization(16, settings), random_map()
    with torch.no_grad():
        layer.fusion.alpha.copy_(torch.tensor([0.5, -1.0, 2.0]))
    attention = layer.attend(features)
    weights = torch.log1p(layer.fusion.alpha.exp())
    masked = [
        weight * torch.where(attention < threshold, 0.25, 1.0)[:, None] * features
        for weight, threshold in zip(weights, settings.thresholds, strict=True)
    ]
    assert torch.allclose(layer(features), sum(masked) / weights.sum(), atol=1e-6)


@pytest.mark.parametrize(
    ("std", "at_zero", "at_one", "expected"),
    [
        (0.9, 0.4558, 0.1587, 0.3363),
        (math.sqrt(0.9), 0.4580, 0.1714, 0.3435),
        (0.5, 0.4207, 0.0359, 0.2463),
    ],
)
def test_the_background_is_a_clipped_normal(std, at_zero, at_one, expected):
    assert mean_of_clipped_normal(0.1, std) == pytest.approx(expected, abs=5e-5)
    layer = make_identity(background_std=std).train()
    torch.manual_seed(0)
    drawn = layer._draw_background(torch.zeros(1, 500, 500))
    assert (drawn == 0).float().mean().item() == pytest.approx(at_zero, abs=3e-3)
    assert (drawn == 1).float().mean().item() == pytest.approx(at_one, abs=3e-3)
    assert drawn.mean().item() == pytest.approx(expected, abs=3e-3)


@given(st.floats(-1, 2), st.floats(0.05, 3))
def test_the_mean_of_a_clipped_normal_against_a_sum(mean, std):
    z = torch.linspace(-9, 9, 4_001, dtype=torch.float64)
    density = torch.exp(-z * z / 2)
    expected = ((mean + std * z).clamp(0, 1) * density).sum() / density.sum()
    assert mean_of_clipped_normal(mean, std) == pytest.approx(expected.item(), abs=1e-4)


def test_every_image_mask_and_position_draws_its_own():
    torch.manual_seed(0)
    layer = make_identity(background_mean=0.5, background_std=0.1).train()
    drawn = layer._draw_background(torch.zeros(2, 4, 4))
    assert drawn.shape == (2, 2, 4, 4)
    assert len(drawn.unique()) == drawn.numel()


def test_training_is_random_and_inference_is_not():
    torch.manual_seed(0)
    layer, features = AttentionalLocalization(16), random_map()
    assert not torch.equal(layer(features), layer(features))
    layer.eval()
    assert torch.equal(layer(features), layer(features))
    lowest = layer.weigh_positions(layer.attend(features)).min().item()
    assert lowest == pytest.approx(0.3363, abs=5e-5)


@pytest.mark.parametrize("background", ["random", 0.0, 0.5])
@pytest.mark.parametrize("is_training", [True, False])
def test_a_gradient_reaches_the_attention_layer(background, is_training):
    torch.manual_seed(0)
    layer = AttentionalLocalization(16, LocalizationSettings(background=background))
    layer.train(is_training)
    layer(random_map()).square().sum().backward()
    assert layer.attention.weight.grad.abs().sum() > 1e-3
    assert layer.attention.bias.grad.abs().sum() > 0
    assert torch.isfinite(layer.attention.weight.grad).all()


def test_the_gradient_is_that_of_the_smooth_step():
    layer = make_identity(background=0.2, thresholds=(0.5,), softness=0.1).eval()
    attention = torch.tensor([[[0.3, 0.55, 0.9]]], requires_grad=True)
    layer.weigh_positions(attention).sum().backward()
    step = torch.sigmoid((attention.detach() - 0.5) / 0.1)
    assert torch.allclose(attention.grad, 0.8 * step * (1 - step) / 0.1)


def test_training_moves_attention_to_where_the_loss_wants_it():
    torch.manual_seed(0)
    layer, features = AttentionalLocalization(16), random_map().abs()
    wanted = torch.zeros(6, 5)
    wanted[1:3, 1:4] = 1
    features[:, 3] = 3 * wanted
    for _ in range(30):
        localized = layer(features)
        loss = (localized * (1 - wanted)).mean() - (localized * wanted).mean()
        parameters = list(layer.parameters())
        gradients = torch.autograd.grad(loss, parameters)
        with torch.no_grad():
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter -= 0.1 * gradient
    masks = layer.eval().localize(features).masks[0]
    assert (masks.float() - wanted).abs().mean() < 0.1


def test_a_constant_map_is_all_foreground():
    maps = torch.full((1, 2, 3), 0.7, requires_grad=True)
    scaled = scale_to_unit_range(maps)
    assert torch.equal(scaled, torch.ones(1, 2, 3))
    scaled.sum().backward()
    assert torch.isfinite(maps.grad).all()
    layer = make_identity(background=0.0)
    assert torch.equal(layer(torch.ones(1, 1, 4, 4)), torch.ones(1, 1, 4, 4))


def test_every_image_is_scaled_by_itself():
    maps = torch.stack([_RAW, 10 * _RAW - 3])
    scaled = scale_to_unit_range(maps)
    assert torch.allclose(scaled[0], scaled[1])
    assert scaled.amin(dim=(1, 2)).tolist() == [0, 0]
    assert scaled.amax(dim=(1, 2)).tolist() == [1, 1]


def test_masks_are_nested_and_one_for_each_threshold():
    layer = AttentionalLocalization(16, LocalizationSettings(thresholds=(0.2, 0.5, 0.8)))
    found = layer.localize(random_map())
    assert found.masks.shape == (3, 3, 6, 5)
    assert torch.equal(found.masks[1], found.attention >= 0.5)
    assert (found.masks[1:] <= found.masks[:-1]).all()


@pytest.mark.parametrize("wrong", [{"thresholds": ()}, {"thresholds": (1.5,)}, {"background": 2}])
def test_settings_outside_their_range_are_refused(wrong):
    with pytest.raises(ValidationError):
        LocalizationSettings(**wrong)
