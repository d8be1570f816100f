"""Photographs in two classes, or in the index split as well: which images go for it."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from curation.cross_duplicates import ClassedImage, ResolveSettings, choose_dropped
from manifests.arrow_schemas import CROSS_DUPLICATES, INDEX_DUPLICATES, Table
from manifests.manifest_json import CrossDuplicates, IndexDuplicates
from manifests.parquet_io import read_table
from manifests.rows import MEANINGS, DuplicateKind, ImageReason
from pipelines.manifest_rows import Cause, Row
from pipelines.markers import output_digests, read_markers, tally
from pipelines.run_folder import table_parts
from pipelines.stages.cross_duplicates import FindCrossDuplicates
from pipelines.stages.index_duplicates import FindIndexDuplicates

_COPIES = (DuplicateKind.EXACT, DuplicateKind.NEAR)


def drop_copies(
    run_dir: Path, class_sizes: Mapping[int, int], settings: ResolveSettings
) -> dict[str, Cause]:
    """Image id -> why it goes, of the images that have a copy in another class.

    Args:
        run_dir: the run folder.
        class_sizes: landmark_id -> number of images that the cleaning kept.
        settings: which of the copies go.
    """
    pairs = [
        (
            ClassedImage(row["image_id_a"], row["landmark_id_a"]),
            ClassedImage(row["image_id_b"], row["landmark_id_b"]),
        )
        for row in _read_pairs(run_dir, FindCrossDuplicates.name, CROSS_DUPLICATES)
        if row["kind"] in _COPIES
    ]
    reason = ImageReason.CROSS_CLASS_DUPLICATE
    return {
        image_id: Cause("clean", reason, f"{MEANINGS[reason]} Copies: {', '.join(copies)}.")
        for image_id, copies in choose_dropped(pairs, class_sizes, settings).items()
    }


def drop_index_copies(run_dir: Path, settings: ResolveSettings) -> dict[str, Cause]:
    """Image id -> why it goes, of the images that the index split holds as well."""
    if settings.index_duplicates == "report":
        return {}
    copies: defaultdict[str, set[str]] = defaultdict(set)
    for row in _read_pairs(run_dir, FindIndexDuplicates.name, INDEX_DUPLICATES):
        if row["kind"] in _COPIES:
            copies[row["image_id"]].add(row["index_image_id"])
    reason = ImageReason.INDEX_DUPLICATE
    return {
        image_id: Cause("clean", reason, f"{MEANINGS[reason]} Copies: {', '.join(sorted(ids))}.")
        for image_id, ids in sorted(copies.items())
    }


def count_cross_duplicates(run_dir: Path, num_dropped: int) -> CrossDuplicates | None:
    """The counts of a run; None if nothing was looked for."""
    name = FindCrossDuplicates.name
    if not output_digests(run_dir, name):
        return None
    num_pairs = _count_kinds(_read_pairs(run_dir, name, CROSS_DUPLICATES))
    return CrossDuplicates(num_pairs=num_pairs, num_dropped=num_dropped)


def count_index_duplicates(run_dir: Path, num_dropped: int) -> IndexDuplicates | None:
    """The counts of a run; None if nothing was looked for."""
    name = FindIndexDuplicates.name
    if not (parts := output_digests(run_dir, name)):
        return None
    counts = tally(read_markers(run_dir, name)).counts
    return IndexDuplicates(
        split=Path(next(iter(parts))).name.partition("-")[0],
        num_images=counts["images"],
        num_unreadable=counts["unreadable"],
        num_pairs=_count_kinds(_read_pairs(run_dir, name, INDEX_DUPLICATES)),
        num_dropped=num_dropped,
    )


def _count_kinds(rows: Sequence[Row]) -> dict[str, int]:
    kinds = Counter(row["kind"] for row in rows)
    return {kind.value: kinds[kind] for kind in DuplicateKind}


def _read_pairs(run_dir: Path, step_name: str, table: Table) -> list[Row]:
    if not output_digests(run_dir, step_name):
        return []
    rows: list[Row] = read_table(table_parts(run_dir, step_name), table).to_pylist()
    return rows
