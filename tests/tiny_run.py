"""A very small GLDv2 with everything in it that a job must handle, and the job on it.

Every landmark is a drawn wall of random shapes, every photograph a slightly different view of
one. What is planted, by class:

- 101: four views, one photograph of something else, one file that is cut short
- 102: three views, a re-encoded copy of the first; its name tries to be HTML
- 103: four views; the evaluation set shows the same landmark
- 104: two photographs that have nothing in common

The evaluation set `tiny` has two queries; `overlapping` shows the landmark of class 103, `other`
shows nothing that is in a class.
"""

import csv
import hashlib
import io
import json
import tarfile
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from rich.console import Console

from manifests.arrow_schemas import CANDIDATES
from manifests.gldv2_csv import member_path
from manifests.parquet_io import read_table
from manifests.rows import CandidateVerdict
from pipelines.decision_log import import_decisions
from pipelines.fork_server import start_fork_server
from pipelines.job import StepResult, run_job
from pipelines.run_config import RunConfig
from pipelines.run_folder import table_parts

NAMES = {
    101: "Old Mill",
    102: "<script>alert(1)</script> Tower",
    103: "Stone Bridge",
    104: "Lonely Hill",
}
OVERLAPPING_CLASS = 103
BROKEN_ID = "00000000000000b1"
WRONG_LABEL_ID = "00000000000000a1"
COPY_ID = "00000000000000c1"
NUM_IMAGES = 17
QUERIES = ("overlapping", "other")

_WIDTH, _HEIGHT = 420, 320
_JITTER_PX = 14


def draw_wall(seed: int) -> np.ndarray:
    """A wall of shapes, uint8 (height, width, 3); another seed gives one with nothing in common."""
    rng = np.random.default_rng(seed)
    wall = np.full((_HEIGHT, _WIDTH, 3), 128, np.uint8)
    for _ in range(260):
        centre = rng.integers([0, 0], [_WIDTH, _HEIGHT])
        corners = (centre + rng.integers(-26, 27, (5, 2))).astype(np.int32)
        cv2.fillConvexPoly(wall, cv2.convexHull(corners), rng.integers(0, 256, 3).tolist())
    return wall


def draw_view(wall_seed: int, view_seed: int) -> np.ndarray:
    """A photograph of a wall from a spot of its own, with its own light; view 0 is the wall."""
    wall = draw_wall(wall_seed)
    if view_seed == 0:
        return wall
    rng = np.random.default_rng((wall_seed, view_seed))
    corners = np.array([[0, 0], [_WIDTH, 0], [_WIDTH, _HEIGHT], [0, _HEIGHT]], np.float32)
    moved = corners + rng.uniform(-_JITTER_PX, _JITTER_PX, (4, 2)).astype(np.float32)
    matrix = cv2.getPerspectiveTransform(corners, moved)
    view = cv2.warpPerspective(wall, matrix, (_WIDTH, _HEIGHT), borderMode=cv2.BORDER_REFLECT)
    light = rng.uniform(0.75, 1.0) * view + rng.normal(0, 3, view.shape)
    return np.clip(light, 0, 255).astype(np.uint8)


def encode_jpeg(pixels: np.ndarray, quality: int = 90) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def write_tiny_gldv2(root: Path) -> Path:
    """Write the data set into `root`, in GLDv2's own layout plus a folder `eval`."""
    photographs = _list_photographs()
    ids = sorted(photographs)
    for number, shard_ids in enumerate((ids[::2], ids[1::2])):
        _write_shard(root, f"images_{number:03d}", {i: photographs[i][1] for i in shard_ids})
    _write_metadata(root / "metadata", {i: photographs[i][0] for i in ids})
    _write_evaluation_set(root / "eval")
    return root


def tiny_config(root: Path, *, with_evaluation_set: bool = True, **sections: object) -> RunConfig:
    """A job on the data set that is small in every way; `sections` replace those of the job."""
    evaluation_set = {
        "name": "tiny",
        "images": root / "eval",
        "ground_truth": root / "eval" / "gnd_tiny.json",
        "text_terms": ["bridge"],
    }
    content = {
        "source": {"root": root},
        "evaluation_sets": [evaluation_set] if with_evaluation_set else [],
        "describe": {"long_side_px": 420, "max_features": 500},
        "embed": {"num_words": 8, "dimensions": 16},
        "verify": {"schedule": {"min_units": 2}},
        "clean": {"min_verified_neighbours": 1, "duplicates": "drop"},
        "overlap": {"top_k": 5, "always_show_top": 2},
        "runner": {"workers": 1},
    }
    return RunConfig.model_validate(content | sections)


