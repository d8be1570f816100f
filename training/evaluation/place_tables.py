"""Where photographs were taken, from the tables that list them, and which of them show one place.

A table is one of queries or of database images, CSV or Parquet, as an evaluation set of the format
`table` has it: `query_id` and `path`, and here `east_m` and `north_m` (metres in a plane, such as
UTM), if wanted `heading_degrees`, or `frame` (number in a synchronised video).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import Field

from manifests.input_error import InputError
from manifests.strict_model import StrictModel
from training.recall_at_n import (
    DEFAULT_CUTOFFS,
    DEFAULT_FRAMES,
    DEFAULT_RADIUS_M,
    Positives,
    find_positives_by_distance,
    find_positives_by_frame,
    find_positives_by_heading,
)

_XY, _HEADING, _FRAME = ("east_m", "north_m"), "heading_degrees", "frame"


class PlaceSettings(StrictModel):
    """What counts as the same place, and how recall is counted."""

    cutoffs: tuple[int, ...] = DEFAULT_CUTOFFS
    """The N of Recall@N."""
    radius_m: float = Field(DEFAULT_RADIUS_M, ge=0)
    """Largest distance, included."""
    max_turn_degrees: float | None = Field(None, ge=0, le=180)
    """Largest angle between two headings, included; the Mapillary challenge takes 40. None: the
    heading is of no account."""
    max_frames: int = Field(DEFAULT_FRAMES, ge=0)
    """Largest distance in frames, included, where the tables give frames."""
    views_per_panorama: int = Field(1, ge=1)
    """Database images in a row that are views of one panorama and count once: Tokyo 24/7 has 12."""
    skip_empty: bool = False
    """Leave queries without positives out. The benchmarks count them as failures."""


@dataclass(frozen=True, eq=False)
class Places:
    """Where each photograph of a table was taken.

    Attributes:
        path: the table.
        xy_m: float64 (n, 2), or None.
        headings_degrees: float64 (n,), or None.
        frames: int64 (n,), or None.
    """

    path: Path
    xy_m: NDArray[np.float64] | None
    headings_degrees: NDArray[np.float64] | None
    frames: NDArray[np.int64] | None


def read_places(path: Path) -> Places:
    """Read the places of a table.

    Raises:
        InputError: the table is not readable, or has neither places nor frames, or one is missing
            or no number; names the file and the row.
    """
    try:
        is_parquet = path.suffix.lower() == ".parquet"
        table = pq.read_table(path) if is_parquet else arrow_csv.read_csv(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(f"{path}: not readable as a table: {error}; correct it") from error
    names = table.column_names
    has_xy, has_frame = all(name in names for name in _XY), _FRAME in names
    if not has_xy and not has_frame:
        raise InputError(
            f"{path}: has the columns {', '.join(names)}; recall needs {' and '.join(_XY)} in "
            f"metres, or {_FRAME}"
        )
    return Places(
        path,
        np.stack([_read_numbers(path, table, name) for name in _XY], 1) if has_xy else None,
        _read_numbers(path, table, _HEADING) if _HEADING in names else None,
        _read_numbers(path, table, _FRAME).astype(np.int64) if has_frame else None,
    )


def find_positives(
    queries: Places, database: Places, settings: PlaceSettings
) -> tuple[Positives, Literal["distance", "heading", "frame"]]:
    """Database images of each query's place, and by which rule.

    Frames are taken where both tables have them and not both have places.

    Raises:
        InputError: the two tables have nothing in common, or lack the headings asked for.
    """
    if queries.xy_m is not None and database.xy_m is not None:
        if settings.max_turn_degrees is None:
            found = find_positives_by_distance(queries.xy_m, database.xy_m, settings.radius_m)
            return found, "distance"
        return _find_by_heading(queries, database, settings, settings.max_turn_degrees), "heading"
    if queries.frames is not None and database.frames is not None:
        by_frame = find_positives_by_frame(queries.frames, database.frames, settings.max_frames)
        return by_frame, "frame"
    raise InputError(
        f"{queries.path} and {database.path}: one gives places, the other frames; give both "
        "tables the same columns"
    )


def _find_by_heading(
    queries: Places, database: Places, settings: PlaceSettings, max_turn_degrees: float
) -> Positives:
    for places in (queries, database):
        if places.headings_degrees is None or places.xy_m is None:
            raise InputError(f"{places.path}: has no column {_HEADING}; add it or leave turns out")
    assert queries.xy_m is not None  # noqa: S101  (checked above)
    assert database.xy_m is not None  # noqa: S101
    assert queries.headings_degrees is not None  # noqa: S101
    assert database.headings_degrees is not None  # noqa: S101
    return find_positives_by_heading(
        queries.xy_m,
        database.xy_m,
        queries.headings_degrees,
        database.headings_degrees,
        radius_m=settings.radius_m,
        max_turn_degrees=max_turn_degrees,
    )


def _read_numbers(path: Path, table: pa.Table, name: str) -> NDArray[np.float64]:
    try:
        values = pc.cast(table[name], pa.float64()).to_numpy()
    except pa.ArrowInvalid as error:
        raise InputError(f"{path}: column {name}: {error}; give numbers") from error
    wrong = np.flatnonzero(~np.isfinite(values))
    if len(wrong):
        raise InputError(f"{path}: row {wrong[0] + 1}: {name} is missing; fill it in")
    return np.asarray(values, np.float64)
