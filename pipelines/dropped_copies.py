"""Photographs in two classes: which of a run's images go for it, and how many there are."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from curation.cross_duplicates import ClassedImage, ResolveSettings, choose_dropped
from manifests.arrow_schemas import CROSS_DUPLICATES
from manifests.manifest_json import CrossDuplicates
from manifests.parquet_io import read_table
from manifests.rows import MEANINGS, DuplicateKind, ImageReason
from pipelines.manifest_rows import Cause, Row
from pipelines.markers import output_digests
from pipelines.run_folder import table_parts
from pipelines.stages.cross_duplicates import FindCrossDuplicates

_COPIES = (DuplicateKind.EXACT, DuplicateKind.NEAR)


def drop_copies(
    run_dir: Path, classes: Mapping[int, Sequence[str]], settings: ResolveSettings
) -> dict[str, Cause]:
    """Image id -> why it goes, of the images that have a copy in another class.

    Args:
        run_dir: the run folder.
        classes: landmark_id -> images that the cleaning kept.
        settings: which of the copies go.
    """
    pairs = [
        (
            ClassedImage(row["image_id_a"], row["landmark_id_a"]),
            ClassedImage(row["image_id_b"], row["landmark_id_b"]),
        )
        for row in _read_pairs(run_dir)
        if row["kind"] in _COPIES
    ]
    sizes = {landmark_id: len(image_ids) for landmark_id, image_ids in classes.items()}
    reason = ImageReason.CROSS_CLASS_DUPLICATE
    return {
        image_id: Cause("clean", reason, f"{MEANINGS[reason]} Copies: {', '.join(copies)}.")
        for image_id, copies in choose_dropped(pairs, sizes, settings).items()
    }


def count_cross_duplicates(run_dir: Path, num_dropped: int) -> CrossDuplicates | None:
    """The counts of a run; None if nothing was looked for."""
    if not output_digests(run_dir, FindCrossDuplicates.name):
        return None
    kinds = Counter(row["kind"] for row in _read_pairs(run_dir))
    return CrossDuplicates(
        num_pairs={kind.value: kinds[kind] for kind in DuplicateKind},
        num_dropped=num_dropped,
    )


def _read_pairs(run_dir: Path) -> list[Row]:
    if not output_digests(run_dir, FindCrossDuplicates.name):
        return []
    rows: list[Row] = read_table(
        table_parts(run_dir, FindCrossDuplicates.name), CROSS_DUPLICATES
    ).to_pylist()
    return rows
