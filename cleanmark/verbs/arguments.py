"""Arguments that several verbs take."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

RunDir = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")]


class Policy(StrEnum):
    """How decisions become removals; see docs/decisions.md."""

    PAPER = "paper"
    CONFIRMED = "confirmed"
    STRICT = "strict"
