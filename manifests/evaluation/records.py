"""What an evaluation set is, whatever file it was read from."""

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeVar

from manifests.input_error import InputError

Box = tuple[float, float, float, float]
_Value = TypeVar("_Value", bound=Hashable)


class GroundTruthError(InputError):
    """A ground-truth file is missing, unsafe or inconsistent, or an image of it is missing."""


@dataclass(frozen=True, slots=True)
class EvaluationQuery:
    """One query: an image or a crop of it, and which database images show the same landmark.

    Attributes:
        query_id: what tables call it; unique in its set.
        image_name: name of the query image, without its folder and often without extension.
        box: x1, y1, x2, y2 in pixels of the stored query image (before EXIF orientation); None
            if the whole image is the query.
        easy: positions in the database of images that show the landmark clearly.
        hard: positions of images that show it under difficult conditions.
        junk: positions of images too unclear to count as right or wrong.
    """

    query_id: str
    image_name: str
    box: Box | None = None
    easy: tuple[int, ...] = ()
    hard: tuple[int, ...] = ()
    junk: tuple[int, ...] = ()


@dataclass(frozen=True)
class EvaluationSet:
    """A named benchmark: database image names and queries, in the order of the file."""

    name: str
    database: tuple[str, ...]
    queries: tuple[EvaluationQuery, ...]


def check_names(path: Path, what: str, names: Iterable[str]) -> None:
    """Refuse names of images that occur twice or that lead out of the image folder.

    Args:
        path: the file that gives the names, for the message.
        what: what the file calls them, for the message.
        names: relative to the image folder.

    Raises:
        GroundTruthError: naming the file and the name.
    """
    names = list(names)
    repeated = find_repeated(names)
    if repeated is not None:
        raise GroundTruthError(f"{path}: {what} holds {repeated!r} twice; remove the duplicate")
    for name in names:
        check_stays_inside(path, what, name)


def check_stays_inside(path: Path, what: str, name: str) -> None:
    """Refuse the name of an image that leads out of the image folder.

    Raises:
        GroundTruthError: naming the file and the name.
    """
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        raise GroundTruthError(
            f"{path}: {what}: the name {name!r} leaves the image folder; correct the name"
        )


def find_repeated(values: Sequence[_Value]) -> _Value | None:
    """The first value that occurs a second time; None if none does."""
    seen = set()
    for value in values:
        if value in seen:
            return value
        seen.add(value)
    return None


def make_box(where: str, sides: object) -> Box:
    """Check and convert the box of a query.

    Args:
        where: file and query, for the message.
        sides: x1, y1, x2, y2 in pixels.

    Raises:
        GroundTruthError: not four finite numbers with x1 < x2 and y1 < y2.
    """
    if isinstance(sides, Sequence) and len(sides) == 4 and all(map(_is_finite, sides)):
        x1, y1, x2, y2 = (float(side) for side in sides)
        if x1 < x2 and y1 < y2:
            return x1, y1, x2, y2
    raise GroundTruthError(
        f"{where} is {sides!r}, not x1, y1, x2, y2 with x1 < x2 and y1 < y2; correct the box"
    )


def _is_finite(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value)
