"""Queries of GLDv2 (Weyand et al. 2020) from a solution file of its benchmark.

Two such files exist: ``retrieval_solution_v2.1.csv`` names images of the index that show the same
landmark, ``recognition_solution_v2.1.csv`` names classes of the training set.
"""

import csv
from collections.abc import Iterator
from pathlib import Path

from manifests.evaluation.records import (
    EvaluationQuery,
    EvaluationSet,
    GroundTruthError,
    find_repeated,
)
from manifests.gldv2_csv import HEADERS, is_image_id

_RETRIEVAL_HEADER = list(HEADERS["retrieval_solution_v2.1.csv"])
_RECOGNITION_HEADER = list(HEADERS["recognition_solution_v2.1.csv"])
_SCORED = ("Public", "Private")
_IGNORED = "Ignored"
_NO_ANSWER = "None"


def read_solution(path: Path, name: str) -> EvaluationSet:
    """Read a solution file: every image with an answer that counts is a query, whole.

    Rows with the usage `Ignored`, and those without an answer (images of no landmark), are no
    queries.

    Returns:
        The queries in the order of the file. For the retrieval file, the database holds the index
        images that are an answer to something, in order of their ids, and the answers are in
        `easy`; for the recognition file it is empty.

    Raises:
        GroundTruthError: the file is missing or another one, an id is malformed or repeated, a
            usage is unknown, or a row that counts has the answer `None`.
    """
    answers = dict(_read_answers(path))
    if not answers:
        raise GroundTruthError(f"{path}: no row with an answer; fetch the file again")
    is_retrieval = _read_header(path) == _RETRIEVAL_HEADER
    database = sorted(set().union(*answers.values())) if is_retrieval else []
    positions = {image_id: position for position, image_id in enumerate(database)}
    queries = (
        EvaluationQuery(
            image_id, image_id, None, tuple(positions[a] for a in answer) if is_retrieval else ()
        )
        for image_id, answer in answers.items()
    )
    return EvaluationSet(name, tuple(database), tuple(queries))


def _read_header(path: Path) -> list[str]:
    header = next(_read_rows(path), [])
    if header not in (_RETRIEVAL_HEADER, _RECOGNITION_HEADER):
        raise GroundTruthError(
            f"{path}: row 1: the header is {','.join(header)[:100]!r}, expected "
            f"{','.join(_RETRIEVAL_HEADER)!r} or {','.join(_RECOGNITION_HEADER)!r}; give a "
            "solution file of GLDv2"
        )
    return header


def _read_answers(path: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    is_retrieval = _read_header(path) == _RETRIEVAL_HEADER
    seen: set[str] = set()
    for number, row in enumerate(_read_rows(path), start=1):
        if number == 1 or not row:
            continue
        where = f"{path}: row {number}"
        image_id, answer, usage = _split_row(where, row)
        if image_id in seen:
            raise GroundTruthError(f"{where}: the id {image_id!r} occurs twice; remove one row")
        seen.add(image_id)
        if usage != _IGNORED and answer:
            _check_answer(where, answer, is_retrieval=is_retrieval)
            yield image_id, answer


def _read_rows(path: Path) -> Iterator[list[str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            yield from csv.reader(stream)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise GroundTruthError(
            f"{path}: not readable as CSV ({error}); correct the path or fetch the file again"
        ) from error


def _split_row(where: str, row: list[str]) -> tuple[str, tuple[str, ...], str]:
    if len(row) != len(_RETRIEVAL_HEADER):
        raise GroundTruthError(f"{where}: {len(row)} fields, not 3; fetch the file again")
    image_id, answer, usage = row
    if not is_image_id(image_id):
        raise GroundTruthError(
            f"{where}: image id {image_id!r} is not 16 lower-case hexadecimal digits; correct it"
        )
    if usage not in (*_SCORED, _IGNORED):
        raise GroundTruthError(
            f"{where}: usage {usage!r}, expected {', '.join((*_SCORED, _IGNORED))}; correct it"
        )
    return image_id, tuple(answer.split()), usage


def _check_answer(where: str, answer: tuple[str, ...], *, is_retrieval: bool) -> None:
    if _NO_ANSWER in answer:
        raise GroundTruthError(
            f"{where}: the answer {_NO_ANSWER!r} belongs to the usage {_IGNORED!r} alone; correct "
            "the row or fetch the file again"
        )
    is_right = is_image_id if is_retrieval else str.isdecimal
    wrong = [part for part in answer if not is_right(part)]
    if wrong:
        kind = "image id" if is_retrieval else "landmark id"
        raise GroundTruthError(f"{where}: {wrong[0]!r} is no {kind}; correct the row")
    if (repeated := find_repeated(answer)) is not None:
        raise GroundTruthError(f"{where}: {repeated!r} is listed twice; remove one of them")
