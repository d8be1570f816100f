"""Cuts a set of ids into ranges of bounded size, so that a large split is sorted part by part."""

from itertools import pairwise
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds


class IdRange(NamedTuple):
    """The ids from `first` on and before `end`; None is no limit."""

    first: str | None
    end: str | None

    def as_filter(self, column: str) -> ds.Expression:
        """The range as a condition on a column of strings."""
        condition = ds.scalar(True)  # noqa: FBT003  (Arrow's signature)
        if self.first is not None:
            condition &= ds.field(column) >= self.first
        if self.end is not None:
            condition &= ds.field(column) < self.end
        return condition


def cut_ids(ids: pa.ChunkedArray, max_rows: int) -> list[IdRange]:
    """Cut n ids into as few ranges of about equal size as hold at most `max_rows` each.

    Equal ids stay in one range, which may then be larger. Where the cuts fall depends on the ids
    alone, not on their order.

    Args:
        ids: strings, in any order.
        max_rows: at least 1.

    Returns:
        Ranges in ascending order that cover every id; none if there are no ids.
    """
    if not len(ids):
        return []
    num_ranges = -(-len(ids) // max_rows)
    starts = [number * len(ids) // num_ranges for number in range(1, num_ranges)]
    order = pc.sort_indices(ids)
    cuts = pc.unique(ids.take(order.take(pa.array(starts, pa.int64())))).to_pylist()
    limits = [None, *cuts, None]
    return [IdRange(first, end) for first, end in pairwise(limits)]
