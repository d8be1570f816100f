"""The files that a simulated job starts from: lists, empty shards and evaluation queries."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv

from manifests.gldv2_metadata import format_ids
from pipelines.run_config import RunConfig
from simulated_gldv2.world import World

NUM_QUERIES = 70
"""Of each of the two evaluation sets (Radenovic et al. 2018)."""
_CITIES = {"roxford5k": "Oxford", "rparis6k": "Paris"}
_CLASSES_PER_CITY, _FIRST_IN_CITY = 2000, 7
"""One class in so many is called after each city."""


def write_inputs(root: Path, world: World) -> RunConfig:
    """Write what a job on the simulated world reads, unless it is there; return the job."""
    if root.is_dir():
        return _make_config(root)
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
    return _make_config(root)


def _make_config(root: Path) -> RunConfig:
    sets = [
        {"name": name, "format": "folder", "images": root / name, "text_terms": [city]}
        for name, city in _CITIES.items()
    ]
    content = {
        "source": {"root": root, "check_md5": False},
        "evaluation_sets": sets,
        "emit": {"policy": "strict"},
    }
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
