"""Nearest neighbours of local features for a batch of any pairs of images, on a GPU or a CPU.

The verifier decides pair by pair which image gives the rows, so each pair brings its own. The
numbers are those of `curation.kernels`: whole, and of equally near descriptors the first counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

_FAR = float(2**30)
"""Squared distance of a descriptor that is not there."""
_LARGEST_VALUE = 127
_MIN_COLUMNS = 2
"""The ratio test needs a second neighbour."""

Descriptors = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class PairNeighbours:
    """Nearest neighbours both ways between the rows and the columns of one pair.

    Attributes:
        nearest: for every row its nearest column, int32 (n,).
        squared: squared distance to it, int32 (n,).
        second_squared: squared distance to the second nearest, int32 (n,).
        nearest_row: for every column its nearest row, int32 (m,).
    """

    nearest: NDArray[np.int32]
    squared: NDArray[np.int32]
    second_squared: NDArray[np.int32]
    nearest_row: NDArray[np.int32]


def find_neighbours_of_pairs(
    pairs: Sequence[tuple[Descriptors, Descriptors]], device: torch.device
) -> list[PairNeighbours]:
    """Compare the two images of each pair.

    Values of seven bits keep products and sums below 2^24, which float32 holds exactly: the answer
    is the same on every device, whatever the precision of its matrix products.

    Memory grows with len(pairs) * n * m * 4 bytes, n and m being the largest of the batch: 16 MB
    for each pair of 2,000 features.

    Args:
        pairs: rows uint8 (n_i, d) and columns uint8 (m_i, d), values at most 127, d at most 128;
            at least one row and two columns each.
        device: where they are compared.

    Raises:
        ValueError: a pair has no rows or fewer than two columns, or a value is above 127.
    """
    if any(len(rows) == 0 or len(columns) < _MIN_COLUMNS for rows, columns in pairs):
        raise ValueError("each pair needs a row, and two columns for a second neighbour")
    rows, has_row = _stack([pair[0] for pair in pairs], device)
    columns, has_column = _stack([pair[1] for pair in pairs], device)
    squared = _square_distances(rows, columns)
    squared.masked_fill_(~has_column[:, None, :], _FAR)
    squared.masked_fill_(~has_row[:, :, None], _FAR)
    nearest_row = squared.argmin(dim=1)
    best, nearest = squared.min(dim=2).values, squared.argmin(dim=2)
    squared.scatter_(2, nearest[:, :, None], _FAR)
    second = squared.amin(dim=2)
    found = [part.to(torch.int32).cpu().numpy() for part in (nearest, best, second, nearest_row)]
    return [
        PairNeighbours(
            found[0][number, : len(of_rows)],
            found[1][number, : len(of_rows)],
            found[2][number, : len(of_rows)],
            found[3][number, : len(of_columns)],
        )
        for number, (of_rows, of_columns) in enumerate(pairs)
    ]


def _stack(descriptors: Sequence[Descriptors], device: torch.device) -> tuple[Tensor, Tensor]:
    """Descriptors as float32 (b, n, d), and which of them exist, bool (b, n)."""
    # A mapped file cannot be written to, and torch warns of such arrays: they are copied.
    tensors = [torch.from_numpy(np.array(part)) for part in descriptors]
    counts = torch.tensor([len(part) for part in descriptors], device=device)
    stacked = pad_sequence(tensors, batch_first=True).to(device)
    if int(stacked.max()) > _LARGEST_VALUE:
        raise ValueError(f"a descriptor has a value above {_LARGEST_VALUE}")
    exists = torch.arange(stacked.shape[1], device=device) < counts[:, None]
    return stacked.float(), exists


def _square_distances(rows: Tensor, columns: Tensor) -> Tensor:
    """Squared distances of (b, n, d) to (b, m, d), float32 (b, n, m)."""
    row_norms = (rows * rows).sum(dim=2)
    column_norms = (columns * columns).sum(dim=2)
    products = torch.bmm(rows, columns.transpose(1, 2))
    return products.mul_(-2).add_(row_norms[:, :, None]).add_(column_norms[:, None, :])
