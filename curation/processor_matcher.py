"""Finds the correspondences of pairs on this processor: all looks of a round in one call."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from curation.cascade import Look
from curation.correspondences import MIN_COLUMNS, Correspondences, match_prepared
from curation.geometry import ConsistencyLimits
from curation.kernels.look_at_pairs import (
    BLOCK,
    LOOK,
    look_at_pairs,
    match_and_count,
    pack_block,
    pack_look,
)
from curation.kernels.packed_columns import Neighbours, PackedColumns
from curation.kernels.portable_search import PortableColumns
from curation.matchable_features import Range
from curation.pairs import Pair, Sighting

_Block = tuple[PackedColumns | PortableColumns, int, Range]
"""Columns, the number of the first of them, and the rows that they are compared with."""


class ProcessorMatcher:
    """A `curation.pairs.Matcher`. What one look compared, the next does not compare again.

    Args:
        pairs: p of them.
        max_ratio: as in `curation.correspondences.match_descriptors`.
        limits: what is consistent.
    """

    def __init__(self, pairs: Sequence[Pair], max_ratio: float, limits: ConsistencyLimits) -> None:
        self._pairs = pairs
        self._max_ratio = max_ratio
        self._limits = limits
        self._num_rows = [0] * len(pairs)
        """Rows of each pair that were compared."""
        self._column_ends = [[0] for _ in pairs]
        """Where the stretches of columns end that were."""
        self._portable: dict[int, Neighbours] = {}
        num_a = max((len(pair.a) for pair in pairs), default=0)
        num_b = max((len(pair.b) for pair in pairs), default=0)
        most = min(num_a, num_b)
        # Of all this memory, what no look fills is never touched.
        self._found = np.empty((len(pairs), 3 * num_a + 2 * num_b), np.int32)
        self._index_a = np.empty((len(pairs), most), np.intp)
        self._index_b = np.empty((len(pairs), most), np.intp)
        self._ratios = np.empty((len(pairs), most), np.float64)
        self._counts = np.zeros((len(pairs), 2), np.int64)

    def look(self, looks: Sequence[tuple[int, Look]]) -> list[Sighting]:
        """As `Matcher` says."""
        records: list[bytes] = []
        blocks: list[bytes] = []
        for number, look in looks:
            if look.num_a == 0 or look.num_b < MIN_COLUMNS:
                continue
            new_rows = self._num_rows[number], look.num_a
            new_columns = self._column_ends[number][-1], look.num_b
            new = self._list_new_blocks(number, new_rows, new_columns)
            packed = _pack_blocks(new)
            if len(packed) < len(new):
                self._look_portably(number, look, new)
                continue
            a, b, _ = self._pairs[number]
            place = number, *new_rows, *new_columns, len(blocks), len(blocks) + len(packed)
            records.append(pack_look(a.sketch_addresses, b.sketch_addresses, *place))
            blocks += packed
        if records:
            self._look_at_all(b"".join(records), b"".join(blocks))
        return [Sighting(*self._counts[number].tolist()) for number, _ in looks]

    def get_seen(self, number: int) -> Correspondences:
        """As `Matcher` says."""
        seen = slice(0, self._counts[number, 0])
        return Correspondences(
            self._index_a[number, seen].copy(),
            self._index_b[number, seen].copy(),
            self._ratios[number, seen].copy(),
        )

    def match(self, numbers: Sequence[int]) -> list[Correspondences]:
        """As `Matcher` says."""
        pairs = (self._pairs[number] for number in numbers)
        return [match_prepared(pair.a, pair.b, self._max_ratio) for pair in pairs]

    def _list_new_blocks(self, number: int, new_rows: Range, new_columns: Range) -> list[_Block]:
        """Columns and rows that were not compared yet: an L around those that were."""
        (a, b, _), ends = self._pairs[number], self._column_ends[number]
        (known_rows, num_rows), (known_columns, num_columns) = new_rows, new_columns
        a.get_sketches(num_rows)
        sketches = b.get_sketches(num_columns)
        new: list[_Block] = []
        if num_rows > known_rows:
            for first, end in pairwise(ends):
                new.append((sketches.index_between(first, end), first, new_rows))
        if num_columns > known_columns:
            columns = sketches.index_between(known_columns, num_columns)
            new.append((columns, known_columns, (0, num_rows)))
            ends.append(num_columns)
        self._num_rows[number] = num_rows
        return new

    def _look_at_all(self, looks: bytes, blocks: bytes) -> None:
        look_at_pairs(
            np.frombuffer(looks, LOOK),
            np.frombuffer(blocks, BLOCK),
            self._max_ratio**2,
            *self._limits,
            self._found,
            self._index_a,
            self._index_b,
            self._ratios,
            self._counts,
        )

    def _look_portably(self, number: int, look: Look, blocks: Sequence[_Block]) -> None:
        """The same on processors without the kernels' instructions, and of very many columns."""
        a, b, _ = self._pairs[number]
        found = self._portable.setdefault(number, Neighbours(len(a), len(b)))
        for columns, first, rows in blocks:
            columns.search(a.get_sketches(look.num_a).measured, rows, first, found)
        limits = self._limits._replace(tolerance=self._limits.tolerance * b.features.long_side)
        self._counts[number] = match_and_count(
            found.found,
            len(a),
            look.num_a,
            a.geometry_codes,
            b.geometry_codes,
            self._max_ratio**2,
            *limits,
            self._index_a[number],
            self._index_b[number],
            self._ratios[number],
        )


def _pack_blocks(blocks: Sequence[_Block]) -> list[bytes]:
    return [
        pack_block(columns.addresses, number, rows)
        for columns, number, rows in blocks
        if isinstance(columns, PackedColumns)
    ]
