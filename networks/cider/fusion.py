"""Learnable convex combination of maps (Song et al. 2024, equation 5)."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class ConvexCombination(nn.Module):
    """Weighted mean of maps with learned positive weights, equal at the start.

    Attributes:
        alpha: float32 (num_maps,); the softplus of it is the weight.
    """

    def __init__(self, num_maps: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.zeros(num_maps))

    def weights(self) -> Tensor:
        """The weights, float32 (num_maps,), positive, of sum 1."""
        positive = functional.softplus(self.alpha.float())
        return positive / positive.sum()

    def forward(self, maps: Tensor) -> Tensor:
        """Combine maps stacked along the first axis, (num_maps, ...), to (...)."""
        combined: Tensor = torch.tensordot(self.weights().to(maps.dtype), maps, dims=1)
        return combined
