"""What people say of pairs of images of one class: a CSV file.

It is the list decisive_pairs.csv of a run, filled in. Columns beside those named here are ignored,
so that the list can carry what helps people to decide.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from manifests.input_error import InputError

ANSWER_COLUMN = "answer"
_COLUMNS = ("image_id_a", "image_id_b", ANSWER_COLUMN)
_REST = "further cells"


class ManualAnswerError(InputError):
    """Answers that cannot be used; the message names the file, the row and the remedy."""


class ManualAnswer(StrEnum):
    """What a person says of a pair."""

    SAME = "same"
    DIFFERENT = "different"


@dataclass(frozen=True)
class AnsweredPair:
    """A pair that somebody answered on.

    Attributes:
        image_id_a: the smaller image id.
        image_id_b: the larger image id.
        answer: whether the two show the same surface.
        row: the line of the file.
    """

    image_id_a: str
    image_id_b: str
    answer: ManualAnswer
    row: int

    @property
    def image_ids(self) -> tuple[str, str]:
        """Both ids, the smaller one first."""
        return self.image_id_a, self.image_id_b


def read_manual_answers(path: Path) -> list[AnsweredPair]:
    """Read the answers of a CSV file; rows without one are ignored.

    Args:
        path: has the columns image_id_a, image_id_b and answer. An answer is `same`, `different`
            or nothing; blanks around it and capital letters do not count.

    Returns:
        Every answered pair once, in the order of the file.

    Raises:
        ManualAnswerError: the file is missing or unreadable, a column is missing or there twice,
            an answer is none of these, or a pair has two different ones.
    """
    pairs: dict[tuple[str, str], AnsweredPair] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            # Strict, or a quote that nobody closes would swallow all rows behind it.
            reader = csv.DictReader(stream, restkey=_REST, restval="", strict=True)
            for pair in _parse(path, reader):
                first = pairs.setdefault(pair.image_ids, pair)
                if first.answer is not pair.answer:
                    raise ManualAnswerError(
                        f"{path}: row {pair.row}: {pair.image_id_a} and {pair.image_id_b} have "
                        f"the answer {pair.answer!s}, but {first.answer!s} in row {first.row}; "
                        "delete one of the two rows"
                    )
    except OSError as error:
        raise ManualAnswerError(
            f"{path}: {error.strerror}; let clean.answers name the file of answers, or be null"
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ManualAnswerError(
            f"{path}: unreadable ({error}); save it as CSV with commas, in UTF-8, and close every "
            "double quote"
        ) from error
    return list(pairs.values())


def _parse(path: Path, reader: "csv.DictReader[str]") -> Iterator[AnsweredPair]:
    header = list(reader.fieldnames or ())
    for name in _COLUMNS:
        if header.count(name) != 1:
            found = ",".join(header)[:200]
            raise ManualAnswerError(
                f"{path}: row 1: the header {found!r} has not one column {name!r}; name the "
                f"columns {', '.join(_COLUMNS)} once each, with commas between them"
            )
    for row in reader:
        if _REST in row:
            raise ManualAnswerError(
                f"{path}: row {reader.line_num}: more cells than the header has; put text that "
                "holds a comma between double quotes"
            )
        a, b, text = (row[name].strip() for name in _COLUMNS)
        if text:
            answer = _parse_answer(path, reader.line_num, text)
            yield AnsweredPair(min(a, b), max(a, b), answer, reader.line_num)


def _parse_answer(path: Path, row: int, text: str) -> ManualAnswer:
    try:
        return ManualAnswer(text.lower())
    except ValueError as error:
        raise ManualAnswerError(
            f"{path}: row {row}: the answer {text[:80]!r} is neither same nor different; write "
            "one of them, or leave the cell empty"
        ) from error
