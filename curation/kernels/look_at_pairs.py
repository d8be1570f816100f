"""Looks at the sketches of many pairs of images, in one compiled call."""

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation import sketches
from curation.kernels import (
    affine_search,
    aligned_memory,
    array_views,
    consistency,
    dot_products,
    neighbour_search,
)
from curation.kernels.array_views import (
    view_descriptors,
    view_geometry,
    view_integers,
    view_words,
)
from curation.kernels.compilation import compile_with
from curation.kernels.consistency import count_consistent
from curation.kernels.neighbour_search import (
    FAR,
    Codes,
    Columns,
    Found,
    Indices,
    Ratios,
    Rows,
    search,
    select_matches,
    split,
)
from curation.sketches import SKETCH_BYTES

IMAGE_FIELDS = ("values", "squared_norms", "sums", "geometry", "count", "long_side")
"""An image: addresses of its sketches and of what `measure` says of them, of its geometry, the
number of its features, and its long side in pixels."""
COLUMNS_FIELDS = (
    "words",
    "codes",
    "column_norms",
    "num_tiles",
    "tile_width",
    "num_columns",
    "comparison",
    "rows_per_tile",
    "num_lanes",
    "column_bias",
)
"""A stretch of columns: addresses of what `pack` made of them and of their squared lengths, their
number, and the kernel that compares them."""

_PLACE_FIELDS = (
    *("slot", "first_row", "end_row", "first_column", "end_column"),
    *("first_block", "end_block"),
)
_BLOCK_FIELDS = (*COLUMNS_FIELDS, "number", "first_row", "end_row")

LOOK = np.dtype(
    [(f"{side}_{name}", np.int64) for side in ("a", "b") for name in IMAGE_FIELDS]
    + [(name, np.int64) for name in _PLACE_FIELDS]
)
"""A look at a pair: its images; where its results go; the rows and columns that are new to it, with
those behind which the look ends; and its blocks."""
BLOCK = np.dtype([(name, np.int64) for name in _BLOCK_FIELDS])
"""Columns to be compared with some rows, and the number of the first of them in the image."""

Looks = NDArray[np.void]
Blocks = NDArray[np.void]
Counts = NDArray[np.int64]
# An element of either: numba knows its fields, numpy's types do not.
Record = Any

_WORD_BYTES = 4
_pack_place = struct.Struct(f"{len(_PLACE_FIELDS)}q").pack
_pack_rows = struct.Struct("3q").pack


@compile_with(
    neighbour_search,
    aligned_memory,
    dot_products,
    affine_search,
    consistency,
    array_views,
    sketches,
)
def look_at_pairs(
    looks: Looks,
    blocks: Blocks,
    max_squared_ratio: float,
    max_hypotheses: int,
    max_scale: float,
    tolerance: float,
    max_octaves: float,
    max_turn: float,
    found: Found,
    index_a: Indices,
    index_b: Indices,
    ratios: Ratios,
    counts: Counts,
) -> None:
    """Compare sketches of pairs, and count what agrees.

    Args:
        looks: `LOOK` (k,).
        blocks: `BLOCK` (l,), what is new to each look, an L around what the last one compared.
        max_squared_ratio: as in `select_matches`.
        max_hypotheses: as in `count_consistent`, and so the next four, but the tolerance in place.
        max_scale: likewise.
        tolerance: in place, as a share of the long side of image b.
        max_octaves: likewise.
        max_turn: likewise.
        found: what `search` found so far, int32 (p, at least 3 n + 2 m), a line for each pair.
        index_a: matches of each pair are written here, intp (p, at least the fewer of n and m).
        index_b: likewise.
        ratios: likewise, float64.
        counts: and here how many there are, and how many agree, int64 (p, 2).
    """
    for number in range(len(looks)):
        look = looks[number]
        known = found[look.slot, : 3 * look.a_count + 2 * look.b_count]
        forget(
            known,
            look.a_count,
            look.first_row,
            look.end_row,
            look.first_column,
            look.end_column,
        )
        rows = (
            view_descriptors(look.a_values, look.a_count, SKETCH_BYTES),
            view_integers(look.a_squared_norms, look.a_count),
            view_integers(look.a_sums, look.a_count),
        )
        for k in range(look.first_block, look.end_block):
            _search_block(rows, blocks[k], known)
        count, num_consistent = match_and_count(
            known,
            look.a_count,
            look.end_row,
            view_geometry(look.a_geometry, look.a_count),
            view_geometry(look.b_geometry, look.b_count),
            max_squared_ratio,
            max_hypotheses,
            max_scale,
            tolerance * look.b_long_side,
            max_octaves,
            max_turn,
            index_a[look.slot],
            index_b[look.slot],
            ratios[look.slot],
        )
        counts[look.slot, 0], counts[look.slot, 1] = count, num_consistent


