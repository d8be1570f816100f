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
    forget,
    look_at_pairs,
    match_and_count,
    pack_block,
    pack_look,
)
from curation.kernels.packed_columns import Neighbours
from curation.matchable_features import Range
from curation.pairs import Pair, Sighting

_Block = tuple[Range, Range]
"""Columns, and the rows that they are compared with."""


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
            if look.num_a > 0 and look.num_b >= MIN_COLUMNS:
                self._plan_look(number, look, records, blocks)
        if records:
            self._look_at_all(b"".join(records), b"".join(blocks))
        counts = self._counts.tolist()
        return [Sighting(*counts[number]) for number, _ in looks]

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

    def _plan_look(
        self, number: int, look: Look, records: list[bytes], blocks: list[bytes]
    ) -> None:
        """Add a look to those that one call takes, if it can be."""
        (a, b, _), (num_a, num_b, _) = self._pairs[number], look
        known = self._num_rows[number], self._column_ends[number][-1]
        new = self._list_new_blocks(number, num_a, num_b)
        addresses = [b.address_columns(*columns) for columns, _ in new]
        if not all(addresses):
            self._look_portably(number, known, look, new)
            return
        image_a, image_b = a.address_sketches(num_a), b.address_sketches(num_b)
        of_blocks = len(blocks), len(blocks) + len(new)
        place = number, known[0], num_a, known[1], num_b, *of_blocks
        records.append(pack_look(image_a, image_b, *place))
        for where, (columns, rows) in zip(addresses, new, strict=True):
            blocks.append(pack_block(where, columns[0], *rows))

    def _list_new_blocks(self, number: int, num_a: int, num_b: int) -> list[_Block]:
        """Columns and rows that were not compared yet: an L around those that were."""
        num_rows, ends = self._num_rows[number], self._column_ends[number]
        num_columns = ends[-1]
        new: list[_Block] = []
        if num_a > num_rows > 0:
            new = [(columns, (num_rows, num_a)) for columns in pairwise(ends)]
        if num_b > num_columns:
            new.append(((num_columns, num_b), (0, num_a)))
            ends.append(num_b)
        self._num_rows[number] = num_a
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

    def _look_portably(
        self, number: int, known: tuple[int, int], look: Look, blocks: Sequence[_Block]
    ) -> None:
        """The same on processors without the kernels' instructions, and of very many columns."""
        (a, b, _), (num_a, num_b, _) = self._pairs[number], look
        found = self._found[number, : 3 * len(a) + 2 * len(b)]
        forget(found, len(a), known[0], num_a, known[1], num_b)
        neighbours = Neighbours(len(a), len(b), found)
        rows, columns = a.get_sketches(num_a).measured, b.get_sketches(num_b)
        for stretch, between in blocks:
            columns.index_between(*stretch).search(rows, between, stretch[0], neighbours)
        limits = self._limits._replace(tolerance=self._limits.tolerance * b.features.long_side)
        self._counts[number] = match_and_count(
            found,
            len(a),
            num_a,
            a.geometry_codes,
            b.geometry_codes,
            self._max_ratio**2,
            *limits,
            self._index_a[number],
            self._index_b[number],
            self._ratios[number],
        )
