"""Kinds of landmarks."""

from collections.abc import Callable
from functools import partial

import numpy as np

from cleanmark.miniature.architecture import (
    Building,
    Workshop,
    cover_gabled,
    cover_hipped,
    cut_openings,
    make_walls_around,
    raise_block,
    raise_cupola,
)
from cleanmark.miniature.canvas import Box
from cleanmark.miniature.materials import Material
from cleanmark.miniature.openings import outline_opening
from cleanmark.miniature.solids import (
    Face,
    bridge_rings,
    cover_flat,
    make_point,
    make_rectangle,
    make_ring,
    make_wall,
    move_faces,
    raise_walls,
    scale_ring,
)


def raise_palace(workshop: Workshop) -> Building:
    """A long front with a projecting middle."""
    width, depth = workshop.layout.uniform(20, 30), workshop.layout.uniform(9, 12)
    height = workshop.layout.uniform(9, 14)
    middle = width * workshop.layout.uniform(0.25, 0.4)
    taller = height * workshop.layout.uniform(1.0, 1.25)
    faces = raise_block(workshop, (0, 0), (width, depth, height), num_ornaments=7)
    faces += cover_hipped(workshop, (0, 0), (width, depth), height, 0.3 * height)
    front = (0.0, -depth / 2)
    faces += raise_block(workshop, front, (middle, 2.4, taller), num_ornaments=4, has_door=True)
    faces += cover_gabled(workshop, front, (middle, 2.4), taller, 0.2 * middle)
    return Building(faces, width, depth, taller + 0.2 * middle)


def raise_church(workshop: Workshop) -> Building:
    """A gabled nave with a tower beside or before it."""
    width, depth = workshop.layout.uniform(9, 13), workshop.layout.uniform(14, 18)
    eaves, rise = workshop.layout.uniform(7, 10), workshop.layout.uniform(5, 8)
    tower, shaft = workshop.layout.uniform(4.5, 6.5), workshop.layout.uniform(15, 21)
    side = float(workshop.layout.choice([-1, 1])) * (width + tower) / 2
    faces = raise_block(workshop, (0, 0), (width, depth, eaves), num_ornaments=3, has_door=True)
    faces += cover_gabled(workshop, (0, 0), (width, depth), eaves, rise)
    foot = (side, -depth / 2 + tower / 2 - 0.8)
    faces += raise_block(workshop, foot, (tower, tower, shaft), num_ornaments=3)
    spire = workshop.layout.uniform(5, 9)
    faces += cover_hipped(workshop, foot, (tower, tower), shaft, spire)
    shift = np.array([side / 2, 0, 0])
    return Building(move_faces(faces, -shift), width + tower, depth, shaft + spire)


def _make_tower_wall(
    workshop: Workshop, size: tuple[float, float], side: int, *, is_foot: bool
) -> Material:
    has_door = is_foot and side == 0
    return workshop.wall(*size, has_door=has_door, num_ornaments=2)


def raise_tower(workshop: Workshop) -> Building:
    """Stacked storeys that grow slimmer, with a spire or a cupola."""
    num_sides = int(workshop.layout.choice([4, 6, 8]))
    radius, base = workshop.layout.uniform(4.5, 6.5), 0.0
    faces: list[Face] = []
    width = 2 * radius
    for tier in range(3):
        height = workshop.layout.uniform(6, 10) * (1 - 0.2 * tier)
        ring = make_ring((0, 0), radius, num_sides)
        side = float(np.linalg.norm(ring[1] - ring[0]))
        make = partial(_make_tower_wall, workshop, (side, height), is_foot=tier == 0)
        faces += raise_walls(ring, base, height, make_walls_around(num_sides, make))
        base += height
        faces.append(cover_flat(ring, base, workshop.sheet(4, 4), workshop.texels_per_metre))
        radius *= workshop.layout.uniform(0.7, 0.88)
    rise = workshop.layout.uniform(4, 8)
    ring = make_ring((0, 0), radius, num_sides)
    faces += raise_cupola(workshop, ring, base, rise, is_round=bool(workshop.layout.random() < 0.5))
    return Building(faces, width, width, base + rise)


