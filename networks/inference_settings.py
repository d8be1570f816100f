"""How a network is applied to images; no torch here, so that whoever reads settings needs none."""

from typing import Literal

from pydantic import Field, field_validator

from manifests.strict_model import StrictModel

SIDE_MULTIPLE_PX = 32
"""The stride of the deepest maps: sides that it divides leave no border unseen."""

Precision = Literal["float32", "bfloat16", "float16"]


class InferenceSettings(StrictModel):
    """Size, scales and precision of the description."""

    long_side_px: int = Field(1024, ge=SIDE_MULTIPLE_PX, multiple_of=SIDE_MULTIPLE_PX)
    """Images are reduced to this, never enlarged."""
    scales: tuple[float, ...] = Field((0.4, 0.5, 0.7, 1.0, 1.4), min_length=1)
    """Factors of that size at which an image is described (Song et al. 2024, Table A19)."""
    scale_power: float = Field(1.0, gt=0)
    """Exponent of the mean over the scales; 1 is the plain mean."""
    batch_size: int = Field(16, ge=1)
    """Images at a time; halved whenever the device's memory does not suffice."""
    precision: Precision = "float32"
    """Of the convolutions. Half precision is for GPUs; pooling is always in float32."""

    @field_validator("scales")
    @classmethod
    def _check_scales(cls, scales: tuple[float, ...]) -> tuple[float, ...]:
        if not all(0 < scale < float("inf") for scale in scales):
            raise ValueError("a scale must be a number above 0")
        return scales
