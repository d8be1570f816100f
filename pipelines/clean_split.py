"""The clean split as the search for overlaps sees it: descriptors in a stream, best images."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from curation.train_split import ImageVerdict
from manifests.rows import ImageReason
from pipelines.markers import digest_outputs
from pipelines.run_tables import open_descriptors
from pipelines.verdict_columns import (
    CLEAN_STEP,
    VerdictColumns,
    open_kept_images,
    read_verdicts,
)


def stream_clean_descriptors(
    run_dir: Path, max_rows: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Positions in the clean split and descriptors of all its images that have one."""
    descriptors = open_descriptors(run_dir)
    state = digest_outputs(run_dir, CLEAN_STEP), digest_outputs(run_dir, "embed")
    positions = _locate_clean(run_dir, state)
    start = 0
    for vectors in descriptors.stream(max_rows):
        own = positions[start : start + len(vectors)]
        start += len(vectors)
        yield own[own >= 0].astype(np.int64), vectors[own >= 0]


@lru_cache(maxsize=1)
def _locate_clean(run_dir: Path, _: object) -> NDArray[np.int32]:
    """The position in the clean split of each image that has a descriptor, -1 for none."""
    clean = open_kept_images(run_dir)
    described = open_descriptors(run_dir).list_described()
    found = [clean.find(ids).astype(np.int32) for ids in described]
    return np.concatenate([np.empty(0, np.int32), *found])


def read_best_verdicts(run_dir: Path) -> list[ImageVerdict]:
    """The kept image of each class that most others verify: the only one that names ask for."""
    verdicts = read_verdicts(run_dir)
    kept = np.flatnonzero(verdicts.kept)
    keys = -verdicts.num_verified_neighbours[kept], verdicts.landmark_ids[kept]
    ordered = kept[np.lexsort(keys)]
    _, first = np.unique(verdicts.landmark_ids[ordered], return_index=True)
    return [_make_verdict(verdicts, row) for row in ordered[first].tolist()]


def _make_verdict(verdicts: VerdictColumns, row: int) -> ImageVerdict:
    return ImageVerdict(
        image_id=verdicts.image_ids[row].decode(),
        landmark_id=int(verdicts.landmark_ids[row]),
        kept=True,
        reason=ImageReason.VERIFIED,
        num_verified_neighbours=int(verdicts.num_verified_neighbours[row]),
        component_id=None,
        duplicate_of=None,
    )
