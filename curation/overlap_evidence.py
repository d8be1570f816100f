"""Overlap candidates as the removal rule needs them: one by one, or a million as columns."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from manifests.rows import CandidateSource, CandidateVerdict

EVIDENCE_COLUMNS = (
    *("eval_set", "query_id", "image_id", "landmark_id"),
    *("num_inliers", "verdict", "source"),
)
"""Columns of the table `candidates` that the removal rule reads."""


class QueryKey(NamedTuple):
    """An evaluation query, `text:TERM` or `name:NAME`."""

    eval_set: str
    query_id: str


class CandidateKey(NamedTuple):
    """What ties decisions to a candidate."""

    eval_set: str
    query_id: str
    image_id: str

    @property
    def query(self) -> QueryKey:
        """The query alone."""
        return QueryKey(self.eval_set, self.query_id)


@dataclass(frozen=True)
class ReviewedCandidate:
    """What the rule must know of a row of `candidates`; `num_inliers` is None for text."""

    key: CandidateKey
    landmark_id: int
    num_inliers: int | None
    verdict: CandidateVerdict
    source: CandidateSource


@dataclass(frozen=True, eq=False)
class CandidateColumns:
    """Distinct candidates, sorted by key; the entries of one row tell of one candidate.

    Attributes:
        queries: the distinct queries, sorted.
        query: position in `queries`, int64 (n,).
        images: ids of the distinct images, sorted.
        image: position in `images`, int64 (n,).
        landmark_ids: int64 (n,).
        num_inliers: int64 (n,), 0 for candidates found by name.
        is_text: whether the candidate was found by name, bool (n,).
        is_match: whether the verifier accepted it, bool (n,).
    """

    queries: Sequence[QueryKey]
    query: NDArray[np.int64]
    images: Sequence[str]
    image: NDArray[np.int64]
    landmark_ids: NDArray[np.int64]
    num_inliers: NDArray[np.int64]
    is_text: NDArray[np.bool_]
    is_match: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.query)

    @classmethod
    def from_candidates(cls, candidates: Iterable[ReviewedCandidate]) -> "CandidateColumns":
        """Candidates in any order.

        Raises:
            ValueError: a candidate occurs twice.
        """
        rows = list(candidates)
        columns = {
            "eval_set": pa.array([c.key.eval_set for c in rows], pa.string()),
            "query_id": pa.array([c.key.query_id for c in rows], pa.string()),
            "image_id": pa.array([c.key.image_id for c in rows], pa.string()),
            "landmark_id": pa.array([c.landmark_id for c in rows], pa.int64()),
            "num_inliers": pa.array([c.num_inliers for c in rows], pa.int64()),
            "verdict": pa.array([str(c.verdict) for c in rows], pa.string()),
            "source": pa.array([str(c.source) for c in rows], pa.string()),
        }
        return cls.from_tables([pa.table(columns)])

    @classmethod
    def from_table(cls, table: pa.Table) -> "CandidateColumns":
        """As `from_tables`, for a table in one piece."""
        return cls.from_tables([table])

    @classmethod
    def from_tables(cls, tables: Iterable[pa.Table]) -> "CandidateColumns":
        """Rows of the table `candidates`, in any order; `EVIDENCE_COLUMNS` must be there.

        Args:
            tables: parts of it. Each is packed as it comes: of a million queries, the texts of all
                rows together would take a gigabyte.

        Raises:
            ValueError: a candidate occurs twice.
        """
        packed = pa.concat_tables([_NOTHING_PACKED, *map(_pack, tables)])
        table = packed.unify_dictionaries().combine_chunks()
        del packed
        eval_set, eval_sets = _rank(table["eval_set"])
        query_id, query_ids = _rank(table["query_id"])
        image, images = _rank(table["image_id"])
        # Ranks keep the order of the texts, so one number per row sorts as the three texts do.
        keys = eval_set.astype(np.int64) * len(query_ids) + query_id
        del eval_set, query_id
        pairs, query = np.unique(keys, return_inverse=True)
        del keys
        queries = [
            QueryKey(eval_sets[pair // len(query_ids)], query_ids[pair % len(query_ids)])
            for pair in pairs.tolist()
        ]
        order = np.argsort(query * len(images) + image, kind="stable")
        columns = cls(
            queries,
            query[order],
            images,
            image[order].astype(np.int64),
            table["landmark_id"].to_numpy()[order],
            table["num_inliers"].to_numpy()[order].astype(np.int64),
            table["is_text"].to_numpy()[order],
            table["is_match"].to_numpy()[order],
        )
        columns._check_distinct()
        return columns

    @cached_property
    def query_names(self) -> list[str]:
        """What `queries` are called in words: evaluation set and query."""
        return [f"{query.eval_set}/{query.query_id}" for query in self.queries]

    def key_of(self, row: int) -> CandidateKey:
        """The key of one candidate."""
        query = self.queries[self.query[row]]
        return CandidateKey(query.eval_set, query.query_id, self.images[self.image[row]])

    def find(self, queries: Iterable[tuple[str, str]], images: Sequence[str]) -> NDArray[np.int64]:
        """The rows of some candidates, int64 (n,); -1 where there is no such candidate.

        Args:
            queries: evaluation set and query of each, n of them.
            images: id of the image of each.
        """
        positions: dict[tuple[str, str], int] = {q: place for place, q in enumerate(self.queries)}
        query = np.array([positions.get(key, -1) for key in queries], np.int64)
        known = pa.array(self.images, pa.string())
        found = pc.fill_null(pc.index_in(pa.array(images, pa.string()), value_set=known), -1)
        image = found.to_numpy(zero_copy_only=False).astype(np.int64)
        own = self._sort_keys()
        asked = np.where((query < 0) | (image < 0), -1, query * len(self.images) + image)
        rows = np.searchsorted(own, asked)
        is_there = rows < len(own)
        is_there[is_there] = own[rows[is_there]] == asked[is_there]
        return np.where(is_there, rows, -1)

    def _sort_keys(self) -> NDArray[np.int64]:
        return self.query * len(self.images) + self.image

    def _check_distinct(self) -> None:
        repeated = np.flatnonzero(np.diff(self._sort_keys()) == 0)
        if len(repeated):
            raise ValueError(f"{self.key_of(repeated[0])} is a candidate twice: pass it once")


class CandidateKeys(Sequence[CandidateKey]):
    """The keys of some rows, in their order; each is made when it is asked for.

    A million keys as objects would take longer than the plan that mentions them.
    """

    def __init__(self, candidates: CandidateColumns, rows: NDArray[np.int64]) -> None:
        self._candidates = candidates
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, place: int) -> CandidateKey: ...

    @overload
    def __getitem__(self, place: slice) -> "CandidateKeys": ...

    def __getitem__(self, place: int | slice) -> "CandidateKey | CandidateKeys":
        if isinstance(place, slice):
            return CandidateKeys(self._candidates, self._rows[place])
        return self._candidates.key_of(self._rows[place])

    def __eq__(self, other: object) -> bool:
        """Whether another sequence has the same keys in the same order."""
        if not isinstance(other, Sequence):
            return NotImplemented
        return tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))


_TEXT = pa.dictionary(pa.int32(), pa.string())
_NOTHING_PACKED = pa.schema(
    [
        *((name, _TEXT) for name in ("eval_set", "query_id", "image_id")),
        *(("landmark_id", pa.int64()), ("num_inliers", pa.int32())),
        *((name, pa.bool_()) for name in ("is_text", "is_match")),
    ]
).empty_table()


def _pack(rows: pa.Table) -> pa.Table:
    """Candidates in few bytes: each text of a part once, and of words what the rule asks."""
    return pa.table(
        {
            **{name: rows[name].cast(_TEXT) for name in ("eval_set", "query_id", "image_id")},
            "landmark_id": rows["landmark_id"],
            "num_inliers": pc.fill_null(rows["num_inliers"].cast(pa.int32()), 0),
            "is_text": _equals(rows["source"], CandidateSource.TEXT),
            "is_match": _equals(rows["verdict"], CandidateVerdict.MATCH),
        }
    )


def _rank(column: pa.ChunkedArray) -> tuple[NDArray[np.int32], list[str]]:
    """The rank of each text among the distinct ones, and these, sorted."""
    encoded = column.combine_chunks()
    order = pc.array_sort_indices(encoded.dictionary).to_numpy()
    ranks = np.empty(len(order), np.int32)
    ranks[order] = np.arange(len(order), dtype=np.int32)
    return ranks[encoded.indices.to_numpy()], encoded.dictionary.take(pa.array(order)).to_pylist()


def _equals(column: pa.ChunkedArray, word: str) -> pa.ChunkedArray:
    # `str`: Arrow takes a member of an enumeration for an object of its own.
    return pc.equal(column, pa.scalar(str(word)))
