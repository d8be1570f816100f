"""Any list of labelled training images, read as the same two columns."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from manifests.arrow_schemas import REMOVED
from manifests.gldv2_csv import HEADERS, IMAGE_ID_PATTERN, read_train_clean_table, read_train_csv
from manifests.input_error import InputError
from manifests.parquet_io import read_table

_IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})
_PUBLISHED_SPLIT, _CLEAN_SPLIT = "rgldv2_clean", "gldv2_clean"
_WHY = ("image_id", "stage", "reason", "evidence")
_EXTRAS = {
    **dict.fromkeys(("landmark_name", "path", "shard", "member"), pa.string()),
    **dict.fromkeys(("offset", "num_bytes"), pa.int64()),
    "sha256": pa.string(),
}
"""Columns that are read where a table has them: names, and where the bytes are."""


class ImageListError(InputError):
    """A list that cannot be read; the message names the file, the row and the remedy."""


class ListKind(StrEnum):
    """What a list was read from."""

    MANIFEST = "manifest"
    TRAIN_CLEAN = "train_clean.csv"
    TRAIN = "train.csv"
    PARQUET = "parquet"
    PATH_LABEL = "path and label lines"
    CLASS_FOLDERS = "a folder per class"


@dataclass(frozen=True, eq=False)
class ImageList:
    """Labelled images.

    Attributes:
        path: what was read.
        kind: how.
        images: columns image_id (unique; the file name without its suffix where a list has
            paths) and label (as text), both strings; if they were asked for, also those that the
            list has of landmark_name, path, shard, member, offset, num_bytes and sha256.
        removed: columns image_id, stage, reason and evidence, of images that the maker of the
            list left out and said why; empty for lists that say nothing.
    """

    path: Path
    kind: ListKind
    images: pa.Table
    removed: pa.Table


def read_image_list(path: Path, *, with_places: bool = False) -> ImageList:
    """Read a run or its manifests, a list of GLDv2, Parquet, `path label` lines, or folders.

    A run stands for its published split; name the folder `gldv2_clean` for the other one.

    Args:
        path: what to read.
        with_places: read as well where the bytes of the images are. In lists of paths, images
            are then called by their paths, unless a file has the name of an image of GLDv2.

    Raises:
        ImageListError: the path is missing, is nothing of the kind, or names an image twice.
        manifests.gldv2_csv.Gldv2CsvError: a list of GLDv2 has a row that cannot be right.
        manifests.parquet_io.TableError: a manifest is unreadable.
    """
    if not path.exists():
        raise ImageListError(f"{path}: no such file or folder")
    found = _read_folder(path) if path.is_dir() else _read_file(path)
    if not with_places:
        found = replace(found, images=found.images.select(["image_id", "label"]))
    elif "path" in found.images.column_names:
        found = replace(found, images=_name_by_path(found.images))
    _refuse_repeated(path, found.images["image_id"])
    return found


def find_split(path: Path) -> Path | None:
    """The folder of the split that a run, its manifests or the folder itself stand for.

    Its `manifest.json` lies beside it. None for any other list.
    """
    for split in (path / "manifests" / _PUBLISHED_SPLIT, path / _PUBLISHED_SPLIT, path):
        if split.is_dir() and (split.parent / "manifest.json").is_file():
            return split
    return None


def _read_folder(path: Path) -> ImageList:
    split = find_split(path)
    if split is not None:
        return _read_manifest(path, split.parent, split.name)
    rows = [
        (file.stem, folder.name, file.relative_to(path).as_posix())
        for folder in sorted(path.iterdir())
        if folder.is_dir()
        for file in sorted(folder.rglob("*"))
        if file.suffix.lower() in _IMAGE_SUFFIXES
    ]
    if not rows:
        raise ImageListError(
            f"{path}: neither a run, nor a folder of manifests, nor a folder with one folder of "
            "images per class"
        )
    return _plain(path, ListKind.CLASS_FOLDERS, _as_table(rows))


def _read_manifest(path: Path, root: Path, split: str) -> ImageList:
    parts = sorted((root / split).glob("*.parquet"))
    columns = _columns_to_read(pq.read_schema(parts[0]).names, "landmark_id")
    images = pa.concat_tables([pq.read_table(part, columns=columns) for part in parts])
    removed = read_table(sorted((root / "removed").glob("*.parquet")), REMOVED, _WHY)
    if split == _CLEAN_SPLIT:
        removed = removed.filter(pc.not_equal(removed["stage"], "overlap"))
    return ImageList(path, ListKind.MANIFEST, _with_labels(images), removed)


def _read_file(path: Path) -> ImageList:
    if path.suffix == ".parquet":
        return _read_parquet(path)
    with path.open(encoding="utf-8-sig", errors="replace") as stream:
        header = tuple(stream.readline().strip().split(","))
    readers: dict[tuple[str, ...], tuple[ListKind, Callable[[Path], pa.Table]]] = {
        HEADERS["train_clean.csv"]: (ListKind.TRAIN_CLEAN, read_train_clean_table),
        HEADERS["train.csv"]: (ListKind.TRAIN, read_train_csv),
    }
    if header in readers:
        kind, read = readers[header]
        return _plain(path, kind, _with_labels(read(path)))
    return _plain(path, ListKind.PATH_LABEL, _as_table(list(_read_lines(path))))


def _read_parquet(path: Path) -> ImageList:
    names = pq.read_schema(path).names
    label = next((name for name in ("landmark_id", "label") if name in names), None)
    if "image_id" not in names or label is None:
        raise ImageListError(
            f"{path}: columns are {', '.join(names)}; expected image_id, and landmark_id or label"
        )
    images = pq.read_table(path, columns=_columns_to_read(names, label))
    return _plain(path, ListKind.PARQUET, _with_labels(images, label))


def _columns_to_read(names: list[str], label: str) -> list[str]:
    return ["image_id", label, *(name for name in _EXTRAS if name in names)]


def _read_lines(path: Path) -> Iterator[tuple[str, str, str]]:
    """Each line is a path and a label, with one blank or tab between them."""
    with path.open(encoding="utf-8", errors="replace") as stream:
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            file_path, _, label = line.strip().replace("\t", " ").rpartition(" ")
            if not file_path:
                raise ImageListError(
                    f"{path}: row {number}: {line.strip()[:80]!r} is not a path and a label; "
                    "expected lines such as `1/2/3/123.jpg 47`, or a list of GLDv2 with its header"
                )
            yield PurePosixPath(file_path).stem, label, file_path


def _with_labels(images: pa.Table, label: str = "landmark_id") -> pa.Table:
    columns = {
        "image_id": images["image_id"].cast(pa.string()),
        "label": images[label].cast(pa.string()),
    }
    columns |= {
        name: images[name].cast(_EXTRAS[name]) for name in _EXTRAS if name in images.schema.names
    }
    return pa.table(columns)


def _as_table(rows: list[tuple[str, str, str]]) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else ((), (), ())
    names = ("image_id", "label", "path")
    return pa.table(
        {name: pa.array(c, pa.string()) for name, c in zip(names, columns, strict=True)}
    )


def _name_by_path(images: pa.Table) -> pa.Table:
    is_gldv2 = pc.match_substring_regex(images["image_id"], f"^(?:{IMAGE_ID_PATTERN.pattern})$")
    names = pc.if_else(is_gldv2, images["image_id"], images["path"])
    return images.set_column(0, "image_id", names)


def _plain(path: Path, kind: ListKind, images: pa.Table) -> ImageList:
    nothing = pa.schema([REMOVED.schema.field(name) for name in _WHY]).empty_table()
    return ImageList(path, kind, images, nothing)


def _refuse_repeated(path: Path, image_ids: pa.ChunkedArray) -> None:
    if pc.count_distinct(image_ids).as_py() == len(image_ids):
        return
    counted = image_ids.value_counts()
    twice = counted.filter(pc.greater(counted.field("counts"), 1))[0].as_py()
    raise ImageListError(
        f"{path}: image {twice['values']} occurs {twice['counts']} times; "
        "name every image once, and give files of different classes different names"
    )
