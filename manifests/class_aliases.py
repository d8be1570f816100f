"""Further names of classes, in other languages or spellings: a CSV file of columns and rows.

GLDv2's own lists name each class once, after its category at Wikimedia Commons. Further names
come from elsewhere, such as the labels of Wikidata, where the category is known too.
"""

import csv
from pathlib import Path

from manifests.input_error import InputError

HEADER = ("landmark_id", "name")


class ClassAliasError(InputError):
    """A file of further names that cannot be used; the message names the file and the row."""


def read_class_aliases(path: Path) -> dict[int, tuple[str, ...]]:
    """Read a CSV file with the columns landmark_id and name, one row per further name.

    Returns:
        landmark_id -> its further names, each once, in the order of the file.

    Raises:
        ClassAliasError: the file is missing or has another header, or a row has no whole number
            or no name.
    """
    names: dict[int, dict[str, None]] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.reader(stream)
            if (header := tuple(next(reader, ()))) != HEADER:
                raise ClassAliasError(
                    f"{path}: the header is {','.join(header)!r}, not {','.join(HEADER)!r}"
                )
            for row in reader:
                landmark_id, name = _parse_row(path, reader.line_num, row)
                names.setdefault(landmark_id, {})[name] = None
    except FileNotFoundError as error:
        raise ClassAliasError(f"{path}: no such file") from error
    except UnicodeDecodeError as error:
        raise ClassAliasError(f"{path}: not UTF-8 ({error}); save it as UTF-8") from error
    return {landmark_id: tuple(own) for landmark_id, own in names.items()}


def _parse_row(path: Path, number: int, row: list[str]) -> tuple[int, str]:
    if len(row) == len(HEADER) and row[0].strip().isdecimal() and row[1].strip():
        return int(row[0]), row[1].strip()
    raise ClassAliasError(
        f"{path}: row {number}: {','.join(row)[:80]!r} is not a class number and a name"
    )
