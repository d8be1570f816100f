"""The looks at the sketches of a pair: correspondences, and which of them are consistent."""

from itertools import pairwise

from curation.correspondences import (
    MIN_COLUMNS,
    NO_CORRESPONDENCES,
    Correspondences,
    MatchableFeatures,
    Range,
)
from curation.geometry import AffineFit, ConsistencyLimits, as_fit
from curation.kernels.packed_columns import Neighbours

Glimpse = tuple[Correspondences, AffineFit | None]
"""What a look sees: the correspondences, and the similarity with which most are consistent."""


class SketchSearch:
    """Looks at the sketches of one pair of images, ever more of them, strongest first.

    What was compared before is not compared again.

    Args:
        a: features of image a.
        b: features of image b.
        max_ratio: as in `curation.correspondences.match_descriptors`.
        limits: as in `curation.geometry.find_consistent`.
    """

    def __init__(
        self,
        a: MatchableFeatures,
        b: MatchableFeatures,
        max_ratio: float,
        limits: ConsistencyLimits,
    ) -> None:
        self._rows = a.get_descriptors(by_sketches=True)
        self._columns = b.get_descriptors(by_sketches=True)
        self._geometry = a.geometry_codes, b.geometry_codes
        self._max_squared_ratio = max_ratio**2
        self._limits = limits
        self._found = Neighbours(len(a), len(b))
        self._num_rows = 0
        self._ends = [0]
        """Columns were compared up to the last, in stretches that end at these."""

    def look_at(self, num_a: int, num_b: int) -> Glimpse:
        """Match the `num_a` strongest features of a with `num_b` of b.

        Each time at least as many of both must be asked for as before, and more of either.
        """
        if num_a == 0 or num_b < MIN_COLUMNS:
            return NO_CORRESPONDENCES, None
        *others, (columns, rows) = self._list_new_blocks(num_a, num_b)
        measured, found = self._rows.measured, self._found
        for (first, end), between in others:
            self._columns.index_between(first, end).search(measured, between, first, found)
        index_a, index_b, ratio, is_found, similarity, agreeing, residuals_px = (
            self._columns.index_between(*columns).look(
                measured,
                rows,
                columns[0],
                found,
                self._geometry,
                self._max_squared_ratio,
                self._limits,
            )
        )
        fit = as_fit(is_found, similarity, agreeing, residuals_px)
        return Correspondences(index_a, index_b, ratio), fit

    def _list_new_blocks(self, num_a: int, num_b: int) -> list[tuple[Range, Range]]:
        """Columns and rows that were not compared yet: an L around those that were."""
        num_columns = self._ends[-1]
        blocks: list[tuple[Range, Range]] = []
        if num_columns > 0 and num_a > self._num_rows:
            blocks = [(columns, (self._num_rows, num_a)) for columns in pairwise(self._ends)]
        if num_b > num_columns:
            blocks.append(((num_columns, num_b), (0, num_a)))
            self._ends.append(num_b)
        self._num_rows = num_a
        return blocks
