"""The removal policies by name, as the command line and exports take them."""

from enum import StrEnum


class Policy(StrEnum):
    """How decisions become removals; see docs/decisions.md."""

    PAPER = "paper"
    CONFIRMED = "confirmed"
    STRICT = "strict"


class Removes(StrEnum):
    """What a removal takes away; see docs/decisions.md."""

    CLASSES = "classes"
    IMAGES = "images"
