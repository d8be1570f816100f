"""The training list of an audit, whatever it is, and where its photographs are."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from curation.canary_choice import ID_PREFIX
from manifests.gldv2_csv import is_image_id, member_path
from manifests.image_lists import ImageListError, ListKind, read_image_list

_OPTIONAL = {
    **dict.fromkeys(("landmark_name", "path", "shard", "member"), pa.string()),
    **dict.fromkeys(("offset", "num_bytes"), pa.int64()),
    "sha256": pa.string(),
}
_NUM_TRIED = 100
_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
_PLACE = ("shard", "offset", "num_bytes")


class Layout(StrEnum):
    """How the photographs of a list are kept."""

    PLACED = "placed"
    """The list says of each image in which shard it is, and where."""
    SHARDS = "shards"
    """In tar shards named images_NNN.tar, which must be searched for the ids."""
    LOOSE = "loose"
    """As files, by their paths, or by their ids as inside GLDv2's shards."""


@dataclass(frozen=True, eq=False)
class TrainingList:
    """A list of labelled images, sorted by image id.

    Attributes:
        path: what was read.
        kind: how.
        images: columns image_id, label, landmark_id, and, null where the list says nothing,
            landmark_name, path, shard, member, offset, num_bytes, sha256.
    """

    path: Path
    kind: ListKind
    images: pa.Table

    @property
    def digest(self) -> str:
        """SHA-256 of the rows, whatever order they were read in."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, self.images.schema) as writer:
            writer.write_table(self.images)
        return hashlib.sha256(sink.getvalue()).hexdigest()


@lru_cache(maxsize=1)
def read_training_list(path: Path) -> TrainingList:
    """Read any list that `manifests.image_lists.read_image_list` knows.

    Classes keep their numbers where all of them are numbers; else they are numbered in the order
    of their names. The list is kept for the next caller; `read_training_list.cache_clear` forgets
    it.

    Raises:
        ImageListError: the list is empty, unreadable, names an image twice or without a class, or
            an image has the id of a canary.
    """
    found = read_image_list(path, with_places=True)
    images = found.images
    _check(path, images)
    columns: dict[str, pa.Array | pa.ChunkedArray] = {
        "image_id": images["image_id"],
        "label": images["label"],
        "landmark_id": _number_classes(images["label"]),
    }
    for name, kind in _OPTIONAL.items():
        is_there = name in images.column_names
        columns[name] = images[name] if is_there else pa.nulls(len(images), kind)
    table = pa.table(columns).sort_by("image_id").combine_chunks()
    return TrainingList(path, found.kind, table)


def find_shards(photos: Path) -> list[Path]:
    """The tar shards of a training set: in the folder, or in its folder `train`."""
    return sorted((photos / "train").glob("images_*.tar")) or sorted(photos.glob("images_*.tar"))


def choose_layout(found: TrainingList, photos: Path) -> Layout:
    """Say how the photographs are kept, from what the list and the folder hold.

    Raises:
        ImageListError: nothing of what the list names is in the folder.
    """
    images = found.images
    if has_places(images):
        layout, names = Layout.PLACED, pc.unique(images["shard"].drop_null()).to_pylist()
    else:
        layout, rows = Layout.LOOSE, images.slice(0, _NUM_TRIED).to_pylist()
        names = [name for row in rows for name in list_loose_names(row["image_id"], row["path"])]
    if any((photos / name).is_file() for name in names):
        return layout
    if layout is Layout.LOOSE and find_shards(photos):
        return Layout.SHARDS
    raise ImageListError(
        f"{found.path}: {photos} has no shards images_NNN.tar, and nothing of what the list names "
        f"first, such as {names[0]}; give the folder of the photographs with --photos"
    )


def has_places(images: pa.Table) -> bool:
    """Whether a list says where in which shard its images are."""
    return all(images[name].null_count < len(images) for name in _PLACE)


def list_loose_names(image_id: str, path: str | None) -> Iterator[str]:
    """Where a loose file may be: at its path, or else where GLDv2 has it, or by its id."""
    if path is not None:
        yield path
        return
    if is_image_id(image_id):
        yield member_path(image_id)
    yield from (f"{image_id}{suffix}" for suffix in _SUFFIXES)


def _check(path: Path, images: pa.Table) -> None:
    if not len(images):
        raise ImageListError(f"{path}: names no image; there is nothing to audit")
    for name in ("image_id", "label"):
        if images[name].null_count:
            row = images[name].is_null().index(True).as_py() + 1
            raise ImageListError(f"{path}: row {row}: {name} is empty; fill it in")
    taken = images["image_id"].filter(pc.starts_with(images["image_id"], ID_PREFIX))
    if len(taken):
        raise ImageListError(
            f"{path}: {taken[0].as_py()!r} begins as the canaries of an audit do; rename the file"
        )


def _number_classes(labels: pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    if pc.all(pc.match_substring_regex(labels, r"^(0|[1-9][0-9]{0,17})$")).as_py():
        return labels.cast(pa.int64())
    names = pc.unique(labels)
    return pc.index_in(labels, value_set=names.take(pc.sort_indices(names))).cast(pa.int64())
