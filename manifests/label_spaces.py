"""GLDv2 numbers the classes of its train split and those of its index split independently.

The same number means two different landmarks. A join by number across the two gives wrong names
without any error, so that files and names of the wrong numbering are refused here.
"""

from collections.abc import Collection
from enum import StrEnum
from pathlib import Path


class LabelSpace(StrEnum):
    """A numbering of landmarks."""

    TRAIN = "gldv2:train"
    INDEX = "gldv2:index"


_SPACE_OF_FILE = {
    "train.csv": LabelSpace.TRAIN,
    "train_clean.csv": LabelSpace.TRAIN,
    "train_label_to_category.csv": LabelSpace.TRAIN,
    "train_label_to_hierarchical.csv": LabelSpace.TRAIN,
    "index_image_to_landmark.csv": LabelSpace.INDEX,
    "index_label_to_category.csv": LabelSpace.INDEX,
    "index_label_to_hierarchical.csv": LabelSpace.INDEX,
}
_MIN_NAMED_SHARE = 0.9
"""The numbers of the index split reach half as far as those of the train split."""
_FEW_CLASSES = 20
"""Of fewer, a share says nothing."""


def qualify(space: LabelSpace, landmark_id: int) -> str:
    """A class with its numbering, such as `gldv2:train:L47378`."""
    return f"{space}:L{landmark_id}"


def describe_other_space(path: Path, expected_file: str) -> str | None:
    """Say what is wrong when a file numbers its classes otherwise than the file that is meant.

    Files of other names are not judged: their header is all that can be checked.
    """
    found, expected = _SPACE_OF_FILE.get(path.name), _SPACE_OF_FILE.get(expected_file)
    if found is None or expected is None or found is expected:
        return None
    return (
        f"its classes are numbered as {found}, but {expected} is needed: the same number is "
        f"another landmark there ({qualify(found, 7)} is not {qualify(expected, 7)}); "
        f"give {expected_file}"
    )


def describe_foreign_names(landmark_ids: Collection[int], named: Collection[int]) -> str | None:
    """Say what is wrong when a list of names does not fit the classes it is to name.

    Args:
        landmark_ids: distinct classes of a split.
        named: classes that the list names.
    """
    nameless = sorted(set(landmark_ids) - set(named))
    allowed = (1 - _MIN_NAMED_SHARE) * len(landmark_ids)
    if len(landmark_ids) < _FEW_CLASSES or len(nameless) <= allowed:
        return None
    example = qualify(LabelSpace.TRAIN, nameless[0])
    return (
        f"it names {len(landmark_ids) - len(nameless):,} of {len(landmark_ids):,} classes, and "
        f"not {example}, so it is probably a list of another split, whose numbers mean other "
        "landmarks; give train_label_to_category.csv"
    )
