"""The first looks at many pairs of images, in one compiled call for as long as they reject."""

import numpy as np
from numpy.typing import NDArray

from curation.kernels import affine_search, array_views, neighbour_search, sketch_look
from curation.kernels.array_views import (
    view_descriptors,
    view_geometry,
    view_integers,
    view_words,
)
from curation.kernels.compilation import compile_on_first_call, compile_with
from curation.kernels.neighbour_search import Columns, Found, Rows
from curation.kernels.sketch_look import Sighting, look

ADDRESSES = np.dtype(
    [
        (name, np.int64)
        for name in (
            "count",
            "geometry",
            "values",
            "num_bytes",
            "squared_norms",
            "sums",
            "words",
            "num_tiles",
            "tile_width",
            "codes",
            "comparison",
            "rows_per_tile",
            "num_lanes",
            "column_bias",
        )
    ]
    + [("long_side", np.float64)]
)
"""Where the sketches lie that a look at an image compares: numbers, and addresses of the arrays
that `match_packed` takes; the last, the image's long side in pixels. All zeros where no kernel
can compare them."""

Images = NDArray[np.void]
Counts = NDArray[np.int64]

_FAR = np.iinfo(np.int32).max
_MIN_COLUMNS = 2
"""The ratio test needs a second neighbour."""


@compile_with(neighbour_search, affine_search, sketch_look, array_views)
def look_until_promising(
    pairs: Images,
    first: int,
    fewest_consistent: Counts,
    max_squared_ratio: float,
    max_hypotheses: int,
    max_scale: float,
    tolerance: float,
    max_octaves: float,
    max_turn: float,
    counts: Counts,
) -> tuple[int, bool, Found, Sighting]:
    """Look at pairs one after the other, until a look does not reject one.

    Args:
        pairs: `ADDRESSES` (p, 2), the two images of each pair.
        first: number of the pair to begin with.
        fewest_consistent: correspondences that must be consistent, int64 (p,), each at least 1.
        max_squared_ratio: as in `look`, and so the next five, but the tolerance in place.
        max_hypotheses: likewise.
        max_scale: likewise.
        tolerance: in place, as a share of the second image's long side.
        max_octaves: likewise.
        max_turn: likewise.
        counts: numbers of matches, and of consistent ones among them, int64 (p, 2), are written
            here for every pair looked at.

    Returns:
        Number of the first pair that is not rejected, p where there is none; whether it could be
        looked at; and what `search` and `look` found of it.
    """
    found, sighting = np.empty(0, np.int32), _see_nothing()
    for number in range(first, len(pairs)):
        a, b = pairs[number, 0], pairs[number, 1]
        if a.num_tiles == 0 or b.num_tiles == 0 or b.count < _MIN_COLUMNS:
            return number, False, found, sighting
        found = np.full(3 * a.count + 2 * b.count, _FAR, np.int32)
        sighting = look(
            _view_rows(a),
            0,
            a.count,
            view_geometry(a.geometry, a.count),
            _view_columns(b),
            0,
            view_geometry(b.geometry, b.count),
            found,
            max_squared_ratio,
            b.comparison,
            b.rows_per_tile,
            b.num_lanes,
            b.column_bias,
            max_hypotheses,
            max_scale,
            tolerance * b.long_side,
            max_octaves,
            max_turn,
        )
        counts[number, 0] = len(sighting[0])
        counts[number, 1] = np.count_nonzero(sighting[5]) if sighting[3] else 0
        if counts[number, 1] >= fewest_consistent[number]:
            return number, True, found, sighting
    return len(pairs), False, found, sighting


@compile_with(array_views)
def _view_rows(image: np.void) -> Rows:
    return (
        view_descriptors(image.values, image.count, image.num_bytes),
        view_integers(image.squared_norms, image.count),
        view_integers(image.sums, image.count),
    )


@compile_with(array_views)
def _view_columns(image: np.void) -> Columns:
    num_words, width = image.num_bytes // 4, image.tile_width
    return (
        view_words(image.words, image.num_tiles, num_words, width),
        view_integers(image.codes, image.num_tiles * width),
        view_integers(image.squared_norms, image.count),
    )


@compile_on_first_call
def _see_nothing() -> Sighting:
    index, numbers = np.empty(0, np.intp), np.empty(0, np.float64)
    return index, index, numbers, False, np.empty(6), np.empty(0, np.bool_), numbers
