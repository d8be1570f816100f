"""Compares a training list with the rows that were certified, and names the first that differs."""

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from manifests.certificates.covered_tables import TRAINING_ROWS
from manifests.certificates.statement import TrainingSide
from manifests.certificates.text_tables import escape_fields, read_lines
from manifests.image_lists import find_split, read_image_list
from manifests.lineage import digest_file

_BATCH_ROWS = 65_536
_Row = tuple[str, str, str]


def find_difference(train: Path, training: TrainingSide, tables: Path) -> str | None:
    """How a list differs from the certified one; None if it is that list.

    Image ids and labels must be the same. Where the list states digests of its files, those that
    the audit read must be the same too.

    Args:
        train: anything that `read_image_list` reads.
        training: what the certificate says of its list.
        tables: folder of the training rows, known to be undamaged.

    Raises:
        manifests.image_lists.ImageListError: the list is unreadable.
    """
    listed = _read_listed(train)
    certified = _split_lines(tables)
    for ours, theirs in zip_longest(listed, certified):
        difference = _compare(ours, theirs)
        if difference is not None:
            return difference
    return _compare_manifest(train, training)


def _read_listed(train: Path) -> Iterator[_Row]:
    images = read_image_list(train, with_places=True).images
    if "sha256" not in images.column_names:
        images = images.append_column("sha256", pa.nulls(len(images), pa.string()))
    columns = {name: escape_fields(images[name]) for name in TRAINING_ROWS.names}
    rows = pa.table(columns)
    order = pc.sort_indices(rows, sort_keys=[("image_id", "ascending")])
    for start in range(0, len(order), _BATCH_ROWS):
        part = rows.take(order.slice(start, _BATCH_ROWS))
        yield from zip(*(column.to_pylist() for column in part.columns), strict=True)


def _split_lines(tables: Path) -> Iterator[_Row]:
    for line in read_lines(tables, TRAINING_ROWS):
        image_id, label, sha256 = line.decode().split("\t")
        yield image_id, label, sha256


def _compare(listed: _Row | None, certified: _Row | None) -> str | None:
    if listed == certified:
        return None
    if certified is None or (listed is not None and listed[0] < certified[0]):
        return f"image {_name(listed)} is in the list and was not certified"
    if listed is None or listed[0] > certified[0]:
        return f"image {_name(certified)} was certified and is not in the list"
    if listed[1] != certified[1]:
        return f"image {listed[0]} has the label {listed[1]}; certified was {certified[1]}"
    if listed[2] and certified[2] and listed[2] != certified[2]:
        return f"image {listed[0]} has another SHA-256 than the file that was certified"
    return None


def _name(row: _Row | None) -> str:
    return row[0] if row is not None else ""


def _compare_manifest(train: Path, training: TrainingSide) -> str | None:
    split = find_split(train)
    if split is None or training.manifest_sha256 is None:
        return None
    path = split.parent / "manifest.json"
    if split.name != training.split:
        return f"it is the split {split.name}; certified was {training.split}"
    if digest_file(path) != training.manifest_sha256:
        return f"{path} is not the one that was certified, though the images are the same"
    return None
