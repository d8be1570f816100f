"""Lists that a command writes for people to fill in, and writes anew the next time."""

import csv
from collections.abc import Sequence
from pathlib import Path


def is_filled_in(path: Path, columns: Sequence[str]) -> bool:
    """Whether people have written into a list where it is.

    Args:
        path: CSV, as the command wrote it or as somebody saved it.
        columns: the last columns, in which every row was left empty. A list of before they were
            added has nothing to lose.

    Returns:
        True also of a list that was saved in another form, as nobody can tell what is in it.
    """
    if not path.is_file():
        return False
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = csv.reader(stream)
            header = next(rows, [])
            if not header or not header[-1].endswith(columns[-1]):
                return False
            return any(any(row[-len(columns) :]) for row in rows)
    except (UnicodeDecodeError, csv.Error):
        return True
