"""The files of the GLDv2 challenges: solutions (who is right) and submissions (who says what).

A solution has the columns id, landmarks or images, and Usage; a submission has id and its
prediction. Values within a column are separated by single spaces. The rules are those of the
official reader; where that would take a slip of the pen for a wrong answer, we refuse the file.
"""

import csv
import io
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from manifests.atomic import write_text
from manifests.gldv2_csv import is_image_id
from manifests.input_error import InputError
from training.gldv2_metrics import Recognition

_Truth = TypeVar("_Truth", frozenset[int], frozenset[str])
_Prediction = TypeVar("_Prediction", Recognition, tuple[str, ...])
_Value = TypeVar("_Value")

_FIRST_DATA_ROW = 2
_PARTS = ("Public", "Private")
_IGNORED = "Ignored"


class SubmissionError(InputError):
    """A solution or submission is missing, or has a row that cannot be understood."""


@dataclass(frozen=True)
class Solution(Generic[_Truth]):
    """The truth, in the two parts that are scored apart.

    Attributes:
        public: test image -> what is right.
        private: likewise.
        ignored: test images that are not scored; predictions for them are skipped.
    """

    public: Mapping[str, _Truth]
    private: Mapping[str, _Truth]
    ignored: frozenset[str]


@dataclass(frozen=True)
class Submission(Generic[_Prediction]):
    """The predictions for the two parts; an image without prediction is absent."""

    public: Mapping[str, _Prediction]
    private: Mapping[str, _Prediction]


def read_recognition_solution(path: Path) -> Solution[frozenset[int]]:
    """Read ``recognition_solution_v2.1.csv``: images may show no landmark, one or several.

    Raises:
        SubmissionError: names the file and the row.
    """
    return _read_solution(path, _parse_landmarks)


def read_retrieval_solution(path: Path) -> Solution[frozenset[str]]:
    """Read ``retrieval_solution_v2.1.csv``: every query has right images, unless it is ignored.

    Raises:
        SubmissionError: names the file and the row.
    """
    return _read_solution(path, _parse_right_images)


def read_recognition_submission(
    path: Path, solution: Solution[frozenset[int]]
) -> Submission[Recognition]:
    """Read a submission with at most one landmark and its score per test image.

    Raises:
        SubmissionError: an image is repeated or unknown, or a prediction is malformed; names the
            file and the row.
    """
    return _read_submission(path, solution, _parse_recognition)


def read_retrieval_submission(
    path: Path, solution: Solution[frozenset[str]]
) -> Submission[tuple[str, ...]]:
    """Read a submission with index images per query, the best first.

    Raises:
        SubmissionError: as `read_recognition_submission`.
    """
    return _read_submission(path, solution, _parse_retrieved)


def write_recognition_submission(path: Path, predictions: Mapping[str, Recognition]) -> None:
    """Write at most one landmark and its score per test image, atomically."""
    rows = (
        (image_id, f"{prediction.landmark_id} {prediction.score!r}")
        for image_id, prediction in predictions.items()
    )
    _write_submission(path, ("id", "landmarks"), rows)


def write_retrieval_submission(path: Path, predictions: Mapping[str, Sequence[str]]) -> None:
    """Write index images per query, the best first, atomically."""
    rows = ((query_id, " ".join(images)) for query_id, images in predictions.items())
    _write_submission(path, ("id", "images"), rows)


def _write_submission(path: Path, header: tuple[str, str], rows: Iterable[tuple[str, str]]) -> None:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_text(path, stream.getvalue())


def _read_solution(path: Path, parse: Callable[[str], _Truth]) -> Solution[_Truth]:
    parts: dict[str, dict[str, _Truth]] = {part: {} for part in _PARTS}
    ignored: set[str] = set()
    for where, row in _read_rows(path, num_columns=3):
        image_id, truth, usage = row
        if image_id in ignored or any(image_id in part for part in parts.values()):
            raise SubmissionError(f"{where}: image {image_id!r} is repeated; remove one row")
        if usage == _IGNORED:
            # Here the second column holds the word None, which is no id.
            ignored.add(image_id)
        elif usage in parts:
            parts[usage][image_id] = _parse_or_refuse(where, truth, parse)
        else:
            raise SubmissionError(
                f"{where}: Usage is {usage!r}, not {', '.join(_PARTS)} or {_IGNORED}; take the "
                "solution file as it is released"
            )
    return Solution(parts["Public"], parts["Private"], frozenset(ignored))


def _read_submission(
    path: Path, solution: Solution[_Truth], parse: Callable[[str], _Prediction]
) -> Submission[_Prediction]:
    public: dict[str, _Prediction] = {}
    private: dict[str, _Prediction] = {}
    for where, (image_id, text) in _read_rows(path, num_columns=2):
        # As in the official reader, rows without a prediction are not remembered.
        if image_id in public or image_id in private:
            raise SubmissionError(f"{where}: image {image_id!r} is repeated; give it one row")
        if image_id in solution.ignored or not text:
            continue
        prediction = _parse_or_refuse(where, text, parse)
        if image_id in solution.public:
            public[image_id] = prediction
        elif image_id in solution.private:
            private[image_id] = prediction
        else:
            raise SubmissionError(
                f"{where}: the solution does not know image {image_id!r}; "
                "give the submission and the solution of the same task and release"
            )
    return Submission(public, private)


def _read_rows(path: Path, num_columns: int) -> Iterator[tuple[str, Sequence[str]]]:
    """The rows behind the header that are not blank, each with a name for messages."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            _check_header(path, next(reader, []))
            for number, row in enumerate(reader, start=_FIRST_DATA_ROW):
                where = f"{path}: row {number}"
                if row and len(row) != num_columns:
                    raise SubmissionError(
                        f"{where}: {len(row)} columns, not {num_columns}; separate the values "
                        "within a column by spaces"
                    )
                if row:
                    yield where, row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SubmissionError(f"{path}: not readable as CSV ({error}); export it again") from error


def _check_header(path: Path, header: Sequence[str]) -> None:
    # The official reader skips the first line unseen, and with it a prediction if it is no header.
    if header and is_image_id(header[0]):
        raise SubmissionError(f"{path}: row 1 is about an image; put a header line before it")


def _parse_or_refuse(where: str, text: str, parse: Callable[[str], _Value]) -> _Value:
    try:
        return parse(text)
    except ValueError as error:
        raise SubmissionError(f"{where}: {text[:80]!r}: {error}") from error


def _parse_landmarks(text: str) -> frozenset[int]:
    return frozenset(int(landmark) for landmark in text.split(" ")) if text else frozenset()


def _parse_right_images(text: str) -> frozenset[str]:
    images = text.split(" ")
    if "" in images or "None" in images:
        raise ValueError("only an Ignored query may be without images; set Usage or add them")
    return frozenset(images)


def _parse_recognition(text: str) -> Recognition:
    values = text.removesuffix(" ").split(" ")
    if len(values) != 2:
        raise ValueError("a prediction is a landmark and a score, with one space between")
    score = float(values[1])
    if math.isnan(score):
        raise ValueError("a score that is no number has no place in a ranking; correct it")
    return Recognition(int(values[0]), score)


def _parse_retrieved(text: str) -> tuple[str, ...]:
    images = tuple(text.removesuffix(" ").split(" "))
    if "" in images:
        raise ValueError("an empty id would count as a wrong image; separate ids by one space")
    return images
