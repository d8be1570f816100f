"""Picking colours as they occur in towns: mostly muted."""

import numpy as np

from cleanmark.miniature.materials import Colour


def pick_colour(
    rng: np.random.Generator, low: float, high: float, *, saturation: float = 0.5
) -> Colour:
    """A random colour between two brightnesses, RGB 0..255; saturation 0 is grey, 1 is garish."""
    channels = rng.uniform(low, high, 3)
    return _as_colour(channels.mean() + saturation * (channels - channels.mean()))


def scale_colour(colour: Colour, factor: float) -> Colour:
    """A lighter or darker tone of a colour."""
    return colour[0] * factor, colour[1] * factor, colour[2] * factor


def vary_colour(rng: np.random.Generator, colour: Colour, spread: float = 0.07) -> Colour:
    """A colour close to another."""
    return _as_colour(np.clip(np.array(colour) * (1 + rng.normal(0, spread, 3)), 20, 240))


def choose_colour(rng: np.random.Generator, colours: tuple[Colour, ...]) -> Colour:
    """One of several colours."""
    return colours[int(rng.integers(len(colours)))]


def _as_colour(channels: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Colour:
    red, green, blue = (float(channel) for channel in channels)
    return red, green, blue
