"""Joins GLDv2's lists to the files of the shards, by sorted integer keys.

An image id is 64 bits written as 16 hexadecimal digits. As integers, four million of them take
33 MB, are sorted in half a second and looked up without a Python object for any of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from manifests.gldv2_csv import (
    IMAGE_ID_PATTERN,
    Gldv2CsvError,
    read_attribution_csv,
    read_category_csv,
    read_train_csv,
)
from manifests.label_spaces import describe_foreign_names

Keys = NDArray[np.uint64]
_ID_CHARS = 16
_RIGHTS = ["image_id", "author", "license", "title"]
_DIGIT_VALUES = np.zeros(256, np.uint8)
_DIGIT_VALUES[np.frombuffer(b"0123456789abcdef", np.uint8)] = np.arange(16)


def parse_ids(ids: pa.Array | pa.ChunkedArray) -> tuple[Keys, NDArray[np.bool_]]:
    """Image ids as integers.

    Args:
        ids: strings, any.

    Returns:
        uint64 (n,), and bool (n,) whether it is an id at all; the key is 0 where it is not.
    """
    array = ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else ids
    valid = pc.fill_null(
        pc.match_substring_regex(array, f"^(?:{IMAGE_ID_PATTERN.pattern})$"), pa.scalar(value=False)
    )
    is_id = np.asarray(valid.to_numpy(zero_copy_only=False), np.bool_)
    zeros = pa.scalar("0" * _ID_CHARS, array.type)
    texts = pc.cast(pc.if_else(valid, array, zeros), pa.binary(_ID_CHARS))
    size = len(texts) * _ID_CHARS
    start = texts.offset * _ID_CHARS
    digits = np.frombuffer(texts.buffers()[1], np.uint8)[start : start + size] if size else _EMPTY
    values = _DIGIT_VALUES[digits.reshape(-1, 2)]
    octets = values[:, 0] << 4 | values[:, 1]
    return octets.view(">u8").astype(np.uint64), is_id


_EMPTY = np.empty(0, np.uint8)


@dataclass(frozen=True, eq=False)
class SortedTable:
    """A table that is looked up by image id; ids are unique.

    Attributes:
        columns: the table, in any order, without its column of ids.
        keys: uint64 (n,), ascending.
        rows: int64 (n,), the row of `columns` that each key belongs to.
    """

    columns: pa.Table
    keys: Keys
    rows: NDArray[np.int64]

    @classmethod
    def build(cls, table: pa.Table) -> "SortedTable":
        """Index a table with a column image_id."""
        keys, _ = parse_ids(table["image_id"])
        order = np.argsort(keys)
        # One piece per column: looking up in pieces would join them anew each time.
        columns = table.drop_columns("image_id").combine_chunks()
        return cls(columns, keys[order], order.astype(np.int64))

    def find(self, keys: Keys, wanted: NDArray[np.bool_]) -> pa.Array:
        """The row of each key, int64 with null where there is none or where it is not wanted."""
        if len(self.keys) == 0:
            return pa.nulls(len(keys), pa.int64())
        # In ascending order the search walks through memory instead of jumping about in it.
        order = np.argsort(keys)
        places = np.empty(len(keys), np.int64)
        places[order] = np.searchsorted(self.keys, keys[order])
        places = np.minimum(places, len(self.keys) - 1)
        found = wanted & (self.keys[places] == keys)
        return pa.array(self.rows[places], mask=~found)


@dataclass(frozen=True, eq=False)
class Lists:
    """GLDv2's lists of the train split.

    Attributes:
        train: columns url and landmark_id.
        rights: columns author, license and title; empty when the file is missing.
        names: landmark_id -> readable name.
    """

    train: SortedTable
    rights: SortedTable
    names: Mapping[int, str]

    def look_up(self, image_ids: pa.Array | pa.ChunkedArray) -> pa.Table:
        """What the lists say of some files.

        Args:
            image_ids: the ids of the files, n of them; other strings are found in no list.

        Returns:
            n rows: landmark_id, landmark_name, source_url, author, license, title; null where
            the lists say nothing.
        """
        keys, is_id = parse_ids(image_ids)
        listed = self.train.columns.take(self.train.find(keys, is_id))
        rights = self.rights.columns.take(self.rights.find(keys, is_id))
        return pa.table(
            {
                "landmark_id": listed["landmark_id"],
                "landmark_name": self._name(listed["landmark_id"]),
                "source_url": listed["url"],
                "author": rights["author"],
                "license": rights["license"],
                "title": rights["title"],
            }
        )

    def list_unseen(self, seen: Keys) -> pa.Array:
        """Ids that train.csv lists and that are not among `seen`, ascending.

        Args:
            seen: uint64, any order.
        """
        unseen = self.train.keys[~np.isin(self.train.keys, seen, assume_unique=False)]
        return format_ids(unseen)

    def _name(self, landmark_ids: pa.ChunkedArray) -> pa.Array:
        return pa.array([self.names.get(i) for i in landmark_ids.to_pylist()], pa.string())


def read_lists(train_csv: Path, attribution_csv: Path | None, category_csv: Path | None) -> Lists:
    """Read and index GLDv2's lists; those of rights and of names may be missing.

    Raises:
        Gldv2CsvError: a file is missing or has a row that cannot be right.
    """
    # One after the other, so that no two unsorted tables are in memory at a time.
    train = SortedTable.build(read_train_csv(train_csv))
    if attribution_csv is None:
        rights = pa.schema([(name, pa.string()) for name in _RIGHTS]).empty_table()
    else:
        rights = read_attribution_csv(attribution_csv)
    names = _read_names(category_csv, train) if category_csv is not None else {}
    return Lists(train, SortedTable.build(rights), names)


def _read_names(path: Path, train: SortedTable) -> dict[int, str]:
    names = read_category_csv(path)
    classes = pc.unique(train.columns["landmark_id"]).to_pylist()
    fault = describe_foreign_names(classes, names)
    if fault is not None:
        raise Gldv2CsvError(f"{path}: {fault}")
    return names


def format_ids(keys: Keys) -> pa.Array:
    """Keys as the ids they stand for: 16 lower-case hexadecimal digits each."""
    octets = keys.astype(">u8").view(np.uint8).reshape(-1, 8)
    digits = np.stack([octets >> 4, octets & 15], axis=2).reshape(-1, _ID_CHARS)
    texts = np.frombuffer(b"0123456789abcdef", np.uint8)[digits]
    fixed = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(_ID_CHARS), len(keys), [None, pa.py_buffer(np.ascontiguousarray(texts))]
    )
    return fixed.cast(pa.binary()).cast(pa.string())
