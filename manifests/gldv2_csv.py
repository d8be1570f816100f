"""Google Landmarks v2's own CSV files (Weyand et al. 2020), read and checked in bulk with Arrow.

Landmark ids of the train split and of the index split are two different numberings; everything
here is in the numbering of the train split. Rows are counted as in a spreadsheet: the header is
row 1.
"""

import csv
import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from manifests.atomic import write_text
from manifests.input_error import InputError
from manifests.label_spaces import describe_other_space

IMAGE_ID_PATTERN = re.compile(r"[0-9a-f]{16}")
"""What an image id looks like; use `fullmatch`, or `is_image_id`."""

METADATA_URL = "https://s3.amazonaws.com/google-landmark/metadata/"

HEADERS: dict[str, tuple[str, ...]] = {
    "train.csv": ("id", "url", "landmark_id"),
    "train_attribution.csv": ("id", "url", "author", "license", "title"),
    "train_clean.csv": ("landmark_id", "images"),
    "train_label_to_category.csv": ("landmark_id", "category"),
    "train_label_to_hierarchical.csv": (
        "landmark_id",
        "category",
        "supercategory",
        "hierarchical_label",
        "natural_or_human_made",
    ),
    "index.csv or test.csv": ("id",),
    "index_image_to_landmark.csv": ("id", "landmark_id"),
    "recognition_solution_v2.1.csv": ("id", "landmarks", "Usage"),
    "retrieval_solution_v2.1.csv": ("id", "images", "Usage"),
}
"""The header of every GLDv2 file, so that a mix-up of files can be named."""

_FIRST_DATA_ROW = 2
# The longest row that Arrow can split; train_clean.csv holds whole classes in one row.
_BLOCK_BYTES = 1 << 24


class Gldv2CsvError(InputError):
    """A GLDv2 CSV file is missing, is another file, or has a row that cannot be right."""


def is_image_id(text: str) -> bool:
    """Whether `text` is a GLDv2 image id: 16 lower-case hexadecimal digits."""
    return IMAGE_ID_PATTERN.fullmatch(text) is not None


def member_path(image_id: str) -> str:
    """Path of an image inside its shard, e.g. ``0/1/2/0123456789abcdef.jpg``."""
    return f"{image_id[0]}/{image_id[1]}/{image_id[2]}/{image_id}.jpg"


def readable_name(category_url: str) -> str:
    """Class name in words from a Wikimedia Commons category URL, in Unicode form NFC."""
    name = unquote(category_url).rpartition("Category:")[2]
    return unicodedata.normalize("NFC", name.replace("_", " ").strip())


def read_train_csv(path: Path) -> pa.Table:
    """Read ``train.csv``: which class each image belongs to, and its origin.

    Returns:
        Columns image_id (string, unique), url (string), landmark_id (int64), in file order.

    Raises:
        Gldv2CsvError: the file is missing, is another file, or has a bad or repeated id.
    """
    table = _read_strings(path, "train.csv")
    _check_image_ids(path, table["id"])
    landmark_ids = _parse_landmark_ids(path, table["landmark_id"])
    return pa.table({"image_id": table["id"], "url": table["url"], "landmark_id": landmark_ids})


def read_attribution_csv(path: Path) -> pa.Table:
    """Read ``train_attribution.csv``: the rights of each image.

    Its URL column is left out: it repeats that of ``train.csv``, and is the largest of all.

    Returns:
        Columns image_id (unique), author, license, title, all strings, in file order.

    Raises:
        Gldv2CsvError: the file is missing, is another file, or has a bad or repeated id.
    """
    table = _read_strings(path, "train_attribution.csv", ["id", "author", "license", "title"])
    _check_image_ids(path, table["id"])
    return table.rename_columns(["image_id", "author", "license", "title"])


