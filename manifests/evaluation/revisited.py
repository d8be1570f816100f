"""Evaluation sets in the format of Revisited Oxford and Paris (Radenovic et al. 2018).

A ground-truth file is a dictionary: `imlist` (names of the database images), `qimlist` (names of
the query images) and `gnd`, one dictionary per query with `bbx` (the crop that is the query) and
`easy`, `hard` and `junk` (0-based positions in `imlist`). It comes as a pickle or as JSON.
"""

import json
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from manifests.evaluation.records import (
    EvaluationQuery,
    EvaluationSet,
    GroundTruthError,
    check_names,
    find_repeated,
    make_box,
)

_RELEVANCE_LISTS = ("easy", "hard", "junk")
_BROKEN_PICKLE = (
    pickle.UnpicklingError,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    OverflowError,
)


def read_ground_truth(path: Path, name: str) -> EvaluationSet:
    """Read and check a ground-truth file (``.json``, or ``.pkl`` without any code in it).

    Args:
        path: the file.
        name: what the set is called in tables, e.g. ``roxford5k``.

    Raises:
        GroundTruthError: the file is missing or unreadable, asks for code to be run, lacks a key,
            or holds a wrong index, an empty box or a duplicate; names the file and the query.
    """
    content = _require_keys(path, "the file", _load(path), ("imlist", "qimlist", "gnd"))
    database = _read_names(path, "imlist", content["imlist"])
    query_ids = _read_names(path, "qimlist", content["qimlist"])
    truths = content["gnd"]
    if not isinstance(truths, Sequence) or len(truths) != len(query_ids):
        found = len(truths) if isinstance(truths, Sequence) else type(truths).__name__
        raise GroundTruthError(
            f"{path}: 'gnd' must have one entry for each of the {len(query_ids)} names of "
            f"'qimlist', found {found}; take both lists from the same release"
        )
    queries = [
        _read_query(path, query_id, truth, len(database))
        for query_id, truth in zip(query_ids, truths, strict=True)
    ]
    return EvaluationSet(name, database, tuple(queries))


class _PlainUnpickler(pickle.Unpickler):
    """Reads containers, strings and numbers; whatever could run code is refused."""

    def find_class(self, module_name: str, global_name: str) -> Any:  # noqa: ANN401
        # The benchmark's own files need no global at all, so none is allowed.
        raise pickle.UnpicklingError(f"it asks for {module_name}.{global_name}")


def _load(path: Path) -> Any:  # noqa: ANN401  (whatever the file holds)
    readers = {".json": _load_json, ".pkl": _load_pickle, ".pickle": _load_pickle}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise GroundTruthError(f"{path}: not a .pkl or .json file; convert the ground truth to one")
    try:
        with path.open("rb") as stream:
            return reader(path, stream)
    except OSError as error:
        raise GroundTruthError(
            f"{path}: {error.strerror or error}; correct the path of the ground truth"
        ) from error


def _load_json(path: Path, stream: BinaryIO) -> Any:  # noqa: ANN401  (any JSON value)
    try:
        return json.load(stream)
    except ValueError as error:
        raise GroundTruthError(f"{path}: not JSON ({error}); fetch the file again") from error


def _load_pickle(path: Path, stream: BinaryIO) -> Any:  # noqa: ANN401  (any plain value)
    try:
        return _PlainUnpickler(stream).load()
    except _BROKEN_PICKLE as error:
        raise GroundTruthError(
            f"{path}: refused, not a pickle of plain lists and numbers ({error}); a pickle can "
            "run any code, so get the file from the benchmark's authors or give it as JSON"
        ) from error


def _require_keys(path: Path, what: str, content: object, keys: Sequence[str]) -> Mapping[str, Any]:
    if not isinstance(content, Mapping):
        raise GroundTruthError(
            f"{path}: {what} holds a {type(content).__name__}, not a dictionary; {_format_remedy()}"
        )
    missing = [key for key in keys if key not in content]
    if missing:
        raise GroundTruthError(f"{path}: {what} lacks {', '.join(missing)}; {_format_remedy()}")
    return content


def _format_remedy() -> str:
    return "give a ground-truth file in the format of Revisited Oxford and Paris"


def _read_names(path: Path, key: str, names: object) -> tuple[str, ...]:
    if not isinstance(names, Sequence) or not all(isinstance(n, str) and n for n in names):
        raise GroundTruthError(f"{path}: {key!r} must be a list of image names; {_format_remedy()}")
    check_names(path, repr(key), names)
    return tuple(names)


def _read_query(path: Path, query_id: str, truth: object, num_database: int) -> EvaluationQuery:
    where = f"query {query_id!r}"
    fields = _require_keys(path, where, truth, ("bbx", *_RELEVANCE_LISTS))
    box = make_box(f"{path}: {where}: 'bbx'", fields["bbx"])
    easy, hard, junk = (
        _read_indices(path, f"{where}: {key!r}", fields[key], num_database)
        for key in _RELEVANCE_LISTS
    )
    repeated = find_repeated((*easy, *hard, *junk))
    if repeated is not None:
        raise GroundTruthError(
            f"{path}: {where}: database image {repeated} is listed twice in easy, hard and junk; "
            "an image can be only one of them"
        )
    return EvaluationQuery(query_id, query_id, box, easy, hard, junk)


def _read_indices(path: Path, where: str, indices: object, num_database: int) -> tuple[int, ...]:
    if not isinstance(indices, Sequence):
        raise GroundTruthError(f"{path}: {where} is not a list; {_format_remedy()}")
    for index in indices:
        is_integer = isinstance(index, int) and not isinstance(index, bool)
        if not is_integer or not 0 <= index < num_database:
            raise GroundTruthError(
                f"{path}: {where} holds {index!r}, not a position 0 to {num_database - 1} in "
                "'imlist'; positions count from 0 (those of the .mat release count from 1)"
            )
    return tuple(indices)
