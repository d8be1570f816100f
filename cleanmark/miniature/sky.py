"""Seasons, weather and time of day, and the sky they make."""

from dataclasses import dataclass

import cv2
import numpy as np

from cleanmark.miniature.camera import Camera, Matrix
from cleanmark.miniature.light import Light
from cleanmark.miniature.materials import Colour, Floats
from cleanmark.miniature.noise import draw_fractal_noise

Rng = np.random.Generator
SKY_STEP_PX = 3
SEASONS = ("spring", "summer", "autumn", "winter")
WEATHERS = ("clear", "fair", "overcast", "hazy", "rain", "snow", "evening", "night")
WEATHER_SHARES = {
    "spring": (0.2, 0.34, 0.2, 0.08, 0.1, 0.0, 0.08, 0.0),
    "summer": (0.34, 0.34, 0.1, 0.1, 0.04, 0.0, 0.08, 0.0),
    "autumn": (0.15, 0.27, 0.26, 0.1, 0.12, 0.0, 0.1, 0.0),
    "winter": (0.2, 0.2, 0.3, 0.1, 0.03, 0.12, 0.05, 0.0),
}


@dataclass(frozen=True)
class Conditions:
    """What the world is like when a picture is taken.

    Attributes:
        season: One of `SEASONS`.
        weather: One of `WEATHERS`.
        light: The light it makes.
        horizon: Colour of the sky low down.
        zenith: Colour of the sky high up.
        cloud_cover: Share of the sky in clouds, 0..1.
        has_snow: Whether snow lies on the ground.
    """

    season: str
    weather: str
    light: Light
    horizon: Colour
    zenith: Colour
    cloud_cover: float
    has_snow: bool


def draw_conditions(rng: Rng, weather: str | None = None) -> Conditions:
    """Draw a season, a weather (unless given) and the light that belongs to them."""
    season = str(rng.choice(SEASONS))
    if weather is None:
        weather = str(rng.choice(WEATHERS, p=WEATHER_SHARES[season]))
    horizon, zenith = _colour_sky(rng, weather)
    cover = {"clear": 0.08, "fair": 0.45, "hazy": 0.3, "evening": 0.4, "night": 0.2}.get(weather, 1)
    return Conditions(
        season=season,
        weather=weather,
        light=_make_light(rng, weather, horizon),
        horizon=horizon,
        zenith=zenith,
        cloud_cover=cover,
        has_snow=weather == "snow" or (season == "winter" and bool(rng.random() < 0.25)),
    )


def _colour_sky(rng: Rng, weather: str) -> tuple[Colour, Colour]:
    palette: dict[str, tuple[Colour, Colour]] = {
        "clear": ((0.74, 0.84, 0.95), (0.25, 0.45, 0.8)),
        "fair": ((0.76, 0.85, 0.94), (0.32, 0.52, 0.82)),
        "hazy": ((0.88, 0.88, 0.86), (0.6, 0.7, 0.8)),
        "evening": ((0.98, 0.7, 0.45), (0.36, 0.42, 0.62)),
        "night": ((0.09, 0.1, 0.16), (0.02, 0.03, 0.08)),
    }
    grey: tuple[Colour, Colour] = ((0.84, 0.86, 0.88), (0.66, 0.69, 0.73))
    horizon, zenith = palette.get(weather, grey)
    tone = rng.uniform(0.93, 1.05, 3)
    return _times(horizon, tone), _times(zenith, tone)


def _times(colour: Colour, factors: Matrix) -> Colour:
    red, green, blue = np.array(colour) * factors
    return float(red), float(green), float(blue)


def _make_light(rng: Rng, weather: str, haze: Colour) -> Light:
    elevation = np.radians(rng.uniform(22, 58) if weather != "evening" else rng.uniform(9, 16))
    azimuth = np.radians(rng.normal(0, 55))  # mostly behind the photographer
    to_sun = np.array(
        [
            np.sin(azimuth) * np.cos(elevation),
            -np.cos(azimuth) * np.cos(elevation),
            np.sin(elevation),
        ]
    )
    sun: dict[str, Colour] = {
        "clear": (0.78, 0.74, 0.66),
        "fair": (0.68, 0.65, 0.58),
        "hazy": (0.4, 0.38, 0.33),
        "evening": (0.85, 0.58, 0.34),
        "night": (0.0, 0.0, 0.0),
    }
    sky: dict[str, Colour] = {
        "clear": (0.38, 0.43, 0.52),
        "fair": (0.44, 0.48, 0.54),
        "hazy": (0.62, 0.63, 0.63),
        "evening": (0.36, 0.36, 0.44),
        "night": (0.25, 0.24, 0.3),
    }
    haze_metres = {"hazy": rng.uniform(90, 160), "rain": 180, "snow": 140, "clear": 900}
    shadow = {"clear": 0.45, "fair": 0.55, "evening": 0.5, "hazy": 0.8}
    return Light(
        to_sun=to_sun,
        sun=sun.get(weather, (0.08, 0.08, 0.08)),
        sky=sky.get(weather, (0.82, 0.84, 0.87)),
        haze=haze,
        haze_per_metre=1 / float(haze_metres.get(weather, 450)),
        glow=0.85 if weather == "night" else 0.0,
        shadow=shadow.get(weather, 1.0),
    )


def draw_sky(rng: Rng, camera: Camera, conditions: Conditions) -> Floats:
    """Paint the sky behind everything, shape (height, width, 3), float32, 1 being white."""
    elevation = _measure_elevation(camera)
    share = np.clip(elevation / 0.9, 0, 1) ** 0.6
    low = np.array(conditions.horizon, np.float32)
    high = np.array(conditions.zenith, np.float32)
    sky = low + share[..., None] * (high - low)
    clouds = _draw_clouds(rng, elevation.shape, conditions.cloud_cover)
    if conditions.cloud_cover < 1:
        white = np.minimum(low * 1.12, 1)
        opacity = clouds * np.clip(elevation * 6, 0, 1) * np.float32(0.85)
        sky += opacity[..., None] * (white - sky)
    else:
        sky *= (0.9 + 0.14 * clouds)[..., None]
    size = (camera.width_px, camera.height_px)
    return np.asarray(cv2.resize(sky, size, interpolation=cv2.INTER_LINEAR), np.float32)


def _measure_elevation(camera: Camera) -> Floats:
    """Sine of the angle above the horizon of every few pixels' ray; a sky is smooth."""
    a, b, c = camera.rotation[:, 2] @ np.linalg.inv(camera.intrinsics)
    x = np.arange(SKY_STEP_PX / 2, camera.width_px, SKY_STEP_PX)[None]
    y = np.arange(SKY_STEP_PX / 2, camera.height_px, SKY_STEP_PX)[:, None]
    focal = camera.intrinsics[0, 0]
    across, down = (x - camera.width_px / 2) / focal, (y - camera.height_px / 2) / focal
    return np.asarray((a * x + b * y + c) / np.sqrt(1 + across**2 + down**2), np.float32)


def _draw_clouds(rng: Rng, shape: tuple[int, ...], cover: float) -> Floats:
    # Drawn narrow, then widened: clouds lie flat.
    narrow = (shape[0], max(shape[1] // 2, 4))
    field = draw_fractal_noise(rng, narrow, shape[0] / 2, num_octaves=5)
    if cover < 1:
        field = np.clip((field - 1.4 + 2.4 * cover) * 0.8, 0, 1)
    size = (shape[1], shape[0])
    return np.asarray(cv2.resize(field, size, interpolation=cv2.INTER_LINEAR), np.float32)