def read_category_csv(path: Path) -> dict[int, str]:
    """Read ``train_label_to_category.csv``: landmark id -> readable name of the class.

    Raises:
        Gldv2CsvError: the file is missing, is another file, or has a bad or repeated landmark id.
    """
    table = _read_strings(path, "train_label_to_category.csv")
    landmark_ids = _parse_landmark_ids(path, table["landmark_id"])
    _refuse_duplicates(path, "landmark id", landmark_ids)
    names = (readable_name(url) for url in table["category"].to_pylist())
    return dict(zip(landmark_ids.to_pylist(), names, strict=True))


def read_train_clean_csv(path: Path) -> dict[int, tuple[str, ...]]:
    """Read ``train_clean.csv``: landmark id -> ids of the images kept, in file order.

    Raises:
        Gldv2CsvError: the file is missing, is another file, has a class without images, or has a
            bad or repeated id; an image may be in one class only.
    """
    landmark_ids, classes = _read_classes(path)
    images = (tuple(image_ids) for image_ids in classes.to_pylist())
    return dict(zip(landmark_ids.to_pylist(), images, strict=True))


def read_train_clean_table(path: Path) -> pa.Table:
    """Read ``train_clean.csv`` as a table, without a Python object for any image.

    Returns:
        Columns image_id (string, unique) and landmark_id (int64), one row per image, in file
        order.

    Raises:
        Gldv2CsvError: as `read_train_clean_csv`.
    """
    landmark_ids, classes = _read_classes(path)
    parents = pc.list_parent_indices(classes)
    return pa.table(
        {"image_id": pc.list_flatten(classes), "landmark_id": landmark_ids.take(parents)}
    )


def _read_classes(path: Path) -> tuple[pa.ChunkedArray, pa.ListArray]:
    table = _read_strings(path, "train_clean.csv")
    landmark_ids = _parse_landmark_ids(path, table["landmark_id"])
    _refuse_duplicates(path, "landmark id", landmark_ids)
    trimmed = pc.utf8_trim_whitespace(table["images"].combine_chunks())
    classes = pc.utf8_split_whitespace(trimmed)
    _check_image_ids(path, pc.list_flatten(classes), pc.list_parent_indices(classes))
    return landmark_ids, classes


def write_train_clean_csv(path: Path, classes: Mapping[int, Sequence[str]]) -> None:
    """Write classes in the form of ``train_clean.csv``, atomically.

    Classes go by ascending integer landmark id, the images of a class by ascending id, so the
    bytes depend on the content alone.

    Raises:
        Gldv2CsvError: a class is empty, or an image id is malformed or repeated.
    """
    seen: set[str] = set()
    lines = [",".join(HEADERS["train_clean.csv"])]
    for landmark_id in sorted(classes):
        image_ids = sorted(classes[landmark_id])
        if not image_ids:
            raise Gldv2CsvError(f"{path}: class {landmark_id} has no images; leave the class out")
        for image_id in image_ids:
            if not is_image_id(image_id) or image_id in seen:
                raise Gldv2CsvError(
                    f"{path}: class {landmark_id}: image id {image_id!r} is malformed or repeated; "
                    "pass each image once, under its GLDv2 id"
                )
            seen.add(image_id)
        lines.append(f"{landmark_id},{' '.join(image_ids)}")
    write_text(path, "\n".join(lines) + "\n")


def write_train_clean_table(path: Path, images: pa.Table) -> None:
    """Write columns image_id and landmark_id in the form of ``train_clean.csv``, atomically.

    The bytes are those that `write_train_clean_csv` writes for the same classes. The ids must be
    those of a list that was read, which checked them.
    """
    keys = [("landmark_id", "ascending"), ("image_id", "ascending")]
    ordered = images.select(["landmark_id", "image_id"]).sort_by(keys)
    image_ids = ordered["image_id"].to_pylist()
    classes, starts = np.unique(ordered["landmark_id"].to_numpy(), return_index=True)
    ends = np.append(starts, len(image_ids))[1:].tolist()
    lines = [",".join(HEADERS["train_clean.csv"])]
    lines += [
        f"{landmark_id},{' '.join(image_ids[start:end])}"
        for landmark_id, start, end in zip(classes.tolist(), starts.tolist(), ends, strict=True)
    ]
    write_text(path, "\n".join(lines) + "\n")


