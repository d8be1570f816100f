"""Attentional localization: which positions show the object (Song et al. 2024, section 4).

A spatial attention map is cut at T thresholds. Below a threshold a mask lets only a random part of
the feature through, above it the whole. The masked maps are combined with learned weights.

Read with care. The paper clips its random background by min(0, max(1, x)), which is always 0; what
its text and its ablation describe is min(1, max(0, x)). It gives no thresholds: here they divide
[0, 1] evenly. A mask has no gradient of its own, so the attention layer would never be trained:
here the backward pass sees a smooth step in place of the mask (straight-through). And indexing must
not be random: at inference the background is the expected value of the random one.
"""

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from manifests.strict_model import StrictModel
from networks.cider.fusion import ConvexCombination

_MIN_SPAN = 1e-6

Fraction = Annotated[float, Field(ge=0, le=1)]


class LocalizationSettings(StrictModel):
    """Thresholds of the masks and what is left of the background."""

    thresholds: tuple[Fraction, ...] = Field((1 / 3, 2 / 3), min_length=1)
    """One mask per threshold on the attention, which lies in [0, 1]."""
    background: Literal["random"] | Fraction = "random"
    """Share of a feature below the threshold: drawn anew for every image, mask and position while
    training, or a fixed number."""
    background_mean: float = 0.1
    """Mean of the normal distribution that is clipped to [0, 1]."""
    background_std: float = Field(0.9, gt=0)
    """Its standard deviation."""
    softness: float = Field(0.1, gt=0)
    """Width of the smooth step that stands in for a mask in the backward pass."""

    @property
    def expected_background(self) -> float:
        """The background at inference."""
        if self.background == "random":
            return mean_of_clipped_normal(self.background_mean, self.background_std)
        return self.background


@dataclass(frozen=True, eq=False)
class Localization:
    """Where the object is.

    Attributes:
        attention: float32 (batch, rows, columns) in [0, 1].
        masks: bool (T, batch, rows, columns), the foreground at each threshold.
    """

    attention: Tensor
    masks: Tensor


class AttentionalLocalization(nn.Module):
    """Lets the object through and dampens what surrounds it."""

    thresholds: Tensor

    def __init__(self, num_channels: int, settings: LocalizationSettings | None = None) -> None:
        super().__init__()
        self.settings = settings or LocalizationSettings()
        self.attention = nn.Conv2d(num_channels, 1, 1)
        self.fusion = ConvexCombination(len(self.settings.thresholds))
        thresholds = torch.tensor(self.settings.thresholds).view(-1, 1, 1, 1)
        self.register_buffer("thresholds", thresholds, persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """Dampen the background of (batch, channels, rows, columns)."""
        masks = self.weigh_positions(self.attend(features))
        # The combination of masked maps is the map masked by the combination of masks.
        weights: Tensor = self.fusion(masks)
        return features * weights[:, None].to(features.dtype)

    def attend(self, features: Tensor) -> Tensor:
        """The attention of (batch, channels, rows, columns): float32 (batch, rows, columns)."""
        raw = self.attention(features).squeeze(1)
        return scale_to_unit_range(functional.softplus(raw.float()))

    def localize(self, features: Tensor) -> Localization:
        """Attention and masks of (batch, channels, rows, columns)."""
        attention = self.attend(features)
        return Localization(attention, attention >= self.thresholds)

    def weigh_positions(self, attention: Tensor) -> Tensor:
        """Masks with background, float32 (T, batch, rows, columns): hard forward, soft backward."""
        background = self._draw_background(attention)
        hard = torch.where(attention >= self.thresholds, 1.0, background)
        step = torch.sigmoid((attention - self.thresholds) / self.settings.softness)
        soft = background + (1.0 - background) * step
        return hard + (soft - soft.detach())

    def _draw_background(self, attention: Tensor) -> Tensor:
        shape = (len(self.settings.thresholds), *attention.shape)
        if self.training and self.settings.background == "random":
            drawn = torch.randn(shape, device=attention.device)
            drawn = drawn * self.settings.background_std + self.settings.background_mean
            return drawn.clamp(0.0, 1.0)
        return attention.new_full(shape, self.settings.expected_background)


def scale_to_unit_range(maps: Tensor) -> Tensor:
    """Scale every map of (batch, rows, columns) linearly to [0, 1].

    A constant map becomes 1: where nothing stands out, nothing is background.
    """
    lowest = maps.amin(dim=(-2, -1), keepdim=True)
    span = maps.amax(dim=(-2, -1), keepdim=True) - lowest
    scaled = (maps - lowest) / span.clamp(min=_MIN_SPAN)
    return torch.where(span < _MIN_SPAN, torch.ones_like(maps), scaled)


def mean_of_clipped_normal(mean: float, std: float) -> float:
    """Expected value of a normal variable that is clipped to [0, 1]."""
    low, high = -mean / std, (1.0 - mean) / std
    inside = _probability_below(high) - _probability_below(low)
    above = 1.0 - _probability_below(high)
    return mean * inside - std * (_density(high) - _density(low)) + above


def _probability_below(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


def _density(z: float) -> float:
    return math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
