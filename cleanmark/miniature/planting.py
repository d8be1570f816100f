"""Fills the classes with pictures and plants what a cleaner must find."""

from dataclasses import replace

import numpy as np

from cleanmark.miniature.cast import UNRELATED, Cast, LandmarkClass, Shot, found_classes
from cleanmark.miniature.names import CITY, make_image_id
from cleanmark.miniature.place import SCENES, PlaceSpec
from cleanmark.miniature.seeding import make_generator
from cleanmark.miniature.settings import MiniatureSettings

NUM_UNRELATED_COMPANIONS = 4  # photographs with one watermark, or in one frame
NUM_SWAPPED = 2
WRONG_LABEL_SHARE = 0.08
HARD_VIEW_SHARE = 0.025  # of each kind
HARD_VIEWS = ("night", "far zoom", "extreme angle")
DUPLICATES = (
    "one more byte", "re-encoded", "half size", "rotated by 90 degrees", "rotated by 4 degrees",
)  # fmt: skip
ODD_FORMATS = ("PNG", "greyscale", "EXIF orientation 6")
BROKEN = {"truncated": "broken: truncated JPEG", "HTML": "broken: not an image"}


def choose_cast(settings: MiniatureSettings) -> Cast:
    """Decide on every class and picture from the seed alone."""
    evaluation_places, classes = found_classes(settings)
    cast = Cast(classes)
    rng = make_generator(settings.seed, "cast")
    director = _Director(settings, rng, cast)
    director.fill_classes()
    director.mislabel_some()
    director.harden_some()
    ordinary = _find_ordinary(classes)
    director.swap_between(ordinary[0], ordinary[1])
    director.duplicate_some()
    director.spoil_some()
    director.add_companions(ordinary[-1], "watermark")
    director.add_companions(ordinary[-2], "picture frame")
    _choose_evaluation(settings, cast, evaluation_places, director)
    cast.train.sort(key=lambda shot: shot.name)
    return cast


def _find_ordinary(classes: list[LandmarkClass]) -> list[LandmarkClass]:
    return [c for c in classes if not c.planted and not c.shown_in_queries]


