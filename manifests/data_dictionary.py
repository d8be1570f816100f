"""Writes docs/data_dictionary.md from the schemas: `python -m manifests.data_dictionary FILE`."""

import sys
from collections.abc import Iterator
from enum import StrEnum
from itertools import groupby
from pathlib import Path

from manifests.arrow_schemas import TABLES, Table
from manifests.atomic import write_text
from manifests.rows import MEANINGS

_INTRODUCTION = """\
# Data dictionary

Generated from `manifests/arrow_schemas.py` and `manifests/rows.py` by `make docs`; do not edit.

Every table is a folder of Parquet files in the run folder. Its name and the version of its schema
stand in the metadata of each file (`cleanmark.table`, `cleanmark.schema_version`).
"""


def render_data_dictionary() -> str:
    """All tables with their columns, then all words for states and reasons, as Markdown."""
    parts = [_INTRODUCTION]
    parts += ["\n".join(_render_table(table)) for table in TABLES]
    parts.append("\n".join(_render_words()))
    return "\n".join(parts) + "\n"


def _render_table(table: Table) -> Iterator[str]:
    yield f"## {table.name} (version {table.version})\n\n{table.description}\n"
    yield "| column | type | may be null | meaning |\n| --- | --- | --- | --- |"
    for column in table.columns:
        null = "yes" if column.nullable else ""
        yield f"| {column.name} | {column.type} | {null} | {column.description} |"
    yield ""


def _render_words() -> Iterator[str]:
    yield "## States and reasons\n"

    def kind(word: StrEnum) -> type[StrEnum]:
        return type(word)

    for enum, words in groupby(MEANINGS, key=kind):
        yield f"### {enum.__doc__}\n\n| word | meaning |\n| --- | --- |"
        yield from (f"| {word.value} | {MEANINGS[word]} |" for word in words)
        yield ""


if __name__ == "__main__":
    write_text(Path(sys.argv[1]), render_data_dictionary())
