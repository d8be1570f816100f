"""Exact search by descriptor, in memory that does not grow with the database.

Similarities are dot products, taken in float64 and rounded to float32. For the L2-normalised
float16 descriptors that a run stores, the float64 sums are exact, so equal images tie whatever
chunk they lie in, and the order of equal similarities is that of the positions.

A row of NaN stands for an image without a descriptor. It comes after all images that have one.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

CHUNK_ROWS: Final = 4096
"""Database rows at a time: 64 MiB in float64 at 2048 dimensions."""

Descriptors = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The nearest database images of each query, the best first.

    Attributes:
        positions: int64 (num_queries, min(k, num_database)).
        similarities: float32, likewise; minus infinity for an image without descriptor.
    """

    positions: NDArray[np.int64]
    similarities: NDArray[np.float32]


def search_top_k(
    queries: Descriptors,
    database: Iterable[Descriptors],
    k: int,
    chunk_rows: int = CHUNK_ROWS,
) -> Neighbours:
    """Find the k most similar database images; equally similar ones by position.

    Args:
        queries: (num_queries, dimensions).
        database: arrays (any number of rows, dimensions) that follow one another; read once.
        k: neighbours per query, at least 1.
        chunk_rows: rows compared at a time; does not change the answer.

    Raises:
        ValueError: numbers of dimensions differ, or values are infinite; or a query has none.
    """
    if k < 1:
        raise ValueError(f"{k} neighbours asked for: ask for at least one")
    checked = _check_queries(queries)
    positions = [np.empty(0, np.int64) for _ in checked]
    similarities = [np.empty(0, np.float32) for _ in checked]
    for first, chunk in _compare(checked, database, chunk_rows):
        for row, fresh in enumerate(chunk):
            positions[row], similarities[row] = _merge(
                positions[row], similarities[row], fresh, first, k
            )
    shape = len(checked), len(positions[0]) if positions else 0
    return Neighbours(
        np.array(positions, np.int64).reshape(shape),
        np.array(similarities, np.float32).reshape(shape),
    )


def rank_listed(
    queries: Descriptors,
    database: Descriptors,
    listed: Sequence[NDArray[np.integer]],
    distractors: Iterable[Descriptors] = (),
    chunk_rows: int = CHUNK_ROWS,
) -> list[NDArray[np.int64]]:
    """Find the exact ranks that some database images have in the complete ranking.

    A metric that needs only the ranks of the images in its ground truth thus sees the same as
    with millions of distractors sorted behind the database.

    Args:
        queries: (num_queries, dimensions).
        database: (num_database, dimensions); its similarities to all queries are held in memory.
        listed: for each query, int positions in the database.
        distractors: arrays (any number of rows, dimensions), placed behind the database; read
            once, and never held.
        chunk_rows: rows compared at a time; does not change the answer.

    Returns:
        For each query int64 ranks counted from 0, in the order of `listed`.

    Raises:
        ValueError: as `search_top_k`, or there is not one list per query.
    """
    checked = _check_queries(queries)
    if len(listed) != len(checked):
        raise ValueError(f"{len(listed)} lists for {len(checked)} queries: give one each")
    parts = [part for _, part in _compare(checked, [database], chunk_rows)]
    similarities = np.concatenate(parts, axis=1)
    wanted = [row[index] for row, index in zip(similarities, listed, strict=True)]
    ranks = [_rank(row)[index] for row, index in zip(similarities, listed, strict=True)]
    for _, chunk in _compare(checked, distractors, chunk_rows):
        # A distractor comes last among equals, so only a greater similarity puts it ahead.
        for row, ordered in enumerate(np.sort(chunk, axis=1)):
            ranks[row] += len(ordered) - np.searchsorted(ordered, wanted[row], side="right")
    return ranks


def stream_descriptors(
    paths: Iterable[Path], chunk_rows: int = CHUNK_ROWS
) -> Iterator[Descriptors]:
    """Read ``.npy`` files of descriptors in chunks, one file after the other.

    Args:
        paths: files with arrays (num_rows, dimensions) of floating-point numbers.
        chunk_rows: the most rows of a chunk.

    Raises:
        ValueError: a file does not hold such an array; names it.
    """
    for path in paths:
        num_rows = len(_map_file(path))
        for start in range(0, num_rows, chunk_rows):
            # Mapped anew: what is read of a mapping stays in memory as long as it lives.
            yield np.array(_map_file(path)[start : start + chunk_rows])


def _map_file(path: Path) -> Descriptors:
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if array.ndim != 2 or not np.issubdtype(array.dtype, np.floating):
        raise ValueError(
            f"{path}: holds {array.dtype} of shape {array.shape}, not one row of "
            "floating-point numbers per image; export the descriptors again"
        )
    mapped: Descriptors = array
    return mapped


def _check_queries(queries: Descriptors) -> NDArray[np.float64]:
    bad = np.flatnonzero(~np.isfinite(queries).all(axis=1))
    if len(bad):
        raise ValueError(
            f"query {bad[0]} has no descriptor, or one with values that are no numbers; "
            f"describe it again or leave it out ({len(bad)} such queries)"
        )
    return np.asarray(queries, np.float64)


def _compare(
    queries: NDArray[np.float64], database: Iterable[Descriptors], chunk_rows: int
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Similarities, float32 (num_queries, rows), with the position of each chunk's first row."""
    first = 0
    for array in database:
        if array.ndim != 2 or array.shape[1] != queries.shape[1]:
            raise ValueError(
                f"database descriptors of shape {array.shape}, queries of {queries.shape[1]} "
                "dimensions: describe both with the same network and whitening"
            )
        for start in range(0, len(array), chunk_rows):
            chunk = np.array(array[start : start + chunk_rows], np.float64)
            absent = _blank_absent(chunk, first)
            similarities = (queries @ chunk.T).astype(np.float32)
            similarities[:, absent] = -np.inf
            yield first, similarities
            first += len(chunk)


def _blank_absent(chunk: NDArray[np.float64], first: int) -> NDArray[np.intp]:
    """Set the rows without descriptor to zero, in place, and say which they are."""
    odd = np.flatnonzero(~np.isfinite(chunk).all(axis=1))
    broken = odd[~np.isnan(chunk[odd]).all(axis=1)]
    if len(broken):
        raise ValueError(
            f"database row {first + broken[0]} has values that are no numbers among others that "
            "are; describe the image again"
        )
    chunk[odd] = 0.0
    return odd


def _merge(
    positions: NDArray[np.int64],
    similarities: NDArray[np.float32],
    fresh: NDArray[np.float32],
    first: int,
    k: int,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Take the best k of those so far, which are sorted, and of a chunk behind them."""
    if len(similarities) == k:
        # Whoever only equals the last of the best stands behind it, by position.
        entering = np.flatnonzero(fresh > similarities[-1])
    else:
        entering = np.arange(len(fresh))
    all_positions = np.concatenate([positions, entering + first])
    all_similarities = np.concatenate([similarities, fresh[entering]])
    # Positions ascend among equals, before and after: a stable sort keeps them so.
    best = np.argsort(-all_similarities, kind="stable")[:k]
    return all_positions[best], all_similarities[best]


def _rank(similarities: NDArray[np.float32]) -> NDArray[np.int64]:
    """The rank of every position, from 0; equals by position."""
    ranks = np.empty(len(similarities), np.int64)
    ranks[np.argsort(-similarities, kind="stable")] = np.arange(len(similarities))
    return ranks