def raise_rotunda(workshop: Workshop) -> Building:
    """An eight- or twelve-sided hall under a dome."""
    num_sides = int(workshop.layout.choice([8, 10, 12]))
    radius, height = workshop.layout.uniform(7, 10), workshop.layout.uniform(7, 10)
    ring = make_ring((0, 0), radius, num_sides)
    side = float(np.linalg.norm(ring[1] - ring[0]))
    make = partial(_make_tower_wall, workshop, (side, height), is_foot=True)
    faces = raise_walls(ring, 0, height, make_walls_around(num_sides, make))
    drum = scale_ring(ring, 0.72)
    faces += bridge_rings(
        scale_ring(ring, 1.05), drum, (height, height + 1.5),
        workshop.sheet(2 * side, 4), workshop.texels_per_metre, overhangs=True,
    )  # fmt: skip
    belt = [workshop.wall(0.72 * side, 3, has_windows=False, num_ornaments=1) for _ in range(5)]
    faces += raise_walls(drum, height + 1.5, 3, belt)
    rise = workshop.layout.uniform(5, 7.5)
    faces += raise_cupola(workshop, scale_ring(drum, 1.06), height + 4.5, rise, is_round=True)
    return Building(faces, 2 * radius, 2 * radius, height + 4.5 + rise)


def raise_obelisk(workshop: Workshop) -> Building:
    """A carved shaft on steps."""
    height, foot = workshop.layout.uniform(11, 14), workshop.layout.uniform(3.2, 4.2)
    faces: list[Face] = []
    base = 0.0
    for step in range(3):
        size = foot * (2.2 - 0.35 * step)
        faces += raise_block(
            workshop, (0, 0), (size, size, 1.3), base, num_ornaments=2, has_windows=False
        )
        base += 1.3
        ring = make_rectangle((0, 0), size, size)
        faces.append(cover_flat(ring, base, workshop.sheet(4, 4), workshop.texels_per_metre))
    scale = workshop.texels_per_metre
    lower, upper = (
        make_rectangle((0, 0), foot, foot),
        make_rectangle((0, 0), 0.65 * foot, 0.65 * foot),
    )
    for side in range(4):
        carved = workshop.wall(foot, height, has_windows=False, num_ornaments=9)
        faces.append(bridge_rings(lower, upper, (base, base + height), carved, scale)[side])
    tip = scale_ring(upper, 1e-9)
    top = base + height
    faces += bridge_rings(upper, tip, (top, top + 1.6), workshop.sheet(3, 3), scale)
    return Building(faces, foot * 2.2, foot * 2.2, top + 1.6)


def raise_gate(workshop: Workshop) -> Building:
    """A triumphal arch."""
    width, height = workshop.layout.uniform(13, 18), workshop.layout.uniform(11, 15)
    depth, opening = workshop.layout.uniform(4, 6), width * workshop.layout.uniform(0.28, 0.4)
    top = height * workshop.layout.uniform(0.55, 0.7)
    scale = workshop.texels_per_metre
    hole = Box(
        (width - opening) / 2 * scale, (height - top) * scale,
        (width + opening) / 2 * scale, height * scale + 2,
    )  # fmt: skip
    ring = make_rectangle((0, 0), width, depth)
    walls = []
    for _ in range(2):
        whole = workshop.wall(width, height, has_windows=False, num_ornaments=18)
        walls.append(cut_openings(whole, [outline_opening(hole, "round")]))
    sides = [workshop.wall(depth, height, num_ornaments=3) for _ in range(2)]
    faces = raise_walls(ring, 0, height, [walls[0], sides[0], walls[1], sides[1]])
    jamb = workshop.wall(depth, top, has_windows=False, num_ornaments=2)
    half, front = opening / 2, depth / 2
    spring = top - half
    for x, ends in ((-half, (-front, front)), (half, (front, -front))):
        left, right = make_point(x, ends[0], 0), make_point(x, ends[1], 0)
        faces.append(make_wall(left, right, spring, jamb, two_sided=True))
    faces.append(cover_flat(ring, height, workshop.sheet(4, 4), scale))
    return Building(faces, width, depth, height)


