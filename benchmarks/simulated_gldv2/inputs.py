"""The files that a simulated job starts from: lists, empty shards and evaluation queries."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv

from manifests.gldv2_metadata import format_ids
from pipelines.run_config import RunConfig
from simulated_gldv2.world import World

NUM_QUERIES = 70
"""Of each of the two evaluation sets (Radenovic et al. 2018)."""
_CITIES = {"roxford5k": "Oxford", "rparis6k": "Paris"}
STREAM = "stream"
"""An evaluation set of any size, without names to look for, as one would compare R1M."""
_IMAGES_PER_FOLDER = 1000
_NEIGHBOURS_IN_STREAM = 20
"""Compared with each query where there is a stream, instead of a hundred."""
_CLASSES_PER_CITY, _FIRST_IN_CITY = 2000, 7
"""One class in so many is called after each city."""


def write_inputs(root: Path, world: World, num_streamed: int = 0) -> RunConfig:
    """Write what a job on the simulated world reads, unless it is there; return the job.

    Args:
        root: where it is written.
        world: what is true.
        num_streamed: queries of a third evaluation set; there is none if 0.
    """
    _write_source(root, world)
    if num_streamed:
        _write_stream(root / STREAM, num_streamed)
    return _make_config(root, has_stream=num_streamed > 0)


def _write_source(root: Path, world: World) -> None:
    if root.is_dir():
        return
    shards = root / "train"
    shards.mkdir(parents=True)
    for number in range(world.num_shards):
        (shards / f"images_{number:03d}.tar").write_bytes(b"")
    metadata = root / "metadata"
    metadata.mkdir()
    _write_train(metadata / "train.csv", world)
    _write_categories(metadata / "train_label_to_category.csv", len(world.class_sizes))
    for name in _CITIES:
        folder = root / name
        folder.mkdir()
        for number in range(NUM_QUERIES):
            (folder / f"query_{number}.jpg").write_bytes(f"{name} {number}".encode())


def _write_stream(root: Path, num_images: int) -> None:
    """Write as many images as are missing, a thousand in a folder."""
    for start in range(0, num_images, _IMAGES_PER_FOLDER):
        folder = root / f"{start // _IMAGES_PER_FOLDER:04d}"
        folder.mkdir(parents=True, exist_ok=True)
        there = len(list(folder.iterdir()))
        for number in range(start + there, min(start + _IMAGES_PER_FOLDER, num_images)):
            (folder / f"query_{number:07d}.jpg").write_bytes(f"{STREAM} {number}".encode())


def _make_config(root: Path, *, has_stream: bool) -> RunConfig:
    sets: list[dict[str, Any]] = [
        {"name": name, "format": "folder", "images": root / name, "text_terms": [city]}
        for name, city in _CITIES.items()
    ]
    if has_stream:
        sets.append({"name": STREAM, "format": "folder", "images": root / STREAM})
    content: dict[str, Any] = {
        "source": {"root": root, "check_md5": False},
        "evaluation_sets": sets,
        "emit": {"policy": "strict"},
    }
    if has_stream:
        content["overlap"] = {"top_k": _NEIGHBOURS_IN_STREAM}
    return RunConfig.model_validate(content)


def _write_train(path: Path, world: World) -> None:
    numbers = np.arange(world.num_images)
    ids = format_ids(world.keys(numbers))
    urls = pa.array([f"https://upload.wikimedia.org/Photo_{n}.jpg" for n in range(len(numbers))])
    columns = {"id": ids, "url": urls, "landmark_id": world.classes(numbers)}
    arrow_csv.write_csv(pa.table(columns), path)


def _write_categories(path: Path, num_classes: int) -> None:
    names = [_name_class(number) for number in range(num_classes)]
    columns = {
        "landmark_id": np.arange(num_classes),
        "category": [f"http://commons.wikimedia.org/wiki/Category:{name}" for name in names],
    }
    arrow_csv.write_csv(pa.table(columns), path)


def _name_class(number: int) -> str:
    cities = list(_CITIES.values())
    if number % _CLASSES_PER_CITY == _FIRST_IN_CITY:
        return f"Church_{number}_of_{cities[number // _CLASSES_PER_CITY % len(cities)]}"
    return f"Place_{number}"
