"""Parts of buildings: blocks with windows, roofs, cupolas, openings."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanmark.miniature.camera import Matrix
from cleanmark.miniature.facades import BuildingStyle, build_roof, build_wall
from cleanmark.miniature.materials import Material
from cleanmark.miniature.solids import (
    Face,
    bridge_rings,
    make_panel,
    make_rectangle,
    raise_walls,
    scale_ring,
)

Rng = np.random.Generator
Centre = tuple[float, float]


@dataclass(frozen=True)
class Building:
    """A landmark or a house, standing at the origin with its front towards negative y.

    Attributes:
        faces: Its surfaces.
        width: Extent along x in metres.
        depth: Extent along y in metres.
        height: Extent along z in metres.
    """

    faces: list[Face]
    width: float
    depth: float
    height: float


@dataclass(frozen=True)
class Workshop:
    """Makes the walls and roofs of one building.

    Attributes:
        layout: Stream of proportions; buildings of one architect share it.
        details: Stream of everything else.
        style: What all its walls share.
        texels_per_metre: Scale of its textures.
    """

    layout: Rng
    details: Rng
    style: BuildingStyle
    texels_per_metre: float

    def wall(
        self,
        width: float,
        height: float,
        *,
        has_door: bool = False,
        has_windows: bool = True,
        num_ornaments: int = 0,
    ) -> Material:
        """Make a wall of this size in metres."""
        return build_wall(
            self.details,
            self.style,
            (width, height),
            self.texels_per_metre,
            has_door=has_door,
            has_windows=has_windows,
            num_ornaments=num_ornaments,
        )

    def sheet(self, width: float, height: float) -> Material:
        """Make a sheet of roofing of this size in metres."""
        return build_roof(self.details, self.style, (width, height), self.texels_per_metre)


def raise_block(
    workshop: Workshop, centre: Centre, size: tuple[float, float, float], base: float = 0.0,
    *, num_ornaments: int = 2, has_door: bool = False, has_windows: bool = True,
) -> list[Face]:  # fmt: skip
    """Four walls; size is width, depth and height. The back is a copy of a side."""
    width, depth, height = size
    front = workshop.wall(
        width, height, has_door=has_door, has_windows=has_windows, num_ornaments=num_ornaments
    )
    right = workshop.wall(depth, height, has_windows=has_windows, num_ornaments=1)
    left = workshop.wall(depth, height, has_windows=has_windows, num_ornaments=1)
    ring = make_rectangle(centre, width, depth)
    return raise_walls(ring, base, height, [front, right, left, left])


def cover_hipped(
    workshop: Workshop, centre: Centre, size: tuple[float, float], base: float, rise: float
) -> list[Face]:
    """A hipped roof over a rectangle of the given width and depth."""
    width, depth = size[0] + 0.8, size[1] + 0.8
    x, y = centre
    ridge = max(width - depth, 0.0) / 2
    lower = make_rectangle(centre, width, depth)
    upper = np.array([[x - ridge, y], [x + ridge, y], [x + ridge, y], [x - ridge, y]])
    sheet = workshop.sheet(width, float(np.hypot(rise, depth / 2)))
    return bridge_rings(
        lower, upper, (base, base + rise), sheet, workshop.texels_per_metre, overhangs=True
    )


def cover_gabled(
    workshop: Workshop, centre: Centre, size: tuple[float, float], base: float, rise: float
) -> list[Face]:
    """A gabled roof whose gables face front and back."""
    width, depth = size
    x, y = centre
    half, front, back = width / 2, y - depth / 2, y + depth / 2
    scale = workshop.texels_per_metre
    slope = float(np.hypot(half, rise))
    faces = []
    for side in (-1, 1):
        ends = (front - 0.3, back) if side > 0 else (back, front - 0.3)
        eaves, ridge = x + side * (half + 0.3), x
        corners = np.array(
            [
                [eaves, ends[1], base],
                [eaves, ends[0], base],
                [ridge, ends[0], base + rise],
                [ridge, ends[1], base + rise],
            ]
        )
        faces.append(make_panel(corners, workshop.sheet(depth, slope), scale))
    gable = workshop.wall(width, rise, has_windows=False, num_ornaments=1)
    triangle = np.array([[x + half, front, base], [x - half, front, base], [x, front, base + rise]])
    return [*faces, make_panel(triangle, gable, scale)]


def raise_cupola(
    workshop: Workshop, ring: Matrix, base: float, rise: float, *, is_round: bool
) -> list[Face]:
    """A spire or, if round, a dome of five bands over a ring, shape (n, 2)."""
    num_bands = 5 if is_round else 1
    side = float(np.linalg.norm(ring[1] - ring[0]))
    sheet = workshop.sheet(side * len(ring), rise)
    faces: list[Face] = []
    angles = np.linspace(0, np.pi / 2, num_bands + 1)
    shrink = np.cos(angles) if is_round else 1 - angles / (np.pi / 2)
    heights = base + rise * (np.sin(angles) if is_round else angles / (np.pi / 2))
    for band in range(num_bands):
        lower, upper = scale_ring(ring, shrink[band]), scale_ring(ring, max(shrink[band + 1], 1e-9))
        levels = (float(heights[band]), float(heights[band + 1]))
        faces += bridge_rings(
            lower, upper, levels, sheet, workshop.texels_per_metre, overhangs=band == 0
        )
    return faces


def make_walls_around(num_sides: int, make: Callable[[int], Material]) -> list[Material]:
    """Make a wall for each side of a ring; the far sides repeat the near ones.

    No two walls that can be seen at once are alike, or key points would have two right answers.

    Args:
        num_sides: An even number.
        make: Makes the wall of the side with the given number; 0 faces the viewer.
    """
    reach = num_sides // 4
    near = {side % num_sides: make(side) for side in range(-reach, reach + 1)}
    half = num_sides // 2
    far = {(side + half) % num_sides: wall for side, wall in near.items()}
    walls = {**far, **near}
    return [walls[side] for side in range(num_sides)]


def cut_openings(material: Material, outlines: list[NDArray[np.float64]]) -> Material:
    """Return the material with these outlines (texels) cut out of it."""
    alpha = np.full((material.height_px, material.width_px), 255, np.uint8)
    for outline in outlines:
        cv2.fillPoly(alpha, [np.round(outline * 16).astype(np.int32)], 0, cv2.LINE_AA, 4)
    return Material(material.albedo, material.height, material.glow, alpha)