def _read_strings(path: Path, file_name: str, columns: Sequence[str] = ()) -> pa.Table:
    """Columns of the file (all if none are named) as strings, if it is the GLDv2 file meant."""
    _check_header(path, file_name)
    header = HEADERS[file_name]
    try:
        return arrow_csv.read_csv(
            path,
            # One thread is as fast here, and only then does Arrow say which row is wrong.
            read_options=arrow_csv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES),
            parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(header, pa.string()),
                include_columns=list(columns),
                strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid as error:
        found = str(error).replace("Row #", "row ")
        raise Gldv2CsvError(f"{path}: {found}; {_remedy(file_name)}") from error


def _check_header(path: Path, file_name: str) -> None:
    fault = describe_other_space(path, file_name)
    if fault is not None:
        raise Gldv2CsvError(f"{path}: {fault}")
    expected = HEADERS[file_name]
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
            found = tuple(next(csv.reader(stream), ()))
    except FileNotFoundError as error:
        raise Gldv2CsvError(f"{path}: no such file; {_remedy(file_name)}") from error
    except (OSError, csv.Error) as error:
        raise Gldv2CsvError(f"{path}: unreadable ({error}); {_remedy(file_name)}") from error
    if found == expected:
        return
    others = [name for name, header in HEADERS.items() if header == found]
    hint = f" (that is the header of {others[0]})" if others else ""
    raise Gldv2CsvError(
        f"{path}: row 1: the header is {','.join(found)[:200]!r}{hint}, "
        f"expected {','.join(expected)!r}; give {file_name}, or {_remedy(file_name)}"
    )


def _remedy(file_name: str) -> str:
    return f"fetch it again from {METADATA_URL}{file_name}"


def _check_image_ids(path: Path, ids: pa.ChunkedArray, rows: pa.Array | None = None) -> None:
    """Refuse malformed and repeated ids; `rows` are the 0-based rows of the ids if not 0, 1, ..."""
    index = _find_mismatch(ids, IMAGE_ID_PATTERN.pattern)
    if index is not None:
        row = index if rows is None else rows[index].as_py()
        raise Gldv2CsvError(
            f"{path}: row {row + _FIRST_DATA_ROW}: image id {ids[index].as_py()!r} is not 16 "
            "lower-case hexadecimal digits; correct the row or fetch the file again"
        )
    _refuse_duplicates(path, "image id", ids, rows)


def _parse_landmark_ids(path: Path, texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Landmark ids as int64."""
    index = _find_mismatch(texts, "[0-9]{1,18}")
    if index is not None:
        raise Gldv2CsvError(
            f"{path}: row {index + _FIRST_DATA_ROW}: landmark id {texts[index].as_py()!r} is not "
            "a whole number; correct the row or fetch the file again"
        )
    return texts.cast(pa.int64())


def _find_mismatch(texts: pa.ChunkedArray, pattern: str) -> int | None:
    """0-based position of the first text that `pattern` does not match as a whole."""
    index = int(pc.index(pc.match_substring_regex(texts, f"^(?:{pattern})$"), False).as_py())
    return None if index < 0 else index


def _refuse_duplicates(
    path: Path, kind: str, values: pa.ChunkedArray, rows: pa.Array | None = None
) -> None:
    if pc.count_distinct(values).as_py() == len(values):
        return
    row_of_first: dict[str | int, int] = {}
    value_rows = range(len(values)) if rows is None else rows.to_pylist()
    for value, row in zip(values.to_pylist(), value_rows, strict=True):
        if value in row_of_first:
            first = row_of_first[value] + _FIRST_DATA_ROW
            raise Gldv2CsvError(
                f"{path}: row {row + _FIRST_DATA_ROW}: {kind} {value!r} was already in row "
                f"{first}; delete one of the two"
            )
        row_of_first[value] = row
