"""Photographs with the place that each shows: a labelled folder, or views drawn here."""

import csv
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.images import ImageError, decode_image

Pair = tuple[int, int]
"""Two photographs by their place in the list."""


@dataclass(frozen=True)
class LabelledPhoto:
    """One photograph.

    Attributes:
        image_id: its name.
        landmark_id: the class that it was put in, rightly or not.
        place: what it shows; an unrelated photograph is a place of its own.
        is_copy: whether it was made from another photograph of the list.
        pixels: uint8 (height, width, 3), RGB.
    """

    image_id: str
    landmark_id: str
    place: str
    is_copy: bool
    pixels: NDArray[np.uint8]


def load_photos(folder: Path | None) -> list[LabelledPhoto]:
    """Read the photographs of a folder in the layout of GLDv2 with a truth.csv; draw some if None.

    The columns of truth.csv that count are image_id, landmark_id, place_shown (`noise`: unrelated
    to all others) and planted (begins with `near duplicate` for copies). What does not decode is
    left out.
    """
    if folder is None:
        return list(_draw_photos(num_places=8, num_views=4))
    with (folder / "truth.csv").open(encoding="utf-8", newline="") as stream:
        truth = {row["image_id"]: row for row in csv.DictReader(stream)}
    return list(_read_photos(folder, truth))


def list_true_pairs(photos: list[LabelledPhoto]) -> list[Pair]:
    """Every pair of photographs of one place, copies left out.

    Two views of a place need not share a surface: nothing verifies all of these.
    """
    return [pair for pair in _originals(photos) if _same_place(photos, pair)]


def sample_cross_pairs(photos: list[LabelledPhoto], most: int) -> list[Pair]:
    """Pairs of photographs of different places, the same ones every time."""
    pairs = [pair for pair in _originals(photos) if not _same_place(photos, pair)]
    order = np.random.default_rng(0).permutation(len(pairs))[:most]
    return [pairs[number] for number in sorted(order)]


def sample_cross_queries(photos: list[LabelledPhoto], most: int, per_query: int) -> list[Pair]:
    """Likewise, but `per_query` pairs of each of some photographs, as images of a class occur."""
    pairs = sample_cross_pairs(photos, len(photos) ** 2)
    rng = np.random.default_rng(1)
    chosen: list[Pair] = []
    for query in rng.permutation(len(photos)).tolist():
        partners = [pair for pair in pairs if pair[0] == query]
        if len(partners) >= per_query and len(chosen) + per_query <= most:
            some = rng.permutation(len(partners))[:per_query]
            chosen += [partners[number] for number in sorted(some)]
    return chosen


def list_cross_class_pairs(photos: list[LabelledPhoto]) -> list[Pair]:
    """Every pair of photographs that were put in different classes."""
    return [
        (a, b)
        for a, b in combinations(range(len(photos)), 2)
        if photos[a].landmark_id != photos[b].landmark_id
    ]


def _originals(photos: list[LabelledPhoto]) -> Iterator[Pair]:
    return combinations([n for n, photo in enumerate(photos) if not photo.is_copy], 2)


def _same_place(photos: list[LabelledPhoto], pair: Pair) -> bool:
    return photos[pair[0]].place == photos[pair[1]].place


def _read_photos(folder: Path, truth: dict[str, dict[str, str]]) -> Iterator[LabelledPhoto]:
    for shard in sorted((folder / "train").glob("*.tar")):
        with tarfile.open(shard) as archive:
            for member in archive:
                row = truth.get(Path(member.name).stem)
                stream = archive.extractfile(member)
                if row is None or stream is None:
                    continue
                try:
                    pixels = decode_image(stream.read()).pixels
                except ImageError:
                    continue
                image_id, place = row["image_id"], row["place_shown"]
                is_copy = row["planted"].startswith("near duplicate")
                shown = image_id if place == "noise" else place
                yield LabelledPhoto(image_id, row["landmark_id"], shown, is_copy, pixels)


def _draw_photos(num_places: int, num_views: int) -> Iterator[LabelledPhoto]:
    for place in range(num_places):
        surface = _draw_surface(np.random.default_rng(place))
        for view in range(num_views):
            rng = np.random.default_rng((place, view))
            pixels = _look_at(surface, rng)
            name = str(place)
            yield LabelledPhoto(f"{place}-{view}", name, name, is_copy=False, pixels=pixels)


def _draw_surface(rng: np.random.Generator, side_px: int = 1400) -> NDArray[np.uint8]:
    ground = np.zeros((side_px, side_px, 3), np.float32)
    for cells in (5, 20, 90, 300):
        coarse = rng.uniform(0, 62, (cells, cells, 3)).astype(np.float32)
        ground += cv2.resize(coarse, (side_px, side_px), interpolation=cv2.INTER_CUBIC)
    surface = np.clip(ground, 0, 255).astype(np.uint8)
    for _ in range(500):
        corners = rng.integers(0, side_px, 2) + rng.integers(-60, 60, (5, 2))
        colour = tuple(rng.integers(0, 256, 3).tolist())
        cv2.fillConvexPoly(surface, cv2.convexHull(corners.astype(np.int32)), colour, cv2.LINE_AA)
    return surface


def _look_at(surface: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A view of 1024 x 768 px from a random side, with noise, blur and light of its own."""
    side_px = len(surface)
    inset = rng.uniform(0.02, 0.3, (4, 2)) * side_px
    signs = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]])
    seen = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * side_px + signs * inset
    screen = np.array([[0, 0], [1024, 0], [1024, 768], [0, 768]], np.float32)
    matrix = cv2.getPerspectiveTransform(seen.astype(np.float32), screen)
    view = cv2.warpPerspective(surface, matrix, (1024, 768), flags=cv2.INTER_AREA)
    blurred = cv2.GaussianBlur(view, (0, 0), rng.uniform(0.5, 1.5)).astype(np.float32)
    lit = 255 * (blurred / 255) ** rng.uniform(0.6, 1.6) + rng.normal(0, 5, view.shape)
    return np.clip(lit, 0, 255).astype(np.uint8)
