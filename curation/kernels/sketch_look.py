"""A look at a pair of images, in one compiled call."""

import numpy as np
from numpy.typing import NDArray

from curation.kernels import affine_search, neighbour_search
from curation.kernels.affine_search import Map, Mask, search_consistent
from curation.kernels.compilation import compile_with
from curation.kernels.neighbour_search import (
    Codes,
    Columns,
    Found,
    Indices,
    Ratios,
    Rows,
    match_packed,
)

Sighting = tuple[Indices, Indices, Ratios, bool, Map, Mask, NDArray[np.float64]]
"""What `match_packed` finds, and behind it what `search_consistent` does."""


@compile_with(neighbour_search, affine_search)
def look(
    rows: Rows,
    first_row: int,
    end_row: int,
    geometry_a: Codes,
    columns: Columns,
    first_column: int,
    geometry_b: Codes,
    found: Found,
    max_squared_ratio: float,
    comparison: int,
    rows_per_tile: int,
    num_lanes: int,
    column_bias: int,
    max_hypotheses: int,
    max_scale: float,
    wide_px: float,
    max_octaves: float,
    max_turn: float,
) -> Sighting:
    """`match_packed`, then `search_consistent` among the matches; see there for the arguments."""
    index_a, index_b, ratios = match_packed(
        rows,
        first_row,
        end_row,
        geometry_a,
        columns,
        first_column,
        geometry_b,
        found,
        max_squared_ratio,
        comparison,
        rows_per_tile,
        num_lanes,
        column_bias,
    )
    is_found, similarity, agreeing, residuals_px = search_consistent(
        geometry_a,
        geometry_b,
        index_a,
        index_b,
        max_hypotheses,
        max_scale,
        wide_px,
        max_octaves,
        max_turn,
    )
    return index_a, index_b, ratios, is_found, similarity, agreeing, residuals_px
