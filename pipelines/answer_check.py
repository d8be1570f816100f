"""Answers of people, checked against the run that they are about before the cleaning begins."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import pyarrow.dataset as ds

from manifests.arrow_schemas import IMAGES, MATCHES
from manifests.manual_answers import AnsweredPair, ManualAnswerError, read_manual_answers
from manifests.parquet_io import scan_table
from manifests.rows import ImageStatus
from pipelines.run_folder import table_parts
from pipelines.stages.ingest import Join

AnswersOfClass = Mapping[int, Sequence[AnsweredPair]]
"""landmark_id -> the answers on pairs of the class; classes without any are not there."""

_PUBLISHED = "manifests"


def read_checked_answers(
    path: Path, run_dir: Path, parts_of_class: Mapping[int, Iterable[str]]
) -> AnswersOfClass:
    """Read a file of answers, and refuse it if it does not fit the run.

    Of the run it reads the classes of the images named, and of the table `matches` the ids of
    pairs, in the parts of these classes alone.

    Args:
        path: see `read_manual_answers`.
        run_dir: the run folder, in which all pairs are verified.
        parts_of_class: landmark_id -> parts of the table `matches` that hold its pairs.

    Raises:
        ManualAnswerError: the file cannot be read, or lies where the run writes; an image is not
            of the run; two images are of different classes; the verifier has not seen a pair.
    """
    if path.resolve().is_relative_to((run_dir / _PUBLISHED).resolve()):
        raise ManualAnswerError(
            f"{path}: the run writes this file anew and your answers would be lost; move it to a "
            "place outside the run folder and let clean.answers name it there"
        )
    answers = read_manual_answers(path)
    if not answers:
        return {}
    classes = _find_classes(run_dir, {image_id for pair in answers for image_id in pair.image_ids})
    by_class: defaultdict[int, list[AnsweredPair]] = defaultdict(list)
    for pair in answers:
        by_class[_find_class(path, pair, classes)].append(pair)
    parts = sorted({part for c in by_class for part in parts_of_class.get(c, ())})
    _check_verified([run_dir / part for part in parts], path, answers)
    return by_class


def _find_classes(run_dir: Path, image_ids: Collection[str]) -> dict[str, int]:
    """The classes of those images that are usable."""
    is_usable = ds.field("status") == ImageStatus.OK.value
    images = scan_table(table_parts(run_dir, Join.name), IMAGES).to_table(
        columns=["image_id", "landmark_id"],
        filter=is_usable & ds.field("image_id").isin(sorted(image_ids)),
    )
    return dict(zip(*(column.to_pylist() for column in images.columns), strict=True))


def _find_class(path: Path, pair: AnsweredPair, classes: Mapping[str, int]) -> int:
    """The class of both images."""
    for image_id in pair.image_ids:
        if image_id not in classes:
            raise ManualAnswerError(
                f"{path}: row {pair.row}: the run has no usable image {image_id!r}; copy the id "
                "again (a spreadsheet may take one for a number), or delete the row"
            )
    a, b = (classes[image_id] for image_id in pair.image_ids)
    if a != b:
        raise ManualAnswerError(
            f"{path}: row {pair.row}: {pair.image_id_a} is of class {a} and {pair.image_id_b} of "
            f"class {b}, but only pairs within a class are judged; delete the row"
        )
    return a


def _check_verified(parts: Sequence[Path], path: Path, answers: Sequence[AnsweredPair]) -> None:
    firsts = sorted({pair.image_id_a for pair in answers})
    seconds = sorted({pair.image_id_b for pair in answers})
    matches = scan_table(parts, MATCHES).to_table(
        columns=["image_id_a", "image_id_b"],
        filter=ds.field("image_id_a").isin(firsts) & ds.field("image_id_b").isin(seconds),
    )
    verified = set(zip(*(column.to_pylist() for column in matches.columns), strict=True))
    for pair in answers:
        if pair.image_ids not in verified:
            raise ManualAnswerError(
                f"{path}: row {pair.row}: {pair.image_id_a} and {pair.image_id_b} were never put "
                "to the verifier (see verify.num_neighbours); delete the row"
            )
