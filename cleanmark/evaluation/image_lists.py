"""The images of evaluation sets and databases, found before anything is computed."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from cleanmark.reporting.tables import list_parts
from curation.shards import image_id_of, list_members, read_bytes
from manifests.arrow_schemas import MANIFEST
from manifests.evaluation.records import Box
from manifests.evaluation_sets import (
    EvaluationQuery,
    GroundTruthError,
    list_image_names,
    read_query_table,
)
from manifests.gldv2_csv import is_image_id
from manifests.input_error import InputError
from manifests.parquet_io import read_table
from pipelines.evaluation_sets import StoredImage, locate_image
from pipelines.run_config import load_evaluation_set
from pipelines.run_folder import read_config
from pipelines.settings import EvaluationSetSettings
from pipelines.stages.emit import DEOVERLAPPED, FOLDER, Emit
from training.evaluation.evaluation_images import EvaluationImage
from training.evaluation.place_tables import Places, read_places

_MAX_NAMED = 5


@dataclass(frozen=True, eq=False)
class ImageDatabase:
    """Images that queries of another file are compared with.

    Attributes:
        path: what it was opened from.
        images: in the order of their positions.
        landmark_ids: int64, their classes, where they are training images.
        places: where they were taken, where a table says so.
    """

    path: Path
    images: tuple[EvaluationImage, ...]
    landmark_ids: NDArray[np.int64] | None = None
    places: Places | None = None

    @property
    def names(self) -> list[str]:
        """Ids of the images."""
        return [image.name for image in self.images]


def find_queries(
    settings: EvaluationSetSettings, queries: Iterable[EvaluationQuery]
) -> tuple[EvaluationImage, ...]:
    """The images of queries, with their boxes, named by the ids of the queries."""
    return tuple(_find(settings, q.image_name, name=q.query_id, box=q.box) for q in queries)


def find_images(
    settings: EvaluationSetSettings, names: Iterable[str]
) -> tuple[EvaluationImage, ...]:
    """Whole images by name; one that is not there can be named, but not read."""
    return tuple(_find(settings, name, name=name) for name in names)


def open_database(path: Path, root: Path | None) -> ImageDatabase:
    """Open the images that queries are compared with.

    Args:
        path: the YAML file of an evaluation set, all images of whose folder, shards or table are
            the database; or a run folder, for the training images of its published split.
        root: what `{source.root}` stands for in the YAML file.

    Raises:
        InputError: naming the file.
    """
    if path.is_dir():
        return _open_run(path)
    settings = load_evaluation_set(path, root)
    if settings.format == "table":
        queries = read_query_table(_require_table(settings), settings.name).queries
        places = read_places(_require_table(settings))
        return ImageDatabase(path, find_queries(settings, queries), places=places)
    return ImageDatabase(path, tuple(_list_folder(settings)))


def check_all_there(what: str, images: Sequence[EvaluationImage], remedy: str) -> None:
    """Refuse a list of images that lacks some.

    Raises:
        InputError: names the first of them, and says what can be done.
    """
    missing = [image.name for image in images if image.read is None]
    if missing:
        named = ", ".join(missing[:_MAX_NAMED]) + (", ..." if len(missing) > _MAX_NAMED else "")
        raise InputError(
            f"{what}: {len(missing)} of {len(images)} images are not there: {named}; {remedy}, or "
            "count them as not found with --allow-missing"
        )


def _find(
    settings: EvaluationSetSettings, image_name: str, *, name: str, box: Box | None = None
) -> EvaluationImage:
    try:
        stored = locate_image(settings, image_name)
    except GroundTruthError:
        return EvaluationImage(name, "missing", None, box)
    return _make_image(name, stored, box)


def _make_image(name: str, stored: StoredImage, box: Box | None = None) -> EvaluationImage:
    stamp = f"{stored.num_bytes}-{stored.offset}-{stored.path.stat().st_mtime_ns}"
    # Of a million images, text takes half the memory that paths do.
    read = partial(_read, str(stored.path), stored.offset, stored.num_bytes)
    return EvaluationImage(name, stamp, read, box)


def _read(path: str, offset: int, num_bytes: int) -> bytes:
    return read_bytes(Path(path), offset, num_bytes)


def _list_folder(settings: EvaluationSetSettings) -> Iterator[EvaluationImage]:
    shards = sorted(settings.images.glob("images_*.tar"))
    if shards:
        yield from _list_shards(shards)
        return
    for name in list_image_names(settings.images):
        path = settings.images / name
        stem = PurePosixPath(name).stem
        image_id = stem if is_image_id(stem) else name
        yield _make_image(image_id, StoredImage(path, 0, path.stat().st_size))


def _list_shards(shards: Sequence[Path]) -> Iterator[EvaluationImage]:
    for path in shards:
        for member in list_members(path):
            image_id = image_id_of(member.name)
            if image_id is not None and member.problem is None:
                yield _make_image(image_id, StoredImage(path, member.offset, member.num_bytes))


def _open_run(run_dir: Path) -> ImageDatabase:
    root = read_config(run_dir).source.root
    prefix = f"{FOLDER}/{DEOVERLAPPED}/"
    parts = [part for part in list_parts(run_dir, Emit.name) if prefix in part.as_posix()]
    if not parts:
        raise InputError(f"{run_dir}: no manifests yet; finish the job with `cleanmark run`")
    images: list[EvaluationImage] = []
    landmark_ids: list[int] = []
    columns = ["image_id", "landmark_id", "shard", "offset", "num_bytes", "sha256"]
    for part in parts:
        for row in read_table(part, MANIFEST, columns).to_pylist():
            read = partial(_read, str(root / row["shard"]), row["offset"], row["num_bytes"])
            images.append(EvaluationImage(row["image_id"], row["sha256"], read))
            landmark_ids.append(row["landmark_id"])
    return ImageDatabase(run_dir, tuple(images), np.array(landmark_ids, np.int64))


def _require_table(settings: EvaluationSetSettings) -> Path:
    if settings.ground_truth is None:
        raise GroundTruthError(f"evaluation set {settings.name}: ground_truth is not given")
    return settings.ground_truth
