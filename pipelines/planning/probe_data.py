"""A GLDv2 of a few images: the sample of a probe, as files that the stages can work on."""

import csv
import hashlib
import io
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.shards import open_shard
from manifests.gldv2_csv import (
    HEADERS,
    read_attribution_csv,
    read_category_csv,
    read_train_csv,
)
from pipelines.planning.located import LocatedImages

_CATEGORY = "http://commons.wikimedia.org/wiki/Category:"
_SHARD = "images_000"


class ProbeLists:
    """The rows of GLDv2's lists that are about the images of a probe, read once."""

    def __init__(self, metadata: Path, image_ids: Iterable[str]) -> None:
        wanted = pa.array(sorted(set(image_ids)), pa.string())
        self._train = _select(read_train_csv(metadata / "train.csv"), wanted)
        rights, names = metadata / "train_attribution.csv", metadata / "train_label_to_category.csv"
        self._rights = _select(read_attribution_csv(rights), wanted) if rights.is_file() else None
        self._names = read_category_csv(names) if names.is_file() else None

    def write(self, folder: Path, image_ids: Iterable[str]) -> None:
        """Write the lists of some of the images into a folder `metadata`."""
        wanted = pa.array(sorted(image_ids), pa.string())
        train = _select(self._train, wanted).to_pylist()
        rows = [(row["image_id"], row["url"], row["landmark_id"]) for row in train]
        _write_csv(folder / "train.csv", rows)
        if self._rights is not None:
            rights = _select(self._rights, wanted).to_pylist()
            lines = [(r["image_id"], "", r["author"], r["license"], r["title"]) for r in rights]
            _write_csv(folder / "train_attribution.csv", lines)
        if self._names is not None:
            classes = sorted({row["landmark_id"] for row in train} & self._names.keys())
            names = [(c, _CATEGORY + quote(self._names[c].replace(" ", "_"))) for c in classes]
            _write_csv(folder / "train_label_to_category.csv", names)


def write_probe_data(
    root: Path, split: str, located: LocatedImages, positions: Iterable[int], lists: ProbeLists
) -> None:
    """Copy images into one shard below `root`, with its checksum and its lists."""
    chosen = sorted(positions)
    tar = root / split / f"{_SHARD}.tar"
    tar.parent.mkdir(parents=True)
    with tarfile.open(tar, "w") as archive:
        for position, data in _read_images(located, chosen):
            info = tarfile.TarInfo(located.members[position].name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    md5 = hashlib.md5(tar.read_bytes(), usedforsecurity=False).hexdigest()
    md5_file = root / "md5sum" / split / f"md5.{_SHARD}.txt"
    md5_file.parent.mkdir(parents=True)
    md5_file.write_text(f"{md5}  {tar.name}\n")
    lists.write(root / "metadata", [located.image_ids[position] for position in chosen])


def _read_images(located: LocatedImages, positions: Sequence[int]) -> Iterator[tuple[int, bytes]]:
    """The bytes of images, shard by shard."""
    numbers = located.shard_numbers[np.asarray(positions, np.int64)]
    for number in np.unique(numbers).tolist():
        with open_shard(located.shards[number]) as reader:
            for position in positions:
                if located.shard_numbers[position] == number:
                    member = located.members[position]
                    yield position, reader.read(member.offset, member.num_bytes)


def _select(table: pa.Table, image_ids: pa.Array) -> pa.Table:
    return table.filter(pc.is_in(table["image_id"], value_set=image_ids))


def _write_csv(path: Path, rows: Sequence[Sequence[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([HEADERS[path.name], *rows])
