"""Flat surfaces: what they look like, how rough they are, what of them glows at night."""

from dataclasses import dataclass, field
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes: TypeAlias = NDArray[np.uint8]
Floats: TypeAlias = NDArray[np.float32]
Colour: TypeAlias = tuple[float, float, float]

SMALLEST_LEVEL_PX = 4
RELIEF_STRENGTH = 1.6  # of the light's change per unit of slope; chosen by eye


@dataclass(frozen=True)
class SurfaceLevel:
    """One resolution of a material.

    Attributes:
        albedo: Reflected share of the light, RGB in 0..1, shape (height, width, 3), float32.
        slope_u: Slope of the relief towards the right, shape (height, width), float32, or None.
        slope_v: Slope of the relief downwards, same shape, or None.
        glow: Light given off at night, 0..1, same shape, or None.
        alpha: Opacity 0..1, same shape, or None where the surface is opaque.
    """

    albedo: Floats
    slope_u: Floats | None
    slope_v: Floats | None
    glow: Floats | None
    alpha: Floats | None

    def halve(self) -> "SurfaceLevel":
        """Return the surface at half the resolution."""
        return SurfaceLevel(
            albedo=_halve(self.albedo),
            slope_u=None if self.slope_u is None else _halve(self.slope_u),
            slope_v=None if self.slope_v is None else _halve(self.slope_v),
            glow=None if self.glow is None else _halve(self.glow),
            alpha=None if self.alpha is None else _halve(self.alpha),
        )


@dataclass
class Material:
    """A textured surface with its halved resolutions, which are made when first asked for.

    Attributes:
        albedo: RGB, shape (height, width, 3), uint8.
        height: Relief in texels, shape (height, width), float32, or None for a smooth surface.
        glow: Light given off at night, shape (height, width), uint8, or None.
        alpha: Opacity, shape (height, width), uint8, or None where opaque.
    """

    albedo: Bytes
    height: Floats | None = None
    glow: Bytes | None = None
    alpha: Bytes | None = None
    _levels: list[SurfaceLevel] = field(default_factory=list, repr=False)

    @property
    def width_px(self) -> int:
        """Width of the finest level."""
        return int(self.albedo.shape[1])

    @property
    def height_px(self) -> int:
        """Height of the finest level."""
        return int(self.albedo.shape[0])

    def find_level(self, texels_per_pixel: float) -> tuple[int, SurfaceLevel]:
        """Return the level whose texels are about as large as the pixels they will land on.

        Minifying a texture by more than two aliases, and aliases look like key points
        (Williams 1983, "Pyramidal parametrics").
        """
        wanted = max(0, round(float(np.log2(max(texels_per_pixel, 1e-6)))))
        while len(self._levels) <= wanted and self._can_halve():
            self._levels.append(self._next_level())
        number = min(wanted, len(self._levels) - 1)
        return number, self._levels[number]

    def _can_halve(self) -> bool:
        if not self._levels:
            return True
        height, width = self._levels[-1].albedo.shape[:2]
        return bool(min(height, width) >= 2 * SMALLEST_LEVEL_PX)

    def _next_level(self) -> SurfaceLevel:
        if self._levels:
            return self._levels[-1].halve()
        slope_u, slope_v = _measure_slopes(self.height)
        return SurfaceLevel(
            albedo=_to_unit(self.albedo),
            slope_u=slope_u,
            slope_v=slope_v,
            glow=None if self.glow is None else _to_unit(self.glow),
            alpha=None if self.alpha is None else _to_unit(self.alpha),
        )


def _to_unit(values: Bytes) -> Floats:
    return np.asarray(values, np.float32) * np.float32(1 / 255)


def _measure_slopes(height: Floats | None) -> tuple[Floats | None, Floats | None]:
    if height is None:
        return None, None
    slope_u = cv2.Sobel(height, cv2.CV_32F, 1, 0, scale=0.125 * RELIEF_STRENGTH)
    slope_v = cv2.Sobel(height, cv2.CV_32F, 0, 1, scale=0.125 * RELIEF_STRENGTH)
    return np.asarray(slope_u, np.float32), np.asarray(slope_v, np.float32)


def _halve(values: Floats) -> Floats:
    size = (max(1, values.shape[1] // 2), max(1, values.shape[0] // 2))
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), np.float32)