def raise_bridge(workshop: Workshop) -> Building:
    """A stone bridge on arches with a gatehouse."""
    width, height = workshop.layout.uniform(30, 38), workshop.layout.uniform(8, 10)
    depth, num_arches = 6.0, int(workshop.layout.integers(2, 5))
    scale = workshop.texels_per_metre
    span = width / num_arches
    arches = []
    for i in range(num_arches):
        left = (i + 0.1) * span * scale
        hole = Box(left, 0.3 * height * scale, left + 0.8 * span * scale, height * scale + 2)
        arches.append(outline_opening(hole, "segmental" if num_arches < 4 else "round"))
    front = workshop.wall(width, height, has_windows=False, num_ornaments=16)
    ring = make_rectangle((0, 0), width, depth)
    side = workshop.wall(depth, height, has_windows=False)
    pierced = cut_openings(front, arches)
    faces = raise_walls(ring, 0, height, [pierced, side, pierced, side])
    faces.append(cover_flat(ring, height - 1, workshop.sheet(8, 6), scale))
    foot, rise = float(workshop.layout.uniform(-0.35, 0.35)) * width, 9.0
    gatehouse = (6.0, 6.4, rise)
    faces += raise_block(workshop, (foot, 0), gatehouse, height - 1, num_ornaments=4, has_door=True)
    faces += cover_hipped(workshop, (foot, 0), (6, 6.4), height - 1 + rise, 4)
    return Building(faces, width, depth, height + rise + 3)


def raise_temple(workshop: Workshop) -> Building:
    """Columns under a pediment, a wall with paintings behind."""
    width, depth = workshop.layout.uniform(13, 18), workshop.layout.uniform(9, 13)
    shaft, num_columns = workshop.layout.uniform(6, 8.5), int(workshop.layout.integers(4, 8))
    base, scale = 1.5, workshop.texels_per_metre
    faces = raise_block(workshop, (0, 0), (width + 1, depth + 1, base), has_windows=False)
    terrace = make_rectangle((0, 0), width + 1, depth + 1)
    faces.append(cover_flat(terrace, base, workshop.sheet(8, 8), scale))
    hall = (width - 2.5, depth - 4, shaft)
    faces += raise_block(workshop, (0, 1.5), hall, base, num_ornaments=8, has_door=True)
    for x in np.linspace(-width / 2 + 0.6, width / 2 - 0.6, num_columns):
        ring = make_ring((float(x), -depth / 2 + 0.7), 0.55, 6)
        stones = [workshop.wall(0.55, shaft, has_windows=False) for _ in range(3)]
        faces += raise_walls(ring, base, shaft, stones)
    top = base + shaft
    beam = (width, depth, 1.7)
    faces += raise_block(workshop, (0, 0), beam, top, num_ornaments=9, has_windows=False)
    rise = workshop.layout.uniform(2.5, 4.5)
    faces += cover_gabled(workshop, (0, 0), (width, depth), top + 1.7, rise)
    return Building(faces, width, depth, top + 1.7 + rise)


def raise_castle(workshop: Workshop) -> Building:
    """A wall between two round towers."""
    width, height = workshop.layout.uniform(9, 13), workshop.layout.uniform(7, 9)
    radius, taller = workshop.layout.uniform(2.6, 3.6), height * workshop.layout.uniform(1.3, 1.7)
    faces = raise_block(workshop, (0, 0), (width, 5, height), num_ornaments=4, has_door=True)
    roof_rise = workshop.layout.uniform(3, 6)
    for side in (-1, 1):
        centre = (side * (width / 2 + 0.7 * radius), -1.5)
        ring = make_ring(centre, radius, 10)
        face = float(np.linalg.norm(ring[1] - ring[0]))
        make = partial(_make_tower_wall, workshop, (face, taller), is_foot=False)
        faces += raise_walls(ring, 0, taller, make_walls_around(10, make))
        eaves = scale_ring(ring, 1.15)
        faces += raise_cupola(workshop, eaves, taller, roof_rise, is_round=False)
    return Building(faces, width + 3.4 * radius, 2 * radius, taller + roof_rise)


def raise_gabled_house(workshop: Workshop) -> Building:
    """A tall town house with its gable to the street."""
    width, depth = workshop.layout.uniform(8, 12), workshop.layout.uniform(9, 12)
    eaves, rise = workshop.layout.uniform(8, 12), workshop.layout.uniform(5, 8)
    faces = raise_block(workshop, (0, 0), (width, depth, eaves), num_ornaments=5, has_door=True)
    faces += cover_gabled(workshop, (0, 0), (width, depth), eaves, rise)
    return Building(faces, width, depth, eaves + rise)


KINDS: dict[str, Callable[[Workshop], Building]] = {
    "palace": raise_palace,
    "church": raise_church,
    "tower": raise_tower,
    "rotunda": raise_rotunda,
    "obelisk": raise_obelisk,
    "gate": raise_gate,
    "bridge": raise_bridge,
    "temple": raise_temple,
    "castle": raise_castle,
    "house": raise_gabled_house,
}
