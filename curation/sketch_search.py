"""The looks at the sketches of a pair: correspondences, and which of them are consistent."""

from itertools import pairwise

from curation.correspondences import MIN_COLUMNS, NO_CORRESPONDENCES, Correspondences
from curation.geometry import AffineFit, ConsistencyLimits, as_fit
from curation.kernels.packed_columns import Neighbours
from curation.kernels.sketch_look import Sighting
from curation.matchable_features import MatchableFeatures, Range

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
        self._images = a, b
        self._max_squared_ratio = max_ratio**2
        self._limits = limits
        self._found = Neighbours(0, 0)
        self._num_rows = 0
        self._ends = [0]
        """Columns were compared up to the last, in stretches that end at these."""
        self._seen: Glimpse = (NO_CORRESPONDENCES, None)

    def take_over(self, found: Neighbours, sighting: Sighting) -> None:
        """Begin with a look that was made already.

        Args:
            found: the neighbours that it found, among all that it compared.
            sighting: what it saw.
        """
        self._found = found
        self._num_rows, self._ends = found.num_rows, [0, found.num_columns]
        self._seen = _as_glimpse(sighting)

    def look_at(self, num_a: int, num_b: int) -> Glimpse:
        """Match the `num_a` strongest features of a with `num_b` of b.

        Each time at least as many of both must be asked for as before.
        """
        if num_a == 0 or num_b < MIN_COLUMNS:
            return NO_CORRESPONDENCES, None
        if (num_a, num_b) != (self._num_rows, self._ends[-1]):
            self._seen = self._look(num_a, num_b)
        return self._seen

    def _look(self, num_a: int, num_b: int) -> Glimpse:
        a, b = self._images
        self._found = found = self._found.extend_to(len(a), len(b))
        measured, sketches = a.get_sketches(num_a).measured, b.get_sketches(num_b)
        *others, (columns, rows) = self._list_new_blocks(num_a, num_b)
        for (first, end), between in others:
            sketches.index_between(first, end).search(measured, between, first, found)
        sighting = sketches.index_between(*columns).look(
            measured,
            rows,
            columns[0],
            found,
            (a.geometry_codes, b.geometry_codes),
            self._max_squared_ratio,
            self._limits,
        )
        return _as_glimpse(sighting)

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


def _as_glimpse(sighting: Sighting) -> Glimpse:
    index_a, index_b, ratio, *similarity = sighting
    return Correspondences(index_a, index_b, ratio), as_fit(*similarity)
