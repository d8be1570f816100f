"""A data set in GLDv2's layout, drawn here: thousands of small views of hundreds of surfaces.

Sizes of classes have a heavy tail. A class shows up to three places; some of its images are views
of another class, copies of one another, blank, or cut short.
"""

import csv
import hashlib
import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from manifests.gldv2_csv import HEADERS, member_path

Picture = NDArray[np.uint8]

WIDTH_PX, HEIGHT_PX = 320, 240
_SURFACE_PX = 420
_TAIL, _SMALLEST, _LARGEST = 1.1, 2.0, 600
_WRONG_LABEL, _BLANK, _CUT_SHORT, _COPY = 0.08, 0.02, 0.005, 0.04
_QUERY = 1 << 40
"""Number of the first query's view: no image of the data set has it."""


@dataclass(frozen=True)
class DrawnSet:
    """How large a drawn data set is.

    Attributes:
        num_images: files in its shards.
        num_shards: shards that they are dealt to.
        num_queries: images of the evaluation set beside it.
        seed: another seed draws another one.
    """

    num_images: int
    num_shards: int
    num_queries: int
    seed: int = 0


def write_drawn_gldv2(root: Path, drawn: DrawnSet) -> None:
    """Write shards, checksums and lists into `root`, and queries into `root/queries`."""
    rng = np.random.default_rng(drawn.seed)
    sizes = draw_class_sizes(drawn.num_images, rng)
    classes = np.repeat(np.arange(len(sizes)), sizes) + 1000
    ids = [_image_id(drawn.seed, number) for number in range(len(classes))]
    shards = rng.permutation(np.arange(len(classes)) % drawn.num_shards)
    with _Shards(root, drawn.num_shards) as archives:
        for image_id, shard, data in zip(ids, shards, _draw_files(classes, rng), strict=True):
            archives.add(int(shard), image_id, data)
    _write_lists(root / "metadata", dict(zip(ids, classes.tolist(), strict=True)))
    queries = root / "queries"
    queries.mkdir()
    for number, landmark_id in enumerate(rng.choice(classes, drawn.num_queries).tolist()):
        view = draw_view(draw_surface(landmark_id, 0), _QUERY + number)
        (queries / f"query{number:03d}.jpg").write_bytes(_encode(view, 90))


def draw_class_sizes(num_images: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Sizes of classes with a Pareto tail, ascending by nothing, that add up to `num_images`."""
    sizes: list[int] = []
    left = num_images
    while left:
        size = int(_SMALLEST * (1 - rng.random()) ** (-1 / _TAIL))
        sizes.append(min(size, _LARGEST, left))
        left -= sizes[-1]
    return np.array(sizes, np.int64)


def draw_surface(landmark_id: int, place: int) -> Picture:
    """A surface like no other: rough ground under shapes of random colour."""
    rng = np.random.default_rng((landmark_id, place))
    ground = np.zeros((_SURFACE_PX, _SURFACE_PX, 3), np.float32)
    for cells in (4, 16, 60):
        coarse = rng.uniform(0, 80, (cells, cells, 3)).astype(np.float32)
        size = (_SURFACE_PX, _SURFACE_PX)
        ground += cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)
    surface = np.clip(ground, 0, 255).astype(np.uint8)
    for _ in range(int(rng.integers(60, 260))):
        corners = rng.integers(0, _SURFACE_PX, 2) + rng.integers(-26, 27, (5, 2))
        colour = tuple(rng.integers(0, 256, 3).tolist())
        cv2.fillConvexPoly(surface, cv2.convexHull(corners.astype(np.int32)), colour, cv2.LINE_AA)
    return surface


def draw_view(surface: Picture, number: int) -> Picture:
    """A small photograph of a surface from a side of its own, with noise and light of its own."""
    rng = np.random.default_rng(number)
    inset = rng.uniform(0.02, 0.3, (4, 2)) * _SURFACE_PX
    signs = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]])
    seen = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * _SURFACE_PX + signs * inset
    screen = np.array([[0, 0], [WIDTH_PX, 0], [WIDTH_PX, HEIGHT_PX], [0, HEIGHT_PX]], np.float32)
    matrix = cv2.getPerspectiveTransform(seen.astype(np.float32), screen)
    view = cv2.warpPerspective(surface, matrix, (WIDTH_PX, HEIGHT_PX)).astype(np.int16)
    noise = rng.integers(-6, 7, view.shape, np.int16)
    return np.clip(view * rng.uniform(0.7, 1.1) + noise, 0, 255).astype(np.uint8)


def _draw_files(classes: NDArray[np.int64], rng: np.random.Generator) -> Iterator[bytes]:
    """The file of each image, class by class."""
    surfaces: dict[tuple[int, int], Picture] = {}
    last_class, view = -1, np.zeros((HEIGHT_PX, WIDTH_PX, 3), np.uint8)
    for number, landmark_id in enumerate(classes.tolist()):
        if landmark_id != last_class:
            surfaces.clear()
            num_places = int(rng.integers(1, 4))
        chance = rng.random()
        if chance < _WRONG_LABEL:
            view = draw_view(draw_surface(int(rng.choice(classes)), 0), number)
        elif chance < _WRONG_LABEL + _BLANK:
            view = np.full((HEIGHT_PX, WIDTH_PX, 3), int(rng.integers(256)), np.uint8)
        elif chance >= _WRONG_LABEL + _BLANK + _COPY or landmark_id != last_class:
            key = landmark_id, int(rng.integers(num_places))
            if key not in surfaces:
                surfaces[key] = draw_surface(*key)
            view = draw_view(surfaces[key], number)
        last_class = landmark_id
        data = _encode(view, int(rng.integers(60, 95)))
        yield data[: len(data) // 2] if rng.random() < _CUT_SHORT else data


class _Shards:
    """Shards that are written side by side, and their checksums at the end."""

    def __init__(self, root: Path, count: int) -> None:
        self._root = root
        (root / "train").mkdir(parents=True)
        self._paths = [root / "train" / f"images_{number:03d}.tar" for number in range(count)]
        self._archives = [tarfile.open(path, "w") for path in self._paths]  # noqa: SIM115

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        folder = self._root / "md5sum" / "train"
        folder.mkdir(parents=True)
        for path, archive in zip(self._paths, self._archives, strict=True):
            archive.close()
            md5 = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
            (folder / f"md5.{path.stem}.txt").write_text(f"{md5}  {path.name}\n")

    def add(self, shard: int, image_id: str, data: bytes) -> None:
        info = tarfile.TarInfo(member_path(image_id))
        info.size = len(data)
        self._archives[shard].addfile(info, io.BytesIO(data))


def _write_lists(folder: Path, class_of: dict[str, int]) -> None:
    folder.mkdir()
    url = "https://upload.wikimedia.org/wikipedia/commons/a/ab/{}.jpg"
    rights = [
        (i, url.format(i), f"Author {int(i[:3], 16)}", "CC BY", f"File:Photograph {i}.jpg")
        for i in class_of
    ]
    category = "http://commons.wikimedia.org/wiki/Category:Place_{}"
    names = [(c, category.format(c)) for c in sorted(set(class_of.values()))]
    for name, rows in (
        ("train.csv", [(i, url.format(i), c) for i, c in class_of.items()]),
        ("train_attribution.csv", rights),
        ("train_label_to_category.csv", names),
    ):
        with (folder / name).open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows([HEADERS[name], *rows])


def _image_id(seed: int, number: int) -> str:
    return hashlib.sha256(f"{seed}/{number}".encode()).hexdigest()[:16]


def _encode(picture: Picture, quality: int) -> bytes:
    data: bytes = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
    return data
