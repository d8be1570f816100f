"""From a rendered view to a photograph: rain, lens, exposure, sensor."""

from dataclasses import dataclass

import cv2
import numpy as np

from cleanmark.miniature.materials import Bytes, Floats
from cleanmark.miniature.place import Place
from cleanmark.miniature.rasteriser import rasterise
from cleanmark.miniature.sky import draw_conditions, draw_sky
from cleanmark.miniature.viewpoints import (
    choose_camera,
    draw_passers_by,
    find_subject_box,
    plant_trees,
)

Rng = np.random.Generator
BRIGHTEST = 1.6  # where the tone curve ends
TONE_STEPS = 4096


@dataclass(frozen=True)
class Photograph:
    """A picture before it is compressed.

    Attributes:
        pixels: RGB, shape (height, width, 3), uint8.
        subject_box: Left, top, right, bottom of the subject in pixels.
        jpeg_quality: How the photographer's camera compresses it.
    """

    pixels: Bytes
    subject_box: tuple[float, float, float, float]
    jpeg_quality: int


def take_photograph(rng: Rng, place: Place, view_kind: str, long_side_px: int) -> Photograph:
    """Photograph a place from somewhere, some day, with some camera, all drawn from `rng`."""
    camera = choose_camera(rng, place, view_kind, long_side_px)
    conditions = draw_conditions(rng, "night" if view_kind == "night" else None)
    faces = [
        *place.lay_ground(has_snow=conditions.has_snow),
        *place.faces,
        *place.subject.faces,
        *plant_trees(place, camera, conditions.season),
        *draw_passers_by(rng, camera, place, conditions.season),
    ]
    sky = draw_sky(rng, camera, conditions)
    view = rasterise(faces, camera, conditions.light, sky).colour
    _let_fall(rng, view, conditions.weather)
    pixels = _develop(rng, view, is_dark=conditions.weather == "night")
    box = find_subject_box(camera, place)
    return Photograph(pixels, box, int(rng.integers(70, 93)))


def _let_fall(rng: Rng, view: Floats, weather: str) -> None:
    """Draw rain or snow in front of the view, in place."""
    if weather not in ("rain", "snow"):
        return
    height, width = view.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    count = int(rng.integers(60, 200))
    spots = rng.uniform([0, 0], [width, height], (count, 2))
    slant, length = rng.uniform(-0.15, 0.15), 0.045 * height
    for x, y in spots:
        if weather == "rain":
            end = (int(x + slant * length), int(y + length * rng.uniform(0.5, 1)))
            cv2.line(mask, (int(x), int(y)), end, 70, 1, cv2.LINE_AA)
        else:
            radius = max(1, round(rng.exponential(0.0022 * height)))
            cv2.circle(mask, (int(x), int(y)), radius, 190, -1, cv2.LINE_AA)
    share = np.asarray(mask, np.float32)[..., None] * np.float32(1 / 255)
    view += share * (np.float32(0.93) - view)


def _develop(rng: Rng, view: Floats, *, is_dark: bool) -> Bytes:
    """Apply lens blur, vignetting, exposure, white balance, tone curve and sensor noise."""
    sigma = float(rng.uniform(0.35, 0.75) if rng.random() < 0.88 else rng.uniform(0.8, 1.3))
    blurred = np.asarray(cv2.GaussianBlur(view, (0, 0), sigma), np.float32)
    height, width = view.shape[:2]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None]
    vignette = 1 - np.float32(rng.uniform(0, 0.14)) * (x**2 + y**2)
    exposure = float(np.exp(rng.normal(0.03, 0.11)))
    balance = np.exp(rng.normal(0, 0.035, 3))
    exposed = blurred * (vignette[..., None] * np.asarray(exposure * balance, np.float32))
    developed = _apply_tone_curve(exposed, float(rng.uniform(0.9, 1.12)))
    level = float(rng.uniform(1.5, 4.5)) * (2.2 if is_dark else 1.0)
    noise = np.float32(level) * rng.standard_normal((height, width), dtype=np.float32)
    return np.asarray(np.clip(developed + noise[..., None], 0, 255), np.uint8)


def _apply_tone_curve(exposed: Floats, gamma: float) -> Floats:
    """Map light to 0..255 with a shoulder instead of a hard clip, as film and phones do."""
    light = np.linspace(0, BRIGHTEST, TONE_STEPS)
    curve = 255 * np.clip(1.05 * light / (1 + 0.08 * light**2), 0, 1) ** gamma
    steps = np.clip(exposed * np.float32((TONE_STEPS - 1) / BRIGHTEST), 0, TONE_STEPS - 1)
    return np.asarray(np.asarray(curve, np.float32)[steps.astype(np.uint16)], np.float32)
