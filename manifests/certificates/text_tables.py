r"""Tables as lines of text: the same bytes on every machine and with every library version.

Fields are separated by tabs, the first line names the columns, every line ends in a line feed. A
backslash and control characters are written as ``\xNN``, so that a field holds neither a tab nor
the end of a line. Lines are sorted as bytes, as ``LC_ALL=C sort`` does.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from manifests.atomic import replacing
from manifests.input_error import InputError

_BATCH_ROWS = 65_536
_TAB = pa.scalar("\t", pa.large_string())
_SPECIAL = r"[\x00-\x1f\x7f\\]"
_ESCAPED = re.compile(r"\\x([0-9a-f]{2})")


class TextTableError(InputError):
    """A table is missing, or is not what was written; the message names the file and the line."""


@dataclass(frozen=True)
class TextColumn:
    """One column: its name and what it means."""

    name: str
    description: str


@dataclass(frozen=True)
class TextTable:
    """One table: name of its file, what a row is, and its columns."""

    file_name: str
    description: str
    columns: tuple[TextColumn, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, in order."""
        return tuple(column.name for column in self.columns)

    @property
    def header(self) -> bytes:
        """The first line, without its end."""
        return "\t".join(self.names).encode()


def write_text_table(folder: Path, table: TextTable, rows: pa.Table) -> None:
    """Write rows, sorted, as a file of the table in `folder`, atomically.

    Args:
        folder: where to.
        table: which one.
        rows: its columns, in any order of rows; numbers are written in decimal, null as nothing.
    """
    rows = pa.table({name: escape_fields(rows[name]) for name in table.names})
    order = pc.sort_indices(rows, sort_keys=[(name, "ascending") for name in table.names])
    with replacing(folder / table.file_name) as temporary, temporary.open("wb") as stream:
        stream.write(table.header + b"\n")
        for start in range(0, len(order), _BATCH_ROWS):
            part = rows.take(order.slice(start, _BATCH_ROWS))
            lines = pc.binary_join_element_wise(*part.columns, _TAB).to_pylist()
            stream.write("\n".join([*lines, ""]).encode())


def read_lines(folder: Path, table: TextTable) -> Iterator[bytes]:
    """The lines of a table below its header, without their ends.

    Raises:
        TextTableError: the file is missing, is another table, is not UTF-8, or its lines are not
            complete, sorted and different.
    """
    path = folder / table.file_name
    try:
        with path.open("rb") as stream:
            if next(stream, b"") != table.header + b"\n":
                raise TextTableError(f"{path}: line 1: not {table.header.decode()!r}")
            before = b""
            for number, line in enumerate(stream, start=2):
                if not before < line or line[-1:] != b"\n":
                    raise TextTableError(f"{path}: line {number}: not in order, or not complete")
                before = line
                yield line[:-1]
    except FileNotFoundError as error:
        raise TextTableError(f"{path}: missing") from error


def read_rows(folder: Path, table: TextTable) -> Iterator[tuple[str, ...]]:
    """The rows of a table; what was null is an empty field.

    Raises:
        TextTableError: as `read_lines`, or a row has another number of fields.
    """
    for line in read_lines(folder, table):
        yield split_line(folder / table.file_name, table, line)


def split_line(path: Path, table: TextTable, line: bytes) -> tuple[str, ...]:
    """The fields of a line.

    Raises:
        TextTableError: their number is not that of the columns, or the line is not UTF-8.
    """
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise TextTableError(f"{path}: a line is not UTF-8: {line[:80]!r}") from error
    fields = tuple(text.split("\t"))
    if len(fields) != len(table.columns):
        raise TextTableError(f"{path}: not {len(table.columns)} fields in {line[:80]!r}")
    # Next to no line has anything escaped, and there are millions of lines.
    return tuple(map(unescape_field, fields)) if "\\" in text else fields


def escape_fields(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column as text in which no field holds a tab, a line's end or another control character."""
    texts = pc.fill_null(column.cast(pa.large_string()), "")
    special = pc.match_substring_regex(texts, _SPECIAL)
    if not pc.any(special).as_py():
        return texts
    return pa.chunked_array([[escape_field(text) for text in texts.to_pylist()]], pa.large_string())


def escape_field(text: str) -> str:
    """A text as it stands in a line."""
    return re.sub(_SPECIAL, lambda found: f"\\x{ord(found.group()):02x}", text)


def unescape_field(text: str) -> str:
    """The text that a field stands for."""
    return _ESCAPED.sub(lambda found: chr(int(found.group(1), 16)), text)
