"""Generated landmarks for the leak experiment, and the training sets made from them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cleanmark.miniature.landmarks import KINDS
from cleanmark.miniature.photograph import take_photograph
from cleanmark.miniature.place import PlaceSpec, build_place
from cleanmark.miniature.seeding import make_generator

Pixels = NDArray[np.uint8]
RENDERED_PX = 96


@dataclass(frozen=True)
class WorldSize:
    """How many landmarks and views there are.

    Attributes:
        num_overlapping: evaluation landmarks that are training classes as well.
        num_other: evaluation landmarks that are not.
        num_background: training classes of no evaluation landmark, which stay.
        num_train_views: training images of a class.
        num_queries: queries of an evaluation landmark.
        num_database: database images of an evaluation landmark.
    """

    num_overlapping: int = 12
    num_other: int = 12
    num_background: int = 48
    num_train_views: int = 8
    num_queries: int = 2
    num_database: int = 4


@dataclass(frozen=True, eq=False)
class World:
    """All photographs, by landmark.

    Attributes:
        train: name of a landmark -> its training views, uint8 (height, width, 3), RGB.
        queries: name of an evaluation landmark -> views that are in no training class.
        database: likewise, views that are no queries either.
        overlapping: names of evaluation landmarks with training views.
        other: names of evaluation landmarks without.
        background: names of other landmarks with training views.
        substitutes: as many again as `overlapping`, which can take their part in the training.
    """

    train: dict[str, list[Pixels]]
    queries: dict[str, list[Pixels]]
    database: dict[str, list[Pixels]]
    overlapping: list[str]
    other: list[str]
    background: list[str]
    substitutes: list[str]


def draw_world(size: WorldSize, seed: int) -> World:
    """Photograph a world; every view is another day, another camera, another spot."""
    counts = {
        "overlapping": size.num_overlapping,
        "other": size.num_other,
        "background": size.num_background,
        "substitute": size.num_overlapping,
    }
    names = {part: [f"{part} {i}" for i in range(count)] for part, count in counts.items()}
    world = World({}, {}, {}, *names.values())
    for part, landmarks in names.items():
        is_evaluated, is_trained = part in ("overlapping", "other"), part != "other"
        for index, name in enumerate(landmarks):
            num_train = size.num_train_views if is_trained else 0
            num_shown = size.num_queries + size.num_database if is_evaluated else 0
            views = _photograph(name, index, num_train + num_shown, seed)
            if is_trained:
                world.train[name] = views[:num_train]
            if is_evaluated:
                world.queries[name] = views[num_train : num_train + size.num_queries]
                world.database[name] = views[num_train + size.num_queries :]
    return world


def choose_training_classes(world: World, seed: int) -> dict[str, list[str]]:
    """The classes of each training set; the random ones differ from seed to seed."""
    rng = np.random.default_rng([seed, 1])
    gone = set(rng.choice(world.background, len(world.overlapping), replace=False).tolist())
    left = [name for name in world.background if name not in gone]
    return {
        "with_leak": world.overlapping + world.background,
        "without_leak": world.background,
        "without_random_classes": world.overlapping + left,
        "with_other_classes": world.substitutes + world.background,
    }


def _photograph(name: str, index: int, num_views: int, seed: int) -> list[Pixels]:
    kind = list(KINDS)[index % len(KINDS)]
    place = build_place(PlaceSpec(name, kind, architect=name), seed, RENDERED_PX)
    generators = (make_generator(seed, "photograph", name, view) for view in range(num_views))
    return [take_photograph(rng, place, "ordinary", RENDERED_PX).pixels for rng in generators]
