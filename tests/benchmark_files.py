"""A small benchmark in the format of Revisited Oxford and Paris, drawn by the tests, as files.

Three landmarks, each with three views in the database and one query that is a crop of a fourth;
four images of other walls. One view of the first landmark is junk, one of the second is hard.
"""

import json
from pathlib import Path

import torch
from tiny_run import draw_view, encode_jpeg

from networks.checkpoints import Checkpoint, save_checkpoint
from networks.retrieval_network import NetworkSettings, RetrievalNetwork

NAME = "drawn"
NUM_LANDMARKS, NUM_VIEWS, NUM_OTHERS = 3, 3, 4
BOX = (60, 40, 380, 290)
DATABASE = [
    *(f"wall{wall}_{view}" for wall in range(NUM_LANDMARKS) for view in range(NUM_VIEWS)),
    *(f"other{number}" for number in range(NUM_OTHERS)),
]
QUERIES = [f"query{wall}" for wall in range(NUM_LANDMARKS)]


def write_benchmark(root: Path) -> Path:
    """Write images, ground truth and YAML file into `root`; return the YAML file."""
    images = root / "jpg"
    images.mkdir(parents=True)
    for wall in range(NUM_LANDMARKS):
        for view in range(NUM_VIEWS):
            _write(images / f"wall{wall}_{view}.jpg", 50 + wall, view + 1)
        _write(images / f"query{wall}.jpg", 50 + wall, 0)
    for number in range(NUM_OTHERS):
        _write(images / f"other{number}.jpg", 90 + number, 0)
    truth = {
        "imlist": DATABASE,
        "qimlist": QUERIES,
        "gnd": [_list_right(wall) for wall in range(NUM_LANDMARKS)],
    }
    (root / "gnd_drawn.json").write_text(json.dumps(truth))
    return write_yaml(root / "drawn.yaml", "gnd_drawn.json")


def write_yaml(path: Path, ground_truth: str, *, name: str = NAME, more: str = "") -> Path:
    """Write the YAML file of a set whose images lie in `jpg` beside it."""
    path.write_text(f"name: {name}\nimages: jpg\nground_truth: {ground_truth}\n{more}")
    return path


def write_distractors(root: Path, count: int = 5) -> Path:
    """Write images of other walls and their list into `root`; return the YAML file."""
    (root / "jpg").mkdir(parents=True)
    names = [f"distractor{number}" for number in range(count)]
    for number, name in enumerate(names):
        _write(root / "jpg" / f"{name}.jpg", 200 + number, 0)
    (root / "list.txt").write_text("\n".join(names) + "\n")
    return write_yaml(root / "distractors.yaml", "list.txt", name="distractors")


def write_checkpoint(path: Path, seed: int = 0) -> Path:
    """Write a ResNet-18 that was never trained."""
    torch.manual_seed(seed)
    settings = NetworkSettings(backbone="resnet18", dimensions=None)
    save_checkpoint(path, Checkpoint(settings, RetrievalNetwork(settings).state_dict()))
    return path


def _write(path: Path, wall: int, view: int) -> None:
    path.write_bytes(encode_jpeg(draw_view(wall, view)))


def _list_right(wall: int) -> dict[str, list[int]]:
    first = wall * NUM_VIEWS
    views = list(range(first, first + NUM_VIEWS))
    easy, hard, junk = views, [], []
    if wall == 0:
        easy, junk = views[:2], views[2:]
    if wall == 1:
        easy, hard = views[:2], views[2:]
    return {"bbx": list(BOX), "easy": easy, "hard": hard, "junk": junk}
