"""Nearest neighbours of local features for many pairs at once, on a GPU.

The numbers are those of `curation.kernels`: squared distances are whole, and of equally near
descriptors the first counts. Values of seven bits keep products and sums below 2^24, which float32
holds exactly, and a descriptor value itself fits in the shortened factors of TensorFloat-32: the
answer is the same on every device, whatever the precision of its matrix products.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

_FAR = float(2**30)
"""Squared distance of a descriptor that is not there."""


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
