"""Writes the miniature in the layout of Google Landmarks v2 and of Revisited Oxford/Paris.

Weyand et al. 2020 and Radenovic et al. 2018.
"""

import csv
import hashlib
import json
import pickle
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from cleanmark.miniature.cast import Cast, Shot
from cleanmark.miniature.names import CATEGORY_PREFIX, draw_credit, make_category
from cleanmark.miniature.seeding import make_generator

EVALUATION_NAME = "miniworld"
URL_PREFIX = "https://upload.example.org/"
TAR_MODE = 0o644
SubjectBox = tuple[float, float, float, float]


def write_train_shards(root: Path, files: Mapping[str, bytes], num_shards: int) -> None:
    """Write the training pictures, by name, into tar files with their MD5 sums.

    Owner, time and mode of the members are fixed, so that equal pictures give equal tar files.
    """
    for folder in (root / "train", root / "md5sum" / "train"):
        folder.mkdir(parents=True)
    for shard in range(num_shards):
        tar_path = root / "train" / f"images_{shard:03d}.tar"
        with tarfile.open(tar_path, "w", format=tarfile.USTAR_FORMAT) as tar:
            for name in sorted(files)[shard::num_shards]:
                member = tarfile.TarInfo(f"{name[0]}/{name[1]}/{name[2]}/{name}.jpg")
                member.size, member.mode = len(files[name]), TAR_MODE
                tar.addfile(member, BytesIO(files[name]))
        digest = hashlib.md5(tar_path.read_bytes(), usedforsecurity=False).hexdigest()
        sums = root / "md5sum" / "train" / f"md5.images_{shard:03d}.txt"
        sums.write_text(f"{digest}  {tar_path.name}\n")


def write_metadata(root: Path, cast: Cast, seed: int) -> None:
    """Write Google Landmarks v2's three tables about the training pictures."""
    folder = root / "metadata"
    folder.mkdir()
    urls = {shot.name: f"{URL_PREFIX}{shot.name}.jpg" for shot in cast.train}
    labels = [(shot.name, urls[shot.name], shot.landmark_id) for shot in cast.train]
    _write_csv(folder / "train.csv", ("id", "url", "landmark_id"), labels)
    attributions = [
        (shot.name, urls[shot.name], *draw_credit(make_generator(seed, "credit", shot.name)),
         f"File:{shot.name}.jpg")
        for shot in cast.train
    ]  # fmt: skip
    _write_csv(
        folder / "train_attribution.csv", ("id", "url", "author", "license", "title"), attributions
    )
    categories = [(c.landmark_id, CATEGORY_PREFIX + make_category(c.name)) for c in cast.classes]
    _write_csv(
        folder / "train_label_to_category.csv", ("landmark_id", "category"), sorted(categories)
    )


def write_truth(root: Path, cast: Cast) -> None:
    """Write what is planted: per picture, and per class whether a query shows it."""
    rows = [
        (shot.name, shot.landmark_id, shot.place_shown, int(shot.label_correct), shot.planted)
        for shot in cast.train
    ]
    header = ("image_id", "landmark_id", "place_shown", "label_correct", "planted")
    _write_csv(root / "truth.csv", header, rows)
    overlaps = sorted(
        (c.landmark_id, make_category(c.name), int(c.shown_in_queries)) for c in cast.classes
    )
    columns = ("landmark_id", "landmark", "shown_in_queries")
    _write_csv(root / "overlap_truth.csv", columns, overlaps)


def write_evaluation(
    root: Path, cast: Cast, files: Mapping[str, bytes], boxes: Mapping[str, SubjectBox]
) -> None:
    """Write the evaluation pictures and their ground truth."""
    (root / "eval" / "jpg").mkdir(parents=True)
    for shot in (*cast.queries, *cast.database):
        (root / "eval" / "jpg" / f"{shot.name}.jpg").write_bytes(files[shot.name])
    truth = {
        "imlist": [shot.name for shot in cast.database],
        "qimlist": [shot.name for shot in cast.queries],
        "gnd": [_judge_database(query, cast.database, boxes) for query in cast.queries],
    }
    stem = root / "eval" / f"gnd_{EVALUATION_NAME}"
    stem.with_suffix(".json").write_text(json.dumps(truth, indent=1) + "\n")
    stem.with_suffix(".pkl").write_bytes(pickle.dumps(truth, protocol=4))


def _judge_database(
    query: Shot, database: Sequence[Shot], boxes: Mapping[str, SubjectBox]
) -> dict[str, Any]:
    """Sort the views of a query's place into easy, hard and junk."""
    judged: dict[str, list[int]] = {"easy": [], "hard": [], "junk": []}
    group = {"ordinary": "easy", "night": "hard", "far zoom": "hard", "extreme angle": "junk"}
    for index, shot in enumerate(database):
        if shot.place == query.place:
            judged[group[shot.view_kind]].append(index)
    return {"bbx": [round(edge, 1) for edge in boxes[query.name]], **judged}


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
