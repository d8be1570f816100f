"""Where images lie in the shards that are here: the headers of the shards, joined to train.csv."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.shards import Member, image_id_of, list_members
from manifests.gldv2_csv import read_train_clean_table, read_train_csv
from manifests.gldv2_metadata import Keys, SortedTable, parse_ids
from pipelines.settings import SourceSettings


@dataclass(frozen=True, eq=False)
class ListedImages:
    """The images that train.csv lists and `source.restrict_to` allows.

    Attributes:
        num_rows: rows of train.csv, allowed or not.
        keys: uint64 (n,), ascending: ids as numbers.
        landmark_ids: int64 (n,), the class of each.
    """

    num_rows: int
    keys: Keys
    landmark_ids: NDArray[np.int64]

    def find(self, keys: Keys) -> NDArray[np.int64]:
        """The class of each id, int64; -1 where it is not listed or not allowed."""
        if len(self.keys) == 0:
            return np.full(len(keys), -1)
        places = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[places] == keys, self.landmark_ids[places], -1)


@dataclass(frozen=True, eq=False)
class LocatedImages:
    """The usable entries of some shards, each id once, in order of shard and position.

    Attributes:
        shards: paths of the shards that were listed.
        num_files: all files in them.
        image_ids: ids, (n,).
        members: where each image lies, (n,).
        shard_numbers: position in `shards`, int64 (n,).
        landmark_ids: class, int64 (n,).
    """

    shards: Sequence[Path]
    num_files: int
    image_ids: Sequence[str]
    members: Sequence[Member]
    shard_numbers: NDArray[np.int64]
    landmark_ids: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.image_ids)


def read_listed(source: SourceSettings, train_csv: Path) -> ListedImages:
    """Read train.csv, and the list that images are restricted to.

    Raises:
        Gldv2CsvError: one of them is missing or not right.
    """
    table = SortedTable.build(read_train_csv(train_csv))
    keys, rows = table.keys, table.rows
    if source.restrict_to is not None:
        allowed, _ = parse_ids(read_train_clean_table(source.restrict_to)["image_id"])
        is_allowed = np.isin(keys, allowed)
        keys, rows = keys[is_allowed], rows[is_allowed]
    landmark_ids = table.columns["landmark_id"].to_numpy().astype(np.int64)
    return ListedImages(len(table.rows), keys, landmark_ids[rows])


def locate_images(shards: Sequence[Path], listed: ListedImages) -> LocatedImages:
    """List the headers of shards; of an id that occurs twice, the first counts.

    Raises:
        ShardError: a shard is damaged.
    """
    entries: list[tuple[str, int, Member]] = []
    num_files = 0
    for number, shard in enumerate(shards):
        members = list_members(shard)
        num_files += len(members)
        for member in members:
            image_id = image_id_of(member.name)
            if image_id is not None and member.problem is None:
                entries.append((image_id, number, member))
    keys, _ = parse_ids(pa.array([image_id for image_id, _, _ in entries], pa.string()))
    landmark_ids = listed.find(keys)
    _, first = np.unique(keys, return_index=True)
    usable = sorted(i for i in first.tolist() if landmark_ids[i] >= 0)
    return LocatedImages(
        shards=shards,
        num_files=num_files,
        image_ids=[entries[i][0] for i in usable],
        members=[entries[i][2] for i in usable],
        shard_numbers=np.array([entries[i][1] for i in usable], np.int64),
        landmark_ids=landmark_ids[usable],
    )
