"""Margins on the angle between a descriptor and the weight vector of its class.

ArcFace (Deng et al. 2019) adds the margin to the angle, CosFace (Wang et al. 2018) subtracts it
from the cosine. Beyond pi - m the cosine of the larger angle would rise again; there are three
habits of going on from there.
"""

import math
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from manifests.strict_model import StrictModel

Continuation = Literal["hard_margin", "easy_margin", "keep_cosine"]

_COSINE_LIMIT = 1.0 - 1e-7
"""At a cosine of exactly 1 the gradient of the sine is infinite."""


class MarginSettings(StrictModel):
    """The margin, the scale of the logits, and the class weights."""

    kind: Literal["arcface", "cosface"] = "arcface"
    """`arcface`: additive on the angle; `cosface`: subtractive on the cosine."""
    margin: float = Field(0.3, ge=0, lt=math.pi / 2)
    """In radians for ArcFace, a cosine for CosFace."""
    continuation: Continuation = "hard_margin"
    """ArcFace at angles above pi - margin. `hard_margin`: cosine minus margin times sin(margin);
    `keep_cosine`: the cosine as it is; `easy_margin`: no margin at all above a right angle."""
    scale: Annotated[float, Field(gt=0)] | Literal["sqrt_d"] = 30.0
    """Factor of the cosines; `sqrt_d`: the square root of the descriptor's length."""
    sub_centers: int = Field(1, ge=1, le=16)
    """Weight vectors per class, of which the nearest counts (Deng et al. 2020)."""
    chunk_classes: int = Field(8192, ge=1)
    """Classes whose logits exist at a time."""

    def resolve_scale(self, dimensions: int) -> float:
        """The factor for descriptors of so many dimensions."""
        return math.sqrt(dimensions) if self.scale == "sqrt_d" else self.scale


def widen_angle(cosine: Tensor, margin: float, continuation: Continuation) -> Tensor:
    """Cosine of the angle enlarged by an ArcFace margin.

    Args:
        cosine: float32, any shape, cosines between descriptors and the weights of their classes.
        margin: radians.
        continuation: what holds beyond pi - margin, see `MarginSettings`.

    Returns:
        Of the same shape.
    """
    cosine = cosine.clamp(-_COSINE_LIMIT, _COSINE_LIMIT)
    sine = (1.0 - cosine.square()).clamp(min=0.0).sqrt()
    widened = cosine * math.cos(margin) - sine * math.sin(margin)
    if continuation == "easy_margin":
        return torch.where(cosine > 0, widened, cosine)
    beyond = cosine
    if continuation == "hard_margin":
        beyond = cosine - margin * math.sin(margin)
    return torch.where(cosine > -math.cos(margin), widened, beyond)


def apply_margin(cosine: Tensor, settings: MarginSettings) -> Tensor:
    """Make the cosine with the right class harder to reach, as the settings say."""
    if settings.kind == "cosface":
        return cosine - settings.margin
    return widen_angle(cosine, settings.margin, settings.continuation)
