"""Selective context: how much of the surroundings a position should see.

Song et al. 2024, Table A15, compare atrous spatial pyramid pooling, selective kernels, and
selective kernels whose branches are first fused by a learned convex combination (their choice).
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from networks.cider.fusion import ConvexCombination

Context = Literal["sknet_learned", "sknet", "aspp"]

_GROUPS = 32
_MIN_SQUEEZED = 32
_DILATIONS = (1, 2)
_ATROUS_RATES = (6, 12, 18)
_ASPP_WIDTH = 256


class SelectiveKernels(nn.Module):
    """Branches of different reach; every channel chooses among them (Li et al. 2019)."""

    def __init__(self, num_channels: int, *, learned_fusion: bool, reduction: int = 16) -> None:
        """Build the branches.

        Args:
            num_channels: channels of the map, a multiple of 32.
            learned_fusion: fuse the branches by a learned convex combination before channels
                choose, and not by their sum.
            reduction: factor of the bottleneck that the choice goes through.
        """
        super().__init__()
        squeezed = max(num_channels // reduction, _MIN_SQUEEZED)
        self.branches = nn.ModuleList(
            _make_convolution(num_channels, num_channels, 3, dilation, _GROUPS)
            for dilation in _DILATIONS
        )
        self.fusion = ConvexCombination(len(_DILATIONS)) if learned_fusion else None
        self.squeeze = nn.Linear(num_channels, squeezed, bias=False)
        self.bn = nn.BatchNorm1d(squeezed)
        self.choices = nn.ModuleList(
            nn.Linear(squeezed, num_channels, bias=False) for _ in _DILATIONS
        )

    def forward(self, features: Tensor) -> Tensor:
        """Mix the branches of (batch, channels, rows, columns), channel by channel."""
        branches = torch.stack([branch(features) for branch in self.branches])
        fused = branches.sum(dim=0) if self.fusion is None else self.fusion(branches)
        squeezed = functional.relu(self.bn(self.squeeze(fused.mean(dim=(-2, -1)))))
        chosen = torch.stack([choice(squeezed) for choice in self.choices]).softmax(dim=0)
        return (branches * chosen[..., None, None]).sum(dim=0)


class AtrousPyramid(nn.Module):
    """Dilated convolutions and the whole image side by side (Chen et al. 2017, DeepLab v3)."""

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            [
                _make_convolution(num_channels, _ASPP_WIDTH, 1),
                *(_make_convolution(num_channels, _ASPP_WIDTH, 3, r) for r in _ATROUS_RATES),
            ]
        )
        self.image_level = _make_convolution(num_channels, _ASPP_WIDTH, 1)
        num_gathered = _ASPP_WIDTH * (len(_ATROUS_RATES) + 2)
        self.output = _make_convolution(num_gathered, num_channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Gather context for (batch, channels, rows, columns)."""
        whole = self.image_level(features.mean(dim=(-2, -1), keepdim=True))
        gathered = [branch(features) for branch in self.branches]
        gathered.append(whole.expand(-1, -1, *features.shape[-2:]))
        output: Tensor = self.output(torch.cat(gathered, dim=1))
        return output


def build_context(kind: Context, num_channels: int) -> nn.Module:
    """Build one of the three for maps of `num_channels`."""
    if kind == "aspp":
        return AtrousPyramid(num_channels)
    return SelectiveKernels(num_channels, learned_fusion=kind == "sknet_learned")


def _make_convolution(
    num_inputs: int, num_outputs: int, size: int, dilation: int = 1, groups: int = 1
) -> nn.Sequential:
    padding = dilation * (size // 2)
    return nn.Sequential(
        nn.Conv2d(num_inputs, num_outputs, size, 1, padding, dilation, groups=groups, bias=False),
        nn.BatchNorm2d(num_outputs),
        nn.ReLU(inplace=True),
    )
