"""What lies around a landmark: ground, neighbouring houses, a distant skyline."""

from dataclasses import replace

import numpy as np

from cleanmark.miniature.architecture import Building, Workshop, cover_hipped
from cleanmark.miniature.facades import draw_style
from cleanmark.miniature.masonry import lay_ashlar, lay_brick, lay_rubble
from cleanmark.miniature.materials import Colour, Floats, Material
from cleanmark.miniature.noise import draw_fractal_noise, draw_noise
from cleanmark.miniature.solids import (
    Face,
    make_ground,
    make_point,
    make_rectangle,
    make_wall,
    move_faces,
    raise_walls,
)

Rng = np.random.Generator
GROUNDS = ("cobbles", "slabs", "grass", "gravel", "brick paving")
NEAR_HALF_METRES = 32.0
FAR_HALF_METRES = 260.0
SNOW = np.array([226, 230, 238], np.float32)


def lay_ground(rng: Rng, kind: str, texture_px: int, *, has_snow: bool) -> list[Face]:
    """A paved square (or lawn, or water) in a wide plain of grass or asphalt."""
    shape = (texture_px, texture_px)
    scale = texture_px / (2 * NEAR_HALF_METRES)
    near = _lay_near(rng, kind, shape, scale)
    plain: Colour = (96, 112, 70) if kind in ("grass", "gravel") else (118, 114, 110)
    base = near if kind == "water" else _mottle(rng, (256, 256), plain, 0.12)
    if has_snow and kind != "water":
        near, base = _cover_with_snow(rng, near), _cover_with_snow(rng, base)
    faces = [make_ground((0, 60), FAR_HALF_METRES, 0, _finish(base))]
    if kind != "water":
        faces.append(make_ground((0, -12), NEAR_HALF_METRES, 0, _finish(near)))
    return faces


def _lay_near(rng: Rng, kind: str, shape: tuple[int, int], scale: float) -> Floats:
    grey = float(rng.uniform(105, 175))
    stone: Colour = (
        grey,
        grey * float(rng.uniform(0.92, 1.0)),
        grey * float(rng.uniform(0.82, 1.0)),
    )
    if kind == "water":
        ripples = draw_noise(rng, shape, (2.5, 12)) + draw_fractal_noise(rng, shape, 60)
        return np.asarray(
            np.array([62, 92, 96], np.float32) * (1 + 0.14 * ripples)[..., None], np.float32
        )
    if kind == "grass":
        return _mottle(rng, shape, (94, 122, 58), 0.16)
    if kind == "gravel":
        return _mottle(rng, shape, (178, 164, 140), 0.1)
    lay = {"cobbles": lay_rubble, "slabs": lay_ashlar, "brick paving": lay_brick}[kind]
    paved = lay(rng, shape, scale * float(rng.uniform(0.9, 1.6)), stone).albedo
    stains = draw_fractal_noise(rng, shape, 0.3 * shape[0], num_octaves=5)
    return np.asarray(paved * (1 + 0.07 * stains)[..., None], np.float32)


def _mottle(rng: Rng, shape: tuple[int, int], colour: Colour, strength: float) -> Floats:
    tones = draw_fractal_noise(rng, shape, 0.2 * shape[0], num_octaves=5, persistence=0.8)
    fine = rng.standard_normal(shape, dtype=np.float32)
    mottled = np.array(colour, np.float32) * (1 + strength * (tones + 0.4 * fine))[..., None]
    return np.asarray(mottled, np.float32)


def _cover_with_snow(rng: Rng, albedo: Floats) -> Floats:
    depth = draw_fractal_noise(rng, albedo.shape[:2], 0.15 * albedo.shape[0], num_octaves=5)
    share = np.clip(0.75 + 0.35 * depth, 0.1, 1)[..., None]
    return np.asarray(albedo + share * (SNOW - albedo), np.float32)


def _finish(albedo: Floats) -> Material:
    return Material(np.clip(albedo, 0, 255).astype(np.uint8))


def draw_skyline(rng: Rng, *, is_urban: bool, distance: float = 130.0) -> Face:
    """Hills and woods, or roofs, far behind everything."""
    width_px, height_px = 640, 72
    columns = np.arange(width_px)
    profile = 22 + 11 * draw_fractal_noise(rng, (1, width_px), 160, num_octaves=5)[0]
    if is_urban:
        edges = np.sort(rng.choice(width_px, 60, replace=False))
        roofs = rng.uniform(14, 52, 61)
        profile = 0.4 * profile + 0.7 * roofs[np.searchsorted(edges, columns)]
    rows = height_px - np.arange(height_px)[:, None]
    alpha = np.clip((profile[None] - rows) * 1.5, 0, 1) * 255
    base: Colour = (142, 130, 122) if is_urban else (84, 104, 76)
    albedo = _mottle(rng, (height_px, width_px), base, 0.14)
    material = Material(np.clip(albedo, 0, 255).astype(np.uint8), alpha=np.asarray(alpha, np.uint8))
    half = 2.2 * distance
    left, right = make_point(-half, distance, -1), make_point(half, distance, -1)
    face = make_wall(left, right, 2 * half * height_px / width_px, material, two_sided=True)
    return replace(face, casts_shadow=False)


def build_house(rng: Rng, texels_per_metre: float) -> Building:
    """An ordinary house in a style of its own."""
    style = replace(draw_style(rng), has_friezes=False)
    workshop = Workshop(rng, rng, style, texels_per_metre)
    width, depth, height = rng.uniform(7, 13), rng.uniform(7, 10), rng.uniform(5, 11)
    front = workshop.wall(width, height, has_door=True, num_ornaments=1)
    side = workshop.wall(depth, height)
    faces = raise_walls(make_rectangle((0, 0), width, depth), 0, height, [front, side])
    rise = rng.uniform(2, 4.5)
    faces += cover_hipped(workshop, (0, 0), (width, depth), height, rise)
    return Building(faces, width, depth, height + rise)


def place_neighbours(
    rng: Rng, landmark: Building, texels_per_metre: float, num_houses: int
) -> list[Face]:
    """Set houses to the left and right of a landmark, well back, so that they do not hide it."""
    faces: list[Face] = []
    reach = {-1: landmark.width / 2 + 3.0, 1: landmark.width / 2 + 3.0}
    for number in range(num_houses):
        side = 1 if number % 2 else -1
        house = build_house(rng, texels_per_metre)
        x = side * (reach[side] + house.width / 2 + rng.uniform(0, 3))
        y = landmark.depth / 2 + house.depth / 2 + rng.uniform(1, 8)
        faces += move_faces(house.faces, make_point(x, y, 0))
        reach[side] += house.width + 2.5
    return faces