def run_tiny_job(config: RunConfig, run_dir: Path) -> list[StepResult]:
    """Run the job; a failed unit is an error here.

    Raises:
        RuntimeError: with the reports of the failed units.
    """
    start_fork_server(["pytest"])
    results = run_job(config, run_dir, Console(file=io.StringIO()))
    failures = [failure for result in results for failure in result.failures]
    if failures:
        raise RuntimeError(f"the tiny job failed: {failures}")
    return results


def _list_photographs() -> dict[str, tuple[int, bytes]]:
    """Image id -> class and bytes of the file."""
    first_of_102 = draw_view(2, 0)
    photographs = {
        WRONG_LABEL_ID: (101, encode_jpeg(draw_wall(21))),
        BROKEN_ID: (101, encode_jpeg(draw_view(1, 9))[:4000]),
        COPY_ID: (102, encode_jpeg(first_of_102, quality=70)),
        _image_id(104, 0): (104, encode_jpeg(draw_wall(41))),
        _image_id(104, 1): (104, encode_jpeg(draw_wall(42))),
    }
    for landmark_id, wall_seed, num_views in ((101, 1, 4), (102, 2, 3), (103, 3, 4)):
        for view in range(num_views):
            file = encode_jpeg(draw_view(wall_seed, view))
            photographs[_image_id(landmark_id, view)] = (landmark_id, file)
    photographs[_image_id(103, 9)] = (103, b"<html>404 Not Found</html>")
    return photographs


def _image_id(landmark_id: int, number: int) -> str:
    return hashlib.sha256(f"{landmark_id}/{number}".encode()).hexdigest()[:16]


def _write_shard(root: Path, name: str, files: dict[str, bytes]) -> None:
    tar = root / "train" / f"{name}.tar"
    tar.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(tar, "w") as archive:
        for image_id, data in files.items():
            info = tarfile.TarInfo(member_path(image_id))
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    md5_file = root / "md5sum" / "train" / f"md5.{name}.txt"
    md5_file.parent.mkdir(parents=True, exist_ok=True)
    md5 = hashlib.md5(tar.read_bytes()).hexdigest()
    md5_file.write_text(f"{md5}  {name}.tar\n")


def _write_metadata(folder: Path, class_of: dict[str, int]) -> None:
    folder.mkdir(parents=True)
    url = "https://upload.example.org/{}.jpg"
    _write_csv(
        folder / "train.csv",
        ("id", "url", "landmark_id"),
        [(i, url.format(i), landmark_id) for i, landmark_id in class_of.items()],
    )
    _write_csv(
        folder / "train_attribution.csv",
        ("id", "url", "author", "license", "title"),
        [(i, url.format(i), "the tests", "CC0", f"File:{i}.jpg") for i in class_of],
    )
    category = "http://commons.wikimedia.org/wiki/Category:{}"
    _write_csv(
        folder / "train_label_to_category.csv",
        ("landmark_id", "category"),
        [(landmark_id, category.format(_quote(name))) for landmark_id, name in NAMES.items()],
    )


def _quote(name: str) -> str:
    # A slash would end the name of a category, so it travels quoted.
    return name.replace(" ", "_").replace("/", "%2F")


def _write_csv(path: Path, header: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([header, *rows])


def _write_evaluation_set(folder: Path) -> None:
    folder.mkdir(parents=True)
    for query_id, wall_seed in zip(QUERIES, (3, 31), strict=True):
        (folder / f"{query_id}.jpg").write_bytes(encode_jpeg(draw_view(wall_seed, 7)))
    truth = {"bbx": [20, 20, _WIDTH - 20, _HEIGHT - 20], "easy": [0], "hard": [], "junk": []}
    content = {"imlist": ["database"], "qimlist": list(QUERIES), "gnd": [truth, truth]}
    (folder / "gnd_tiny.json").write_text(json.dumps(content))


def confirm_overlap(run_dir: Path, folder: Path) -> None:
    """Say `same` of every match of the query `overlapping`, as the reviewer anna."""
    rows = read_table(table_parts(run_dir, "overlap"), CANDIDATES).to_pylist()
    matches = [row for row in rows if row["verdict"] == CandidateVerdict.MATCH]
    header = ("eval_set", "query_id", "image_id", "reviewer", "decision", "decided_at")
    said = ("anna", "same", "2024-05-01T10:00:00+00:00")
    lines = [(row["eval_set"], row["query_id"], row["image_id"], *said) for row in matches]
    _write_csv(folder / "decisions.csv", header, lines)
    import_decisions(run_dir, folder / "decisions.csv")
