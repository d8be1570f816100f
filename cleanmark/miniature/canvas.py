"""A wall under construction: colour, relief and night glow, painted together."""

from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanmark.miniature.materials import Bytes, Colour, Floats, Material

SUBPIXEL_BITS = 4
SUBPIXELS = 2**SUBPIXEL_BITS
Window: TypeAlias = tuple[slice, slice]  # rows, columns


@dataclass(frozen=True)
class Box:
    """A rectangle on a canvas, in texels; `right` and `bottom` lie outside."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """Width in texels."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Height in texels."""
        return self.bottom - self.top

    @property
    def centre(self) -> tuple[float, float]:
        """The middle, x then y."""
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    def inset(self, sides: float, top: float | None = None, bottom: float | None = None) -> "Box":
        """Return the box moved inwards by these numbers of texels (outwards if negative)."""
        top = sides if top is None else top
        bottom = sides if bottom is None else bottom
        return Box(self.left + sides, self.top + top, self.right - sides, self.bottom - bottom)

    def corners(self) -> NDArray[np.float64]:
        """The four corners, clockwise from the top left, shape (4, 2)."""
        return np.array(
            [
                [self.left, self.top],
                [self.right, self.top],
                [self.right, self.bottom],
                [self.left, self.bottom],
            ]
        )


class Canvas:
    """Arrays that ornaments are painted on.

    Attributes:
        albedo: RGB, shape (height, width, 3), float32 in 0..255.
        height: Relief in texels, shape (height, width), float32.
        glow: Light given off at night, shape (height, width), float32 in 0..255.
        texels_per_metre: Scale of the canvas.
    """

    def __init__(self, albedo: Floats, height: Floats, texels_per_metre: float) -> None:
        self.albedo = np.asarray(albedo, np.float32)
        self.height = np.asarray(height, np.float32)
        self.glow = np.zeros(height.shape, np.float32)
        self.texels_per_metre = texels_per_metre

    @property
    def shape_px(self) -> tuple[int, int]:
        """Height and width."""
        return int(self.height.shape[0]), int(self.height.shape[1])

    @property
    def box(self) -> Box:
        """The whole canvas."""
        return Box(0, 0, self.shape_px[1], self.shape_px[0])

    def fill(
        self,
        outline: NDArray[np.float64],
        paint: Colour | Floats,
        *,
        raise_by: float | None = None,
        glow: float | None = None,
    ) -> None:
        """Paint a polygon.

        Args:
            outline: Corners in texels, x then y, shape (n, 2).
            paint: One colour 0..255, or an RGB patch that covers the polygon's bounding box.
            raise_by: New relief inside, in texels above the wall; None leaves the relief alone.
            glow: New night glow inside, 0..255; None leaves it alone.
        """
        stencil = self._cut_stencil(outline)
        if stencil is None:
            return
        window, mask = stencil
        fresh = np.array(paint, np.float32) if isinstance(paint, tuple) else _fit(paint, mask)
        _blend(self.albedo[window], fresh, mask[..., None])
        if raise_by is not None:
            _blend(self.height[window], np.float32(raise_by), mask)
        if glow is not None:
            _blend(self.glow[window], np.float32(glow), mask)

    def shade(self, outline: NDArray[np.float64], factor: float, blur_px: float) -> None:
        """Darken (or lighten) the surroundings of a polygon, as dirt or a soft shadow does."""
        stencil = self._cut_stencil(outline, margin_px=int(2 * blur_px) + 1)
        if stencil is None:
            return
        window, mask = stencil
        soft = np.asarray(cv2.GaussianBlur(mask, (0, 0), max(blur_px, 0.3)), np.float32)
        self.albedo[window] *= (1 + np.float32(factor - 1) * soft)[..., None]

    def finish(self, alpha: Bytes | None = None) -> Material:
        """Return the painted surface."""
        glow = np.clip(self.glow, 0, 255).astype(np.uint8)
        albedo = np.clip(self.albedo, 0, 255).astype(np.uint8)
        return Material(albedo, self.height, glow if glow.any() else None, alpha)

    def _cut_stencil(
        self, outline: NDArray[np.float64], margin_px: int = 0
    ) -> tuple[Window, Floats] | None:
        """Return where on the canvas a polygon lies and its coverage 0..1 there."""
        fixed = (outline * SUBPIXELS - (SUBPIXELS / 2 - 0.5)).astype(np.int32)
        x, y, width, height = cv2.boundingRect(fixed)
        left, top = max(x // SUBPIXELS - margin_px, 0), max(y // SUBPIXELS - margin_px, 0)
        right = min((x + width) // SUBPIXELS + 2 + margin_px, self.shape_px[1])
        bottom = min((y + height) // SUBPIXELS + 2 + margin_px, self.shape_px[0])
        if right <= left or bottom <= top:
            return None
        mask = np.zeros((bottom - top, right - left), np.uint8)
        moved = fixed - np.array([left * SUBPIXELS, top * SUBPIXELS], np.int32)
        cv2.fillPoly(mask, [moved], 255, cv2.LINE_AA, SUBPIXEL_BITS)
        coverage = np.multiply(mask, np.float32(1 / 255), dtype=np.float32)
        return (slice(top, bottom), slice(left, right)), coverage


def _blend(target: Floats, fresh: Floats | np.float32, share: Floats) -> None:
    target += share * (fresh - target)


def _fit(patch: Floats, mask: Floats) -> Floats:
    """Stretch a patch over a stencil, a texel or two larger than the box it was made for."""
    if patch.shape[:2] == mask.shape:
        return patch
    return np.asarray(cv2.resize(patch, (mask.shape[1], mask.shape[0])), np.float32)
