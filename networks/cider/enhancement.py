"""Backbone enhancement: which channels of the map matter for this image.

Song et al. 2024, Table A14, compare four: squeeze and excitation (their choice), efficient channel
attention, non-local and gather-excite.
"""

import math
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

Enhancement = Literal["se", "eca", "nl", "ge"]

_NUM_GATHERING_STEPS = 3
"""Three convolutions of stride 2: gather-excite of extent 8."""


class SqueezeExcitation(nn.Module):
    """A gate per channel from the means of all channels (Hu et al. 2018)."""

    def __init__(self, num_channels: int, reduction: int = 16) -> None:
        super().__init__()
        self.squeeze = nn.Linear(num_channels, num_channels // reduction, bias=False)
        self.excite = nn.Linear(num_channels // reduction, num_channels, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Scale the channels of (batch, channels, rows, columns)."""
        gates = self.excite(functional.relu(self.squeeze(features.mean(dim=(-2, -1)))))
        scaled: Tensor = features * gates.sigmoid()[:, :, None, None]
        return scaled


class EfficientChannelAttention(nn.Module):
    """A gate per channel from the means of the channels beside it (Wang et al. 2020)."""

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        size = adapt_kernel_size(num_channels)
        self.convolution = nn.Conv1d(1, 1, size, padding=size // 2, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Scale the channels of (batch, channels, rows, columns)."""
        means = features.mean(dim=(-2, -1))
        gates = self.convolution(means[:, None, :]).squeeze(1).sigmoid()
        scaled: Tensor = features * gates[:, :, None, None]
        return scaled


class NonLocal(nn.Module):
    """Every position looks at all others (Wang et al. 2018, embedded Gaussian); starts idle."""

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.theta = nn.Conv2d(num_channels, num_channels // 2, 1)
        self.phi = nn.Conv2d(num_channels, num_channels // 2, 1)
        self.g = nn.Conv2d(num_channels, num_channels // 2, 1)
        self.output = nn.Conv2d(num_channels // 2, num_channels, 1)
        self.bn = nn.BatchNorm2d(num_channels)
        nn.init.zeros_(self.bn.weight)

    def forward(self, features: Tensor) -> Tensor:
        """Add to (batch, channels, rows, columns) what the other positions contribute."""
        queries, keys, values = (
            layer(features).flatten(2).transpose(1, 2) for layer in (self.theta, self.phi, self.g)
        )
        attention = (queries @ keys.transpose(1, 2)).softmax(dim=-1)
        gathered = (attention @ values).transpose(1, 2).unflatten(2, features.shape[-2:])
        added: Tensor = features + self.bn(self.output(gathered))
        return added


class GatherExcite(nn.Module):
    """A gate per channel and neighbourhood, gathered by depth-wise convolutions (Hu et al. 2018b).

    With means instead of convolutions and the whole map as neighbourhood it would be squeeze and
    excitation.
    """

    def __init__(self, num_channels: int, reduction: int = 16) -> None:
        super().__init__()
        steps = [_make_gathering_step(num_channels) for _ in range(_NUM_GATHERING_STEPS)]
        self.gather = nn.Sequential(*steps)
        self.squeeze = nn.Conv2d(num_channels, num_channels // reduction, 1)
        self.excite = nn.Conv2d(num_channels // reduction, num_channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Scale (batch, channels, rows, columns), neighbourhood by neighbourhood."""
        coarse = self.excite(functional.relu(self.squeeze(self.gather(features))))
        gates = functional.interpolate(coarse.sigmoid(), features.shape[-2:], mode="nearest")
        return features * gates


def adapt_kernel_size(num_channels: int) -> int:
    """Size of the 1-D convolution of efficient channel attention (Wang et al. 2020, equation 12).

    It is (log2(channels) + 1) / 2, cut to a whole number and made odd.
    """
    size = int(abs(math.log2(num_channels) + 1) / 2)
    return size if size % 2 else size + 1


def build_enhancement(kind: Enhancement, num_channels: int) -> nn.Module:
    """Build one of the four for maps of `num_channels`."""
    builders: dict[Enhancement, type[nn.Module]] = {
        "se": SqueezeExcitation,
        "eca": EfficientChannelAttention,
        "nl": NonLocal,
        "ge": GatherExcite,
    }
    return builders[kind](num_channels)


def _make_gathering_step(num_channels: int) -> nn.Sequential:
    convolution = nn.Conv2d(num_channels, num_channels, 3, 2, 1, groups=num_channels, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(num_channels))
