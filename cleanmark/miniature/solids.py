"""Flat faces in space, and the simple solids that landmarks are made of."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from cleanmark.miniature.camera import Matrix
from cleanmark.miniature.materials import Material

UP = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True)
class Face:
    """A polygon cut out of a textured plane.

    Attributes:
        material: The texture of the plane.
        origin: World position of the texture's top left corner, shape (3,), metres.
        axis_u: Unit vector along the texture's rows, shape (3,).
        axis_v: Unit vector down the texture's columns, shape (3,).
        texels_per_metre: Scale of the texture.
        corners: World positions of the polygon, shape (n, 3), metres.
        two_sided: Whether it is seen from behind too (cut-outs, skylines).
        is_ground: Whether shadows fall on it.
        casts_shadow: Whether it throws a shadow on the ground.
    """

    material: Material
    origin: Matrix
    axis_u: Matrix
    axis_v: Matrix
    texels_per_metre: float
    corners: Matrix
    two_sided: bool = False
    is_ground: bool = False
    casts_shadow: bool = True

    @cached_property
    def normal(self) -> Matrix:
        """Unit vector out of the visible side, shape (3,)."""
        return np.cross(self.axis_v, self.axis_u)


def make_point(x: float, y: float, z: float) -> Matrix:
    """Return a world position, shape (3,)."""
    return np.array([x, y, z], np.float64)


def make_wall(
    left: Matrix, right: Matrix, height: float, material: Material, *, two_sided: bool = False
) -> Face:
    """An upright rectangle over the bottom edge left-right, as its viewer sees it.

    The material covers the wall's width; its bottom lies on the wall's bottom.
    """
    width = float(np.linalg.norm(right - left))
    scale = material.width_px / width
    top = material.height_px / scale
    corners = np.stack([left + height * UP, right + height * UP, right, left])
    along = (right - left) / width
    return Face(material, left + top * UP, along, -UP, scale, corners, two_sided=two_sided)


def make_panel(
    corners: Matrix, material: Material, texels_per_metre: float, *, offset_metres: float = 0.0
) -> Face:
    """A flat polygon of any slope, cut out of a sheet of material.

    Args:
        corners: Shape (n, 3), starting with the bottom edge from the viewer's right to the left,
            then clockwise.
        material: The sheet; it is mirrored where the polygon is larger.
        texels_per_metre: Scale of the sheet.
        offset_metres: Where along the sheet to cut, so that sister panels differ.
    """
    start = corners[1]
    axis_u = (corners[0] - start) / np.linalg.norm(corners[0] - start)
    inner = corners[2] - start
    axis_v = -(inner - (inner @ axis_u) * axis_u)
    axis_v /= np.linalg.norm(axis_v)
    along, down = (corners - start) @ axis_u, (corners - start) @ axis_v
    origin = start + (along.min() - offset_metres) * axis_u + down.min() * axis_v
    return Face(material, origin, axis_u, axis_v, texels_per_metre, corners)


def make_ground(
    centre: tuple[float, float], half_metres: float, level: float, material: Material
) -> Face:
    """A square of ground that reaches `half_metres` to every side of a point."""
    ring = make_rectangle(centre, 2 * half_metres, 2 * half_metres)
    scale = material.width_px / (2 * half_metres)
    face = cover_flat(ring, level, material, scale)
    return replace(face, is_ground=True, casts_shadow=False)


def make_ring(
    centre: tuple[float, float], radius: float, num_sides: int, turn_radians: float = 0.0
) -> Matrix:
    """Corners of a regular polygon on the ground, shape (num_sides, 2), metres.

    Each pair of neighbours is the left and right end of a side as seen from outside; the first
    side faces the viewer (towards negative y).
    """
    angles = -np.pi / 2 + turn_radians + (np.arange(num_sides) - 0.5) * 2 * np.pi / num_sides
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return np.asarray(centre + radius * directions, np.float64)


def make_rectangle(centre: tuple[float, float], width: float, depth: float) -> Matrix:
    """Corners of a rectangle on the ground, shape (4, 2), ordered as `make_ring` does."""
    right, back = width / 2, depth / 2
    corners = [[-right, -back], [right, -back], [right, back], [-right, back]]
    return np.asarray(np.array(corners) + centre, np.float64)


def raise_walls(ring: Matrix, base: float, height: float, materials: list[Material]) -> list[Face]:
    """Upright walls on every side of a ring, shape (n, 2); materials are taken in turn."""
    corners = np.column_stack([ring, np.full(len(ring), base)])
    ends = zip(corners, np.roll(corners, -1, axis=0), strict=True)
    return [
        make_wall(left, right, height, materials[side % len(materials)])
        for side, (left, right) in enumerate(ends)
    ]


def bridge_rings(
    lower: Matrix,
    upper: Matrix,
    levels: tuple[float, float],
    sheet: Material,
    texels_per_metre: float,
    *,
    overhangs: bool = False,
) -> list[Face]:
    """Sloping panels between two rings at two heights: roofs, domes, tapering shafts.

    Panels that overhang are seen from below as well.
    """
    faces = []
    for i in range(len(lower)):
        j = (i + 1) % len(lower)
        ends = [(*lower[j], levels[0]), (*lower[i], levels[0])]
        tops = [(*upper[i], levels[1]), (*upper[j], levels[1])]
        is_triangle = np.allclose(upper[i], upper[j])
        corners = np.array(ends + (tops[:1] if is_triangle else tops))
        width = float(np.linalg.norm(lower[j] - lower[i]))
        panel = make_panel(corners, sheet, texels_per_metre, offset_metres=i * width)
        faces.append(replace(panel, two_sided=overhangs))
    return faces


def scale_ring(ring: Matrix, factor: float) -> Matrix:
    """Shrink or grow a ring about its centre."""
    centre = ring.mean(axis=0)
    return np.asarray(centre + factor * (ring - centre), np.float64)


def cover_flat(ring: Matrix, level: float, sheet: Material, texels_per_metre: float) -> Face:
    """A flat roof, terrace or square on a ring, seen from above."""
    corners = np.column_stack([ring, np.full(len(ring), level)])
    ordered = np.stack([corners[1], corners[0], *corners[:1:-1]])
    return make_panel(ordered, sheet, texels_per_metre)


def move_faces(faces: list[Face], by: Matrix) -> list[Face]:
    """Return the faces shifted by a vector, shape (3,), in metres."""
    return [replace(face, origin=face.origin + by, corners=face.corners + by) for face in faces]
