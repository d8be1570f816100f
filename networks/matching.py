"""Matches of local features for many pairs at once, on a GPU.

The numbers are those of `curation.kernels`: squared distances are whole, and of equally near
descriptors the first counts. Values of seven bits keep products and sums below 2^24, which float32
holds exactly, and a descriptor value itself fits in the shortened factors of TensorFloat-32: the
answer is the same on every device, whatever the precision of its matrix products.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

_FAR = float(2**30)
"""Squared distance of a descriptor that is not there."""
_FLOAT_BYTES = 4
_COPIES = 2
"""Distances are held twice while their neighbours are looked for."""


@dataclass(frozen=True, eq=False)
class DescriptorMatches:
    """Mutual nearest neighbours of two images that pass the ratio test, by ascending row.

    Attributes:
        rows: descriptors of the query, int64 (n,).
        columns: their partners in the candidate, int64 (n,).
        ratio: distance to the partner over the distance to the next best, float64 (n,).
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    ratio: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class BatchedNeighbours:
    """Nearest neighbours both ways between a query and each of its candidates.

    Attributes:
        nearest: for every row of the query its nearest in the candidate, int64 (b, n).
        squared: squared distance to it, float32 (b, n), a whole number.
        second_squared: squared distance to the second nearest, likewise.
        nearest_row: for every descriptor of the candidates its nearest in the query, int64
            (b, m); meaningless behind the end of a candidate.
    """

    nearest: Tensor
    squared: Tensor
    second_squared: Tensor
    nearest_row: Tensor


def match_batched(
    query: Tensor, candidates: Iterable[Tensor], max_ratio: float, memory_bytes: int = 2**30
) -> Iterator[DescriptorMatches]:
    """Match the descriptors of one image with those of many, in order.

    The answers are those of `curation.correspondences.match_descriptors`, to the last bit.
    Candidates are taken as they are needed, as many at a time as the memory allows, so that a
    class of any size streams through.

    Args:
        query: uint8 (n, d), values at most 127, d at most 128, on the device to be used.
        candidates: uint8 (m_i, d) each, on any device.
        max_ratio: Lowe's ratio.
        memory_bytes: working memory on the device, beside the descriptors; one candidate is
            always taken.

    Yields:
        The matches with each candidate.
    """
    chunk: list[Tensor] = []
    most = 0
    for candidate in candidates:
        longest = max(most, len(candidate))
        needed_bytes = (len(chunk) + 1) * len(query) * longest * _FLOAT_BYTES * _COPIES
        if chunk and needed_bytes > memory_bytes:
            yield from _match_chunk(query, chunk, max_ratio)
            chunk, longest = [], len(candidate)
        chunk.append(candidate.to(query.device))
        most = longest
    yield from _match_chunk(query, chunk, max_ratio)


def _match_chunk(
    query: Tensor, candidates: list[Tensor], max_ratio: float
) -> Iterator[DescriptorMatches]:
    # Without a second neighbour nothing passes the ratio test.
    usable = [candidate for candidate in candidates if len(candidate) > 1 and len(query) > 0]
    found = iter(_select(find_neighbours_batched(query, usable), max_ratio) if usable else ())
    for candidate in candidates:
        if len(candidate) > 1 and len(query) > 0:
            yield next(found)
        else:
            nothing = np.empty(0, np.int64)
            yield DescriptorMatches(nothing, nothing, np.empty(0))


def _select(found: BatchedNeighbours, max_ratio: float) -> Iterator[DescriptorMatches]:
    """What is mutual and passes the ratio test; the division is done once, in float64."""
    numbers = torch.arange(found.nearest.shape[1], device=found.nearest.device)
    is_mutual = found.nearest_row.gather(1, found.nearest) == numbers
    best, second = found.squared.double(), found.second_squared.double()
    is_match = is_mutual & (second > 0) & (best <= max_ratio**2 * second)
    pairs, rows = torch.nonzero(is_match, as_tuple=True)
    columns = found.nearest[pairs, rows].cpu().numpy()
    ratio = np.sqrt(best[pairs, rows].cpu().numpy() / second[pairs, rows].cpu().numpy())
    ends = np.cumsum(is_match.sum(dim=1).cpu().numpy())
    for start, end in zip([0, *ends[:-1]], ends, strict=True):
        chosen = slice(start, end)
        yield DescriptorMatches(rows[chosen].cpu().numpy(), columns[chosen], ratio[chosen])


def find_neighbours_batched(query: Tensor, candidates: Sequence[Tensor]) -> BatchedNeighbours:
    """Compare the descriptors of one image with those of many.

    Memory grows with len(candidates) * n * m * 4 bytes: 16 MB for a pair of 2,000 features.

    Args:
        query: uint8 (n, d), values at most 127, d at most 128.
        candidates: uint8 (m_i, d) each, at least two descriptors each, on the query's device.

    Raises:
        ValueError: a candidate has fewer than two descriptors.
    """
    counts = torch.tensor([len(candidate) for candidate in candidates], device=query.device)
    if bool((counts < 2).any()):
        raise ValueError("a candidate with fewer than two descriptors has no second neighbour")
    rows = query.float()
    columns = pad_sequence(list(candidates), batch_first=True).float()
    squared = _square_distances(rows, columns)
    is_missing = torch.arange(columns.shape[1], device=query.device) >= counts[:, None]
    squared.masked_fill_(is_missing[:, None, :], _FAR)
    nearest_row = squared.argmin(dim=1)
    nearest = squared.argmin(dim=2)
    best = squared.gather(2, nearest[:, :, None])
    squared.scatter_(2, nearest[:, :, None], _FAR)
    return BatchedNeighbours(nearest, best[:, :, 0], squared.amin(dim=2), nearest_row)


def _square_distances(rows: Tensor, columns: Tensor) -> Tensor:
    """Squared distances of (n, d) to (b, m, d), float32 (b, n, m)."""
    row_norms = (rows * rows).sum(dim=1)
    column_norms = (columns * columns).sum(dim=2)
    products = torch.matmul(rows, columns.transpose(1, 2))
    return products.mul_(-2).add_(row_norms[None, :, None]).add_(column_norms[:, None, :])
