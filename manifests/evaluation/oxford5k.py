"""The text files of the original Oxford5k and Paris6k (Philbin et al. 2007 and 2008).

For each of the 55 queries there are four: ``all_souls_1_query.txt`` holds the name of an image and
a box, ``all_souls_1_good.txt``, ``_ok.txt`` and ``_junk.txt`` hold names of images. Good and ok are
both right answers; junk counts neither way. The image of a query is part of the database. No file
lists the whole database: it is all images of the folder.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from manifests.evaluation.name_lists import read_lines
from manifests.evaluation.records import (
    Box,
    EvaluationQuery,
    EvaluationSet,
    GroundTruthError,
    check_names,
    find_repeated,
    make_box,
)

_QUERY_SUFFIX = "_query.txt"
_LISTS = ("good", "ok", "junk")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
# The query files of Oxford, and only they, put the name of a feature set before that of the image.
_OXFORD_PREFIX = "oxc1_"


def read_oxford5k(folder: Path, name: str, database: Sequence[str]) -> EvaluationSet:
    """Read the ground truth of Oxford5k or Paris6k.

    Args:
        folder: the text files.
        name: what the set is called in tables, e.g. ``oxford5k``.
        database: names of all images, without extension.

    Returns:
        Queries in the order of their names, such as ``all_souls_1``, good in `easy` and ok in
        `hard`.

    Raises:
        GroundTruthError: a file is missing or not in this form, names an image that is not in the
            database, or lists one twice.
    """
    files = sorted(folder.glob(f"*{_QUERY_SUFFIX}"))
    if not files:
        raise GroundTruthError(
            f"{folder}: no files named NAME{_QUERY_SUFFIX}; give the folder of the ground truth"
        )
    repeated = find_repeated(database)
    if repeated is not None:
        raise GroundTruthError(f"{folder}: two images are called {repeated!r}; remove one of them")
    positions = {image: position for position, image in enumerate(database)}
    queries = (_read_query(file, positions) for file in files)
    return EvaluationSet(name, tuple(database), tuple(queries))


def _read_query(file: Path, positions: dict[str, int]) -> EvaluationQuery:
    query_id = file.name.removesuffix(_QUERY_SUFFIX)
    image_name, box = _read_image_and_box(file)
    good, ok, junk = (
        _read_positions(file.with_name(f"{query_id}_{kind}.txt"), positions) for kind in _LISTS
    )
    repeated = find_repeated((*good, *ok, *junk))
    if repeated is not None:
        raise GroundTruthError(
            f"{file}: database image {list(positions)[repeated]!r} is listed twice in good, ok and "
            "junk; an image can be only one of them"
        )
    return EvaluationQuery(query_id, image_name, box, good, ok, junk)


def _read_image_and_box(file: Path) -> tuple[str, Box]:
    fields = [field for line in read_lines(file, "a query file") for field in line.split()]
    if len(fields) != 5 or not all(_NUMBER.fullmatch(field) for field in fields[1:]):
        raise GroundTruthError(
            f"{file}: holds {' '.join(fields)[:100]!r}, expected 'IMAGE x1 y1 x2 y2'; fetch the "
            "ground truth again"
        )
    image_name = fields[0].removeprefix(_OXFORD_PREFIX)
    check_names(file, "the query", [image_name])
    return image_name, make_box(f"{file}: the box", [float(field) for field in fields[1:]])


def _read_positions(file: Path, positions: dict[str, int]) -> tuple[int, ...]:
    names = read_lines(file, "a list of images")
    for image in names:
        if image not in positions:
            raise GroundTruthError(
                f"{file}: no image {image!r} is in the image folder; unpack all images of the set"
            )
    return tuple(positions[image] for image in names)