class _Director:
    """Hands out names and places while the cast is being filled."""

    def __init__(self, settings: MiniatureSettings, rng: np.random.Generator, cast: Cast) -> None:
        self._settings = settings
        self._rng = rng
        self._cast = cast
        self._num_named = 0
        self._num_scenes = 0

    def fill_classes(self) -> None:
        """Give every class its photographs, all of its own place where it has one."""
        for landmark in self._cast.classes:
            low, high = self._settings.min_views, self._settings.max_views
            for _ in range(int(self._rng.integers(low, high + 1))):
                place = landmark.place or self.find_scene()
                is_shown = landmark.place is not None
                self.add(landmark.landmark_id, place, landmark.planted, label_correct=is_shown)

    def add(
        self,
        landmark_id: int | None,
        place: PlaceSpec,
        planted: str,
        *,
        view: str = "",
        treatment: str = "as taken",
        label_correct: bool = True,
    ) -> None:
        """Add a picture to a class: a new one, unless `view` names an earlier one."""
        name = make_image_id(self._settings.seed, self._num_named)
        self._num_named += 1
        shot = Shot(
            name,
            landmark_id,
            place,
            view=view or name,
            treatment=treatment,
            planted=planted,
            label_correct=label_correct,
        )
        self._cast.train.append(shot)

    def find_scene(self) -> PlaceSpec:
        """Return an ordinary scene that no other picture shows."""
        kind = list(SCENES)[self._num_scenes % len(SCENES)]
        self._num_scenes += 1
        name = f"{UNRELATED} {self._num_scenes}"
        return PlaceSpec(name, kind, architect=name)

    def mislabel_some(self) -> None:
        """Replace some pictures by unrelated ones."""
        for index in self._pick(WRONG_LABEL_SHARE, minimum=2):
            self._cast.train[index] = replace(
                self._cast.train[index],
                place=self.find_scene(),
                label_correct=False,
                planted="wrong label: unrelated photograph",
            )

    def harden_some(self) -> None:
        """Retake some pictures at night, from afar or from the side."""
        for kind in HARD_VIEWS:
            for index in self._pick(HARD_VIEW_SHARE, minimum=1):
                shot = self._cast.train[index]
                self._cast.train[index] = replace(
                    shot, view_kind=kind, planted=f"hard view: {kind}"
                )

    def swap_between(self, first: LandmarkClass, second: LandmarkClass) -> None:
        """File new pictures of each class under the other."""
        for landmark, other in ((first, second), (second, first)):
            if other.place is None:
                continue
            for _ in range(NUM_SWAPPED):
                planted = f"wrong label: a photograph of {other.place.name}, in its own class too"
                self.add(landmark.landmark_id, other.place, planted, label_correct=False)

    def duplicate_some(self) -> None:
        """Add a near duplicate of every kind."""
        for index, treatment in zip(
            self._pick(0, minimum=len(DUPLICATES)), DUPLICATES, strict=True
        ):
            shot = self._cast.train[index]
            self.add(
                shot.landmark_id,
                shot.place,
                f"near duplicate: {treatment} of {shot.name}",
                view=shot.view,
                treatment=treatment,
            )

    def spoil_some(self) -> None:
        """Store some pictures in odd formats and break two."""
        plants = {name: f"format: {name}" for name in ODD_FORMATS}
        plants |= BROKEN
        for index, (treatment, planted) in zip(
            self._pick(0, minimum=len(plants)), plants.items(), strict=True
        ):
            self._cast.train[index] = replace(
                self._cast.train[index],
                treatment=treatment,
                planted=planted,
                label_correct=treatment not in BROKEN,
            )

    def add_companions(self, landmark: LandmarkClass, treatment: str) -> None:
        """Add unrelated photographs that have only a watermark or a frame in common."""
        for _ in range(NUM_UNRELATED_COMPANIONS):
            planted = f"{treatment} on an unrelated photograph"
            scene = self.find_scene()
            self.add(landmark.landmark_id, scene, planted, treatment=treatment, label_correct=False)

    def _pick(self, share: float, minimum: int) -> list[int]:
        """Indices of pictures with nothing planted on them or copied from them yet."""
        copied = {shot.view for shot in self._cast.train if shot.view != shot.name}
        free = [
            i
            for i, shot in enumerate(self._cast.train)
            if not shot.planted and shot.name not in copied
        ]
        count = max(minimum, round(share * len(self._cast.train)))
        return [free[i] for i in self._rng.permutation(len(free))[:count]]


def _choose_evaluation(
    settings: MiniatureSettings, cast: Cast, places: list[PlaceSpec], director: _Director
) -> None:
    """Choose queries, database views and distractors."""
    for number in range(settings.num_queries):
        place = places[number % len(places)]
        name = f"{place.name}_{number:06d}"
        cast.queries.append(Shot(name, None, place, view=f"query {name}"))
    num_views = round(0.7 * settings.num_database_images)
    kinds = ("ordinary", "far zoom", "ordinary", "extreme angle", "ordinary", "night")
    for number in range(settings.num_database_images):
        if number >= num_views:
            name = f"{CITY.lower()}_{number:06d}"
            cast.database.append(Shot(name, None, director.find_scene(), view=name))
            continue
        place = places[number % len(places)]
        # The first round of views is easy, so that every query has something to find.
        kind = "ordinary" if number < len(places) else kinds[number % len(kinds)]
        name = f"{place.name}_{100 + number:06d}"
        cast.database.append(Shot(name, None, place, view=f"view {name}", view_kind=kind))
    cast.queries.sort(key=lambda shot: shot.name)
    cast.database.sort(key=lambda shot: shot.name)
