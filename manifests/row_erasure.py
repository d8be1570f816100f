"""Copies files of manifests without what they say of some images; all other rows stay."""

import csv
import io
import shutil
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from manifests.arrow_schemas import REMOVED, TABLES, Table
from manifests.atomic import write_text
from manifests.gldv2_csv import HEADERS
from manifests.input_error import InputError
from manifests.parquet_io import read_table, write_table

_TABLES = {table.name: table for table in TABLES}


@dataclass
class Erased:
    """What was left out.

    Attributes:
        rows: folder of the table -> the rows that are gone, as they were.
        num_mentions: rows of the table `removed` that tell of other images and name one of these,
            as the photograph that they are a copy of; they stay.
    """

    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    num_mentions: int = 0

    def of(self, table: str) -> list[dict[str, Any]]:
        """The rows that are gone from one table."""
        return self.rows.get(table, [])


def copy_without(
    source: Path, target: Path, name: str, image_ids: Collection[str], erased: Erased
) -> None:
    """Copy a file as it is, or write it again without what it says of the images.

    Args:
        source: folder of the manifests.
        target: folder of the copy.
        name: of the file, relative to both.
        image_ids: of the images to leave out.
        erased: takes down what was left out.

    Raises:
        InputError: the file names one of the images and cannot be rewritten.
    """
    path, copy = source / name, target / name
    copy.parent.mkdir(parents=True, exist_ok=True)
    if name.endswith(".parquet"):
        _copy_table_without(path, copy, name.partition("/")[0], image_ids, erased)
    elif not _names_any(path, image_ids):
        shutil.copyfile(path, copy)
    else:
        if name.endswith(".csv"):
            write_text(copy, _filter_csv(path.read_text(encoding="utf-8"), set(image_ids)))
        if not copy.is_file() or _names_any(copy, image_ids):
            raise InputError(
                f"{path}: names one of the images in a way that cannot be taken out; write the "
                "manifests again with `cleanmark emit`, then forget"
            )


def _names_any(path: Path, image_ids: Collection[str]) -> bool:
    data = path.read_bytes()
    return any(image_id.encode() in data for image_id in image_ids)


def _copy_table_without(
    path: Path, target: Path, folder_name: str, image_ids: Collection[str], erased: Erased
) -> None:
    table = _find_table(path)
    id_columns = [name for name in table.schema.names if name.startswith("image_id")]
    goes = _match_any(read_table(path, table, id_columns), image_ids)
    if table is REMOVED:
        erased.num_mentions += _count_mentions(path, goes, image_ids)
    if not pc.any(goes).as_py():
        shutil.copyfile(path, target)
        return
    rows = read_table(path, table)
    erased.rows.setdefault(folder_name, []).extend(rows.filter(goes).to_pylist())
    write_table(target, table, rows.filter(pc.invert(goes)))


def _find_table(path: Path) -> Table:
    metadata = pq.read_schema(path).metadata or {}
    name = metadata.get(b"cleanmark.table", b"(none)").decode()
    if name not in _TABLES:
        raise InputError(f"{path}: holds {name!r}, no table of this program; leave it out")
    return _TABLES[name]


def _match_any(ids: pa.Table, image_ids: Collection[str]) -> pa.ChunkedArray:
    """Which rows have one of the images in any of their columns of ids."""
    wanted = pa.array(sorted(image_ids), pa.string())
    found = pa.chunked_array([pa.repeat(pa.scalar(value=False), len(ids))])
    for column in ids.columns:
        found = pc.or_(found, pc.is_in(column, wanted))
    return found


def _count_mentions(path: Path, goes: pa.ChunkedArray, image_ids: Collection[str]) -> int:
    evidence = read_table(path, REMOVED, ["evidence"])["evidence"].filter(pc.invert(goes))
    pattern = "|".join(sorted(image_ids))
    return int(pc.sum(pc.match_substring_regex(evidence, pattern)).as_py() or 0)


def _filter_csv(text: str, image_ids: set[str]) -> str:
    """A list without the images: words of cells in `train_clean.csv`, rows in any other."""
    rows = list(csv.reader(io.StringIO(text, newline="")))
    if tuple(rows[0]) == HEADERS["train_clean.csv"]:
        classes = ((c, [i for i in ids.split() if i not in image_ids]) for c, ids in rows[1:])
        kept = [[landmark_id, " ".join(ids)] for landmark_id, ids in classes if ids]
    else:
        kept = [row for row in rows[1:] if image_ids.isdisjoint(row)]
    stream = io.StringIO(newline="")
    line_end = "\r\n" if "\r\n" in text else "\n"
    csv.writer(stream, lineterminator=line_end).writerows([rows[0], *kept])
    return stream.getvalue()