@compile_with(neighbour_search, affine_search, consistency)
def match_and_count(
    found: Found,
    num_rows: int,
    end_row: int,
    geometry_a: Codes,
    geometry_b: Codes,
    max_squared_ratio: float,
    max_hypotheses: int,
    max_scale: float,
    wide_px: float,
    max_octaves: float,
    max_turn: float,
    index_a: Indices,
    index_b: Indices,
    ratios: Ratios,
) -> tuple[int, int]:
    """The matches among what `search` found, written to three arrays, and how many agree.

    Args:
        found: as `search` leaves it.
        num_rows: n.
        end_row: rows before this one were compared.
        geometry_a: as in `select_matches`, and so the next two.
        geometry_b: likewise.
        max_squared_ratio: likewise.
        max_hypotheses: as in `count_consistent`, and so the next four.
        max_scale: likewise.
        wide_px: likewise.
        max_octaves: likewise.
        max_turn: likewise.
        index_a: rows, intp, long enough for all matches.
        index_b: their columns, likewise.
        ratios: their ratios of distances, float64, likewise.
    """
    nearest, squared, second_squared, nearest_row, _ = split(found, num_rows)
    rows, columns, found_ratios = select_matches(
        nearest[:end_row],
        squared[:end_row],
        second_squared[:end_row],
        nearest_row,
        geometry_a,
        geometry_b,
        max_squared_ratio,
    )
    count = len(rows)
    index_a[:count], index_b[:count], ratios[:count] = rows, columns, found_ratios
    num_consistent = count_consistent(
        geometry_a,
        geometry_b,
        rows,
        columns,
        max_hypotheses,
        max_scale,
        wide_px,
        max_octaves,
        max_turn,
    )
    return count, num_consistent


@compile_with(neighbour_search)
def forget(
    found: Found, num_rows: int, first_row: int, end_row: int, first_column: int, end_column: int
) -> None:
    """Put rows and columns that are compared for the first time out of reach."""
    nearest, squared, second_squared, nearest_row, columns_squared = split(found, num_rows)
    for of_rows in (nearest, squared, second_squared):
        of_rows[first_row:end_row] = FAR
    for of_columns in (nearest_row, columns_squared):
        of_columns[first_column:end_column] = FAR


@compile_with(neighbour_search, aligned_memory, dot_products, array_views, sketches)
def _search_block(rows: Rows, block: Record, found: Found) -> None:
    search(
        rows,
        block.first_row,
        block.end_row,
        _view_columns(block),
        block.number,
        found,
        block.comparison,
        block.rows_per_tile,
        block.num_lanes,
        block.column_bias,
    )


@compile_with(array_views, sketches)
def _view_columns(block: Record) -> Columns:
    return (
        view_words(block.words, block.num_tiles, SKETCH_BYTES // _WORD_BYTES, block.tile_width),
        view_integers(block.codes, block.num_tiles * block.tile_width),
        view_integers(block.column_norms, block.num_columns),
    )


def pack_look(image_a: bytes, image_b: bytes, *place: int) -> bytes:
    """One `LOOK`.

    Args:
        image_a: numbers of `IMAGE_FIELDS`, int64.
        image_b: likewise.
        *place: the other fields.
    """
    return image_a + image_b + _pack_place(*place)


def pack_block(columns: bytes, number: int, first_row: int, end_row: int) -> bytes:
    """One `BLOCK`.

    Args:
        columns: numbers of `COLUMNS_FIELDS`, int64.
        number: of the first of them in its image.
        first_row: the first row that they are compared with.
        end_row: and the one behind the last.
    """
    return columns + _pack_rows(number, first_row, end_row)
