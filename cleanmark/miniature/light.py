"""Sun, sky and air: what a material looks like under them."""

from dataclasses import dataclass

import numpy as np

from cleanmark.miniature.camera import Matrix
from cleanmark.miniature.materials import Colour, Floats, SurfaceLevel
from cleanmark.miniature.solids import UP

BRIGHTEST_SLOPE = 1.4  # a rim that faces the sun squarely may glare, not burn out
GLOW_COLOUR = np.array([1.0, 0.78, 0.45], np.float32)  # lamps behind window panes


@dataclass(frozen=True)
class Light:
    """The light of one moment.

    Attributes:
        to_sun: Unit vector towards the sun, shape (3,).
        sun: Its strength in red, green and blue; 1 is a full exposure of white.
        sky: Strength of the light from all over the sky.
        haze: Colour of the air in the distance.
        haze_per_metre: Rate at which the air covers what lies behind it.
        glow: Strength of lamps and lit windows; 0 by day.
        shadow: Share of light left in a cast shadow on the ground.
    """

    to_sun: Matrix
    sun: Colour
    sky: Colour
    haze: Colour
    haze_per_metre: float
    glow: float = 0.0
    shadow: float = 0.5


def shade_surface(
    level: SurfaceLevel, light: Light, axis_u: Matrix, axis_v: Matrix, normal: Matrix
) -> Floats:
    """Light a surface: Lambert's law on the relief, plus the sky and the glow.

    Returns:
        RGB or, where the surface is partly transparent, RGB and opacity; shape
        (height, width, 3 or 4), float32, 1 being white.
    """
    facing = float(light.to_sun @ normal)
    skylight = 0.75 + 0.25 * float(normal @ UP)
    sun = np.array(light.sun, np.float32)
    sky = np.array(light.sky, np.float32) * np.float32(skylight)
    if level.slope_u is None or level.slope_v is None:
        lit = level.albedo * (sun * np.float32(max(facing, 0.0)) + sky)
    else:
        along_u, along_v = float(light.to_sun @ axis_u), float(light.to_sun @ axis_v)
        direct = facing - level.slope_u * along_u - level.slope_v * along_v
        direct = np.clip(direct, 0, BRIGHTEST_SLOPE if facing > 0 else 0)
        # The sky is brighter above: ledges gain, undersides lose.
        diffuse = np.clip(1 + 0.35 * level.slope_v * float(axis_v @ UP), 0.25, 1.5)
        lit = level.albedo * (direct[..., None] * sun + diffuse[..., None] * sky)
    if level.glow is not None and light.glow > 0:
        lit += np.float32(light.glow) * level.glow[..., None] * GLOW_COLOUR
    shaded = lit if level.alpha is None else np.dstack([lit, level.alpha])
    return np.asarray(shaded, np.float32)
