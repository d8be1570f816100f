"""`ATTRIBUTION.parquet`: whose every kept image is, or what is not known of that."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from manifests.exports.columns import ATTRIBUTION
from manifests.exports.exported_rows import qualify_ids
from manifests.exports.hugging_face import MAX_PART_ROWS
from manifests.exports.id_ranges import IdRange, cut_ids
from manifests.exports.releases import Release, read_matching
from manifests.parquet_io import ROW_GROUP_ROWS

ATTRIBUTION_NAME: Final = "ATTRIBUTION.parquet"
RIGHTS: Final = ("author", "license", "title")
_TEXT = pa.string()


@dataclass(frozen=True)
class AttributionCounts:
    """How many kept images there are, and of how many author, licence or title is not known.

    Attributes:
        num_images: kept by any policy.
        num_complete: of these, images of which all three are known.
        num_lacking: column -> images of which it is not known.
    """

    num_images: int
    num_complete: int
    num_lacking: dict[str, int]

    def describe(self) -> str:
        """The counts in words."""
        lacking = ", ".join(f"{name} {number:,}" for name, number in self.num_lacking.items())
        return (
            f"Of {self.num_images:,} kept images, {self.num_complete:,} have author, licence and "
            f"title; {self.num_images - self.num_complete:,} lack some of them ({lacking})."
        )


def write_attribution(
    root: Path, releases: Sequence[Release], max_rows: int = MAX_PART_ROWS
) -> AttributionCounts:
    """Write a row for every image that any of the releases keeps, sorted by id.

    Args:
        root: folder of the export.
        releases: policies over one evidence set: of one image they say the same.
        max_rows: of each release that are in memory at a time.
    """
    ids = [read_matching(r.kept, ds.scalar(True), ["image_id"])["image_id"] for r in releases]  # noqa: FBT003
    distinct = pc.unique(pa.chunked_array([chunk for each in ids for chunk in each.chunks], _TEXT))
    num_complete, num_lacking = 0, dict.fromkeys(RIGHTS, 0)
    with pq.ParquetWriter(
        root / ATTRIBUTION_NAME, ATTRIBUTION.schema, compression="zstd", store_schema=True
    ) as writer:
        for id_range in cut_ids(pa.chunked_array([distinct]), max_rows):
            rows = _read_distinct(releases, id_range)
            missing = {name: _is_missing(rows[name]) for name in RIGHTS}
            lacks = _name_missing(missing)
            writer.write_table(_arrange(rows, lacks), row_group_size=ROW_GROUP_ROWS)
            num_complete += lacks.null_count
            for name, mask in missing.items():
                num_lacking[name] += pc.sum(mask).as_py()
    return AttributionCounts(len(distinct), num_complete, num_lacking)


def _read_distinct(releases: Sequence[Release], ids: IdRange) -> pa.Table:
    """What the releases say of the images with ids in a range, each image once, by id."""
    columns = ["image_id", "source_url", *RIGHTS]
    condition = ids.as_filter("image_id")
    rows = pa.concat_tables(read_matching(r.kept, condition, columns) for r in releases)
    rows = rows.combine_chunks().sort_by("image_id")
    image_ids = rows["image_id"].combine_chunks()
    is_first = pc.not_equal(image_ids[1:], image_ids[:-1])
    return rows.filter(pa.concat_arrays([pa.array([True]), is_first]))


def _is_missing(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.equal(pc.utf8_trim_whitespace(pc.fill_null(texts, "")), "")


def _name_missing(missing: dict[str, pa.ChunkedArray]) -> pa.ChunkedArray:
    """The names of what is missing, with a blank between; null where nothing is."""
    # Skipping nulls, Arrow 25 leaves out rows that have nothing but nulls.
    words = [pc.if_else(mask, f"{name} ", "") for name, mask in missing.items()]
    joined = pc.utf8_trim_whitespace(pc.binary_join_element_wise(*words, ""))
    return pc.if_else(pc.equal(joined, ""), pa.scalar(None, _TEXT), joined)


def _arrange(rows: pa.Table, lacks: pa.ChunkedArray) -> pa.Table:
    columns = {
        "id": rows["image_id"],
        "image_id": qualify_ids(rows["image_id"]),
        "url": rows["source_url"],
        **{name: rows[name] for name in RIGHTS},
        "lacks": lacks,
    }
    return pa.table([columns[name] for name in ATTRIBUTION.schema.names], schema=ATTRIBUTION.schema)
