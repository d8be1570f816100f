"""A place that photographs are taken of: a landmark in its surroundings, or an ordinary scene."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from cleanmark.miniature.architecture import Building, Workshop
from cleanmark.miniature.facades import draw_style
from cleanmark.miniature.landmarks import KINDS
from cleanmark.miniature.seeding import make_generator
from cleanmark.miniature.solids import Face, make_point, make_wall, move_faces
from cleanmark.miniature.sprites import Sprite, draw_tree
from cleanmark.miniature.surroundings import (
    GROUNDS,
    build_house,
    draw_skyline,
    lay_ground,
    place_neighbours,
)

TEXELS_PER_PIXEL = 1.15  # the landmark's longer side in texels, over the picture's in pixels
NEIGHBOUR_DETAIL = 0.6  # neighbours are farther off than the landmark
Rng = np.random.Generator


@dataclass(frozen=True)
class PlaceSpec:
    """Everything from which a place is built.

    Attributes:
        name: Its name and the seed of its details; "unrelated ..." for ordinary scenes.
        kind: A key of `landmarks.KINDS` or of `SCENES`.
        architect: Seed of layout and style; buildings of one architect look alike.
    """

    name: str
    kind: str
    architect: str


@dataclass
class Place:
    """A built place.

    Attributes:
        spec: What it was built from.
        subject: The landmark, or whatever the photographs aim at.
        faces: All other surfaces that stand there all year.
        tree_spots: Where trees stand, x and y in metres.
        ground_kind: What the ground is paved with.
        main_direction: From where most people look at it, radians from the front.
        texture_px: Size of ground textures.
        seed: Seed of the data set.
    """

    spec: PlaceSpec
    subject: Building
    faces: list[Face]
    tree_spots: list[tuple[float, float]]
    ground_kind: str
    main_direction: float
    texture_px: int
    seed: int
    _grounds: dict[bool, list[Face]] = field(default_factory=dict, repr=False)
    _trees: dict[str, list[Sprite]] = field(default_factory=dict, repr=False)

    def lay_ground(self, *, has_snow: bool) -> list[Face]:
        """The ground, under snow or not; the same at every visit."""
        if has_snow not in self._grounds:
            rng = make_generator(self.seed, "ground", self.spec.name)
            self._grounds[has_snow] = lay_ground(
                rng, self.ground_kind, self.texture_px, has_snow=has_snow
            )
        return self._grounds[has_snow]

    def grow_trees(self, season: str) -> list[Sprite]:
        """The trees in their foliage of the season."""
        if season not in self._trees:
            rng = make_generator(self.seed, "trees", self.spec.name, season)
            self._trees[season] = [draw_tree(rng, season) for _ in self.tree_spots]
        return self._trees[season]


def build_place(spec: PlaceSpec, seed: int, long_side_px: int) -> Place:
    """Build a place; the same arguments give the same place in any process."""
    details = make_generator(seed, "place", spec.name)
    if spec.kind in SCENES:
        return SCENES[spec.kind](spec, seed, details, long_side_px)
    layout = make_generator(seed, "architect", spec.architect, spec.kind)
    # The textures' scale must be known before the size is: a first draw tells it.
    texels = TEXELS_PER_PIXEL * long_side_px / _TYPICAL_EXTENT_METRES[spec.kind]
    landmark = KINDS[spec.kind](Workshop(layout, details, draw_style(layout, _WALLS), texels))
    houses = place_neighbours(
        details, landmark, texels * NEIGHBOUR_DETAIL, int(details.integers(2, 4))
    )
    is_urban = bool(details.random() < 0.5)
    side = landmark.width / 2 + 2.5
    spots = [
        (float(s * (side + details.uniform(0, 8))), float(details.uniform(0, 9)))
        for s in details.choice([-1, 1], int(details.integers(0, 4)))
    ]
    return Place(
        spec=spec,
        subject=landmark,
        faces=[*houses, draw_skyline(details, is_urban=is_urban)],
        tree_spots=spots,
        ground_kind="water" if spec.kind == "bridge" else str(details.choice(GROUNDS)),
        main_direction=float(np.radians(details.uniform(-16, 16))),
        texture_px=long_side_px,
        seed=seed,
    )


_WALLS = ("ashlar", "brick", "rubble", "plaster", "slabs")
_TYPICAL_EXTENT_METRES = {
    "palace": 26.0, "church": 26.0, "tower": 26.0, "rotunda": 22.0, "obelisk": 18.0,
    "gate": 17.0, "bridge": 34.0, "temple": 17.0, "castle": 22.0, "house": 16.0,
}  # fmt: skip


def _build_street(spec: PlaceSpec, seed: int, rng: Rng, long_side_px: int) -> Place:
    """A row of houses along a street."""
    faces: list[Face] = []
    x, scale = 0.0, 0.9 * long_side_px / 30
    houses = [build_house(rng, scale) for _ in range(3)]
    for house in houses:
        x += house.width / 2
        faces += move_faces(house.faces, make_point(x - 15, float(rng.uniform(-1, 1)), 0))
        x += house.width / 2 + rng.uniform(0.2, 2.5)
    height = max(house.height for house in houses)
    subject = Building(faces, 24.0, 8.0, height)
    skyline = [draw_skyline(rng, is_urban=True)]
    spots = [(float(rng.uniform(-14, 14)), -7.0)]
    return Place(
        spec, subject, skyline, spots, str(rng.choice(GROUNDS)), 0.3, long_side_px // 2, seed
    )


def _build_courtyard(spec: PlaceSpec, seed: int, rng: Rng, long_side_px: int) -> Place:
    """The corner of a walled yard, hung with things."""
    scale = 0.9 * long_side_px / 14
    workshop = Workshop(rng, rng, draw_style(rng), scale)
    height = float(rng.uniform(6, 8))
    back = workshop.wall(16, height, has_windows=False, num_ornaments=9)
    side = workshop.wall(12, height, has_windows=False, num_ornaments=7)
    corner = make_point(3, 3, 0)
    faces = [
        make_wall(make_point(-13, 3, 0), corner, height, back),
        make_wall(corner, make_point(3, -9, 0), height, side),
    ]
    subject = Building(faces, 7.0, 5.0, 4.5)
    return Place(spec, subject, [], [], "slabs", 0.0, long_side_px // 2, seed)


def _build_landscape(spec: PlaceSpec, seed: int, rng: Rng, long_side_px: int) -> Place:
    """Meadows, woods and hills, with a barn."""
    barn = build_house(rng, 0.4 * long_side_px / 12)
    barn_at = make_point(float(rng.uniform(-12, 12)), float(rng.uniform(2, 20)), 0)
    hills = [draw_skyline(rng, is_urban=False, distance=d) for d in (230.0, 120.0, 75.0)]
    subject = Building(move_faces(barn.faces, barn_at), 26.0, 10.0, 9.0)
    spots = [(float(rng.normal(0, 14)), float(rng.uniform(-6, 30))) for _ in range(6)]
    ground = str(rng.choice(["grass", "gravel", "grass"]))
    return Place(spec, subject, hills, spots, ground, 0.0, long_side_px // 2, seed)


SCENES: dict[str, Callable[[PlaceSpec, int, Rng, int], Place]] = {
    "street": _build_street,
    "courtyard": _build_courtyard,
    "landscape": _build_landscape,
}
