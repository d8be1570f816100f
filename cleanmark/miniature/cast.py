"""Who appears in the miniature: every class, every picture, and everything planted.

The cast is decided here as plain data, before a single pixel is drawn.
"""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field

from cleanmark.miniature.landmarks import KINDS
from cleanmark.miniature.names import CITY, draw_landmark_ids, draw_names
from cleanmark.miniature.place import PlaceSpec
from cleanmark.miniature.settings import MiniatureSettings

NUM_EVALUATION_PLACES = 8
NUM_SHARED_PLACES = 4  # evaluation landmarks that are training classes as well
UNRELATED = "unrelated"


@dataclass(frozen=True)
class Shot:
    """One picture of the data set.

    Attributes:
        name: Image id in training, file name without extension in the evaluation set.
        landmark_id: The class it is filed under; None in the evaluation set.
        place: What it shows.
        view: Name of the random stream of its photograph; near duplicates share one.
        view_kind: One of `viewpoints.VIEW_KINDS`.
        treatment: A key of `treatments.TREATMENTS`.
        planted: What is odd about it, or an empty string.
        label_correct: Whether it shows what its class is about.
    """

    name: str
    landmark_id: int | None
    place: PlaceSpec
    view: str
    view_kind: str = "ordinary"
    treatment: str = "as taken"
    planted: str = ""
    label_correct: bool = True

    @property
    def place_shown(self) -> str:
        """Name of the landmark in the picture, "unrelated", or "none" if it shows nothing."""
        if self.treatment == "HTML":
            return "none"
        return self.place.name if self.place.kind in KINDS else UNRELATED


@dataclass(frozen=True)
class LandmarkClass:
    """One training class.

    Attributes:
        landmark_id: Its number.
        name: Its name on Wikimedia Commons.
        place: What it ought to show; None where it shows nothing in particular.
        planted: What is odd about all its pictures, or an empty string.
        shown_in_queries: Whether an evaluation query shows its place.
    """

    landmark_id: int
    name: str
    place: PlaceSpec | None
    planted: str = ""
    shown_in_queries: bool = False


@dataclass
class Cast:
    """All classes and pictures.

    Attributes:
        classes: The training classes.
        train: The training pictures.
        queries: The evaluation queries.
        database: The other evaluation pictures.
    """

    classes: list[LandmarkClass]
    train: list[Shot] = field(default_factory=list)
    queries: list[Shot] = field(default_factory=list)
    database: list[Shot] = field(default_factory=list)


def found_classes(
    settings: MiniatureSettings,
) -> tuple[list[PlaceSpec], list[LandmarkClass]]:
    """Name the places of the evaluation city and all training classes."""
    kinds = [
        list(KINDS)[i % len(KINDS)] for i in range(settings.num_landmarks + NUM_EVALUATION_PLACES)
    ]
    names = draw_names(settings.seed, kinds)
    places = [
        PlaceSpec(_slug(name), kind, architect=name)
        for name, kind in zip(names, kinds, strict=True)
    ]
    evaluation, others = places[:NUM_EVALUATION_PLACES], iter(places[NUM_EVALUATION_PLACES:])
    other_names = iter(names[NUM_EVALUATION_PLACES:])
    ids = iter(draw_landmark_ids(settings.seed, settings.num_landmarks))
    classes = [
        LandmarkClass(
            next(ids), f"{names[i]} ({CITY})" if i % 2 else names[i], evaluation[i],
            shown_in_queries=True,
        )
        for i in range(NUM_SHARED_PLACES)
    ]  # fmt: skip
    classes += _found_odd_classes(ids, names, evaluation)
    for landmark_id in ids:
        classes.append(LandmarkClass(landmark_id, next(other_names), next(others)))
    return evaluation, classes


def _found_odd_classes(
    ids: Iterator[int], names: list[str], evaluation: list[PlaceSpec]
) -> list[LandmarkClass]:
    architect = "the twins' architect"
    twins = [PlaceSpec(f"{side}_gate_ravica", "gate", architect) for side in ("north", "south")]
    villa = PlaceSpec("villa_on_valmere_street", "house", "villa")
    return [
        LandmarkClass(
            next(ids), f"{CITY} Old Town", evaluation[0], "same landmark under a second class",
            shown_in_queries=True,
        ),
        LandmarkClass(
            next(ids), f"{names[1]} (Port Ellery)", None,
            "unrelated photograph in a class with a telling name",
        ),
        LandmarkClass(
            next(ids), f"Villa on {CITY} Street, Kestring (Ohio)", villa,
            f"class named after {CITY}, not in {CITY}",
        ),
        LandmarkClass(
            next(ids), "North Gate (Ravica)", twins[0], f"look-alike of {twins[1].name}"
        ),
        LandmarkClass(
            next(ids), "South Gate (Ravica)", twins[1], f"look-alike of {twins[0].name}"
        ),
    ]  # fmt: skip


def _slug(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    kept = "".join(c if c.isalnum() else "_" for c in plain.lower())
    return "_".join(filter(None, kept.split("_")))
