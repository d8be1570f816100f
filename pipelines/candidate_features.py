"""Local features of the few training images that are compared with queries, described anew.

What is stored of every image must be small. A query is compared with a hundred images of millions,
and what it misses stays in the training set unseen: these few are worth more pixels and features.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds

from curation.images import decode_image
from curation.shards import read_bytes
from curation.sift import SiftSettings, extract_sift
from manifests.arrow_schemas import IMAGES
from manifests.feature_store import BYTES_PER_FEATURE
from manifests.features import LocalFeatures
from manifests.parquet_io import scan_table
from manifests.rows import ImageStatus
from pipelines.markers import digest_outputs
from pipelines.run_folder import table_parts
from pipelines.stages.ingest import Join

_PLACES = ("image_id", "shard", "offset", "num_bytes")
_KEPT_BYTES = 128 << 20
"""Features kept in memory: queries of one landmark have many nearest images in common."""


class CandidateFeatures(threading.local):
    """Describes training images from their shards, and keeps those asked for last, for each thread.

    Attributes:
        run_dir: the run folder.
        root: folder that the names of shards count from.
        settings: size and feature budget.
    """

    def __init__(self, run_dir: Path, root: Path, settings: SiftSettings) -> None:
        self.run_dir = run_dir
        self.root = root
        self.settings = settings
        self._kept: OrderedDict[str, LocalFeatures] = OrderedDict()
        self._num_kept = 0

    def describe(self, image_ids: Sequence[str]) -> Iterator[LocalFeatures]:
        """The features of usable images, in their order.

        Raises:
            curation.shards.ShardError: a shard is missing or is not the one that was ingested.
        """
        places: dict[str, dict[str, Any]] = {}
        for image_id in image_ids:
            found = self._kept.pop(image_id, None)
            if found is None:
                places = places or self._find(image_ids)
                found = self._describe(places[image_id])
                self._num_kept += len(found)
            self._kept[image_id] = found
            # Before it is handed over: whoever has the last one may not come back.
            self._forget_oldest()
            yield found

    def _find(self, image_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        is_wanted = ds.field("image_id").isin(pa.array(image_ids, pa.string()))
        is_usable = ds.field("status") == ImageStatus.OK.value
        images = scan_table(table_parts(self.run_dir, Join.name), IMAGES)
        rows = images.to_table(list(_PLACES), filter=is_wanted & is_usable).to_pylist()
        return {row["image_id"]: row for row in rows}

    def _describe(self, place: dict[str, Any]) -> LocalFeatures:
        data = read_bytes(self.root / place["shard"], place["offset"], place["num_bytes"])
        return extract_sift(decode_image(data).pixels, self.settings)

    @property
    def num_kept_bytes(self) -> int:
        """Size of the features that are kept."""
        return self._num_kept * BYTES_PER_FEATURE

    def _forget_oldest(self) -> None:
        while self.num_kept_bytes > _KEPT_BYTES and len(self._kept) > 1:
            _, forgotten = self._kept.popitem(last=False)
            self._num_kept -= len(forgotten)


def open_candidate_features(run_dir: Path, root: Path, settings: SiftSettings) -> CandidateFeatures:
    """Those of a run; kept in the process for as long as its images stay the same."""
    return _open(run_dir, root, settings, digest_outputs(run_dir, Join.name))


@lru_cache(maxsize=1)
def _open(run_dir: Path, root: Path, settings: SiftSettings, _: object) -> CandidateFeatures:
    return CandidateFeatures(run_dir, root, settings)
