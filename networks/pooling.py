"""From a map of local features to one vector: GeM, SPoC and MAC, and L2 normalisation."""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from manifests.strict_model import StrictModel
from networks.precision import without_autocast


class PoolingSettings(StrictModel):
    """How a map becomes a vector."""

    kind: Literal["gem", "spoc", "mac"] = "gem"
    """`gem`: generalised mean; `spoc`: mean; `mac`: maximum."""
    p: float = Field(3.0, ge=1, le=100)
    """Exponent of the generalised mean at the start; it is learned (Radenović et al. 2019)."""
    per_channel: bool = False
    """One exponent for each channel instead of one for all."""
    min_value: float = Field(1e-6, gt=0)
    """Activations below this are raised to it: a power of a negative number has no meaning."""


class GeM(nn.Module):
    """Generalised mean over the positions of a map (Radenović et al. 2019, section 3.2).

    Attributes:
        p: the exponent, float32 (1,) or (channels,); 1 is the mean, infinity the maximum.
    """

    def __init__(self, *, p: float = 3.0, num_exponents: int = 1, min_value: float = 1e-6) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.full((num_exponents,), p))
        self.min_value = min_value

    def forward(self, features: Tensor) -> Tensor:
        """Pool (batch, channels, rows, columns) to float32 (batch, channels).

        In half precision the cube of an activation of 50 is infinite, so this is computed in
        single precision even inside autocast.
        """
        with without_autocast(features.device):
            p = self.p.float()
            clamped = features.float().clamp(min=self.min_value)
            mean = clamped.pow(p[:, None, None]).mean(dim=(-2, -1))
            return mean.pow(1.0 / p)


class SPoC(nn.Module):
    """Mean over the positions of a map (Babenko and Lempitsky 2015)."""

    def forward(self, features: Tensor) -> Tensor:
        """Pool (batch, channels, rows, columns) to float32 (batch, channels)."""
        return features.float().mean(dim=(-2, -1))


class MAC(nn.Module):
    """Maximum over the positions of a map (Razavian et al. 2016)."""

    def forward(self, features: Tensor) -> Tensor:
        """Pool (batch, channels, rows, columns) to float32 (batch, channels)."""
        return features.float().amax(dim=(-2, -1))


def build_pooling(settings: PoolingSettings, num_channels: int) -> nn.Module:
    """Build the pooling layer for maps of `num_channels`."""
    if settings.kind == "spoc":
        return SPoC()
    if settings.kind == "mac":
        return MAC()
    num_exponents = num_channels if settings.per_channel else 1
    return GeM(p=settings.p, num_exponents=num_exponents, min_value=settings.min_value)


def l2_normalise(vectors: Tensor) -> Tensor:
    """Scale vectors (..., d) to unit length, in float32; a zero vector stays zero."""
    with without_autocast(vectors.device):
        return functional.normalize(vectors.float(), dim=-1)
