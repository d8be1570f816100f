"""Where the listed images are, from a run that has read the shards."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from manifests.arrow_schemas import IMAGES, REMOVED
from manifests.gldv2_metadata import SortedTable, parse_ids
from manifests.input_error import InputError
from manifests.lineage import digest_json
from manifests.parquet_io import read_table
from manifests.rows import MEANINGS, ImageStatus
from pipelines.markers import output_digests
from pipelines.run_folder import read_config, table_parts
from pipelines.stages.ingest import Join

_PLACES = ("shard", "member", "offset", "num_bytes", "width", "height", "sha256")


class MissingImagesError(InputError):
    """Listed images that the run has not found, or could not read."""


@dataclass(frozen=True, eq=False)
class ImageLocations:
    """The table `images` of a run, by image id."""

    run_dir: Path
    digest: str
    images: SortedTable

    @classmethod
    def read(cls, run_dir: Path) -> "ImageLocations":
        """Read it.

        Raises:
            InputError: the folder is no run, or its shards were not read yet.
        """
        read_config(run_dir)
        digests = output_digests(run_dir, Join.name)
        if not digests:
            raise InputError(
                f"{run_dir}: its shards were not read yet; `cleanmark run CONFIG.yaml --out "
                f"{run_dir} --only ingest` does it"
            )
        columns = ["image_id", "status", "reason", *_PLACES]
        images = read_table(table_parts(run_dir, Join.name), IMAGES, columns)
        # A second file with the id of an image says nothing of the first.
        is_first = pc.not_equal(images["status"], ImageStatus.DUPLICATE_ID.value)
        return cls(run_dir, digest_json(digests), SortedTable.build(images.filter(is_first)))

    def locate(self, images: pa.Table) -> pa.Table:
        """The columns status, reason and the places of some images; null where there is none."""
        return self.images.columns.take(self.images.find(*parse_ids(images["image_id"])))


def describe_missing(images: pa.Table, found: pa.Table) -> pa.Table:
    """Images that were not found or not readable, as rows of `removed`.

    Args:
        images: columns image_id and landmark_id.
        found: what `ImageLocations.locate` says of them.
    """
    status = pc.fill_null(found["status"], ImageStatus.NOT_FOUND.value)
    meanings = {s.value: MEANINGS[s] for s in ImageStatus}
    said = pa.array([meanings[code] for code in status.to_pylist()], pa.string())
    columns = {
        "image_id": images["image_id"],
        "landmark_id": images["landmark_id"],
        "stage": pa.repeat("ingest", len(images)),
        "reason": status,
        "evidence": pc.coalesce(found["reason"], said),
    }
    return pa.table({name: columns[name] for name in REMOVED.schema.names}, schema=REMOVED.schema)


def refuse_missing(run_dir: Path, missing: pa.Table) -> None:
    """Complain about images without which the split is not the published one.

    Raises:
        MissingImagesError: there are any.
    """
    if not len(missing):
        return
    counts = Counter(missing["reason"].to_pylist())
    reasons = ", ".join(f"{number:,} {reason}" for reason, number in sorted(counts.items()))
    raise MissingImagesError(
        f"{run_dir}: of the images that stay, {len(missing):,} are not there ({reasons}), such as "
        f"{missing['image_id'][0].as_py()}. Fetch the missing shards and run its stage ingest "
        "again, or pass --allow-missing to leave these images out, each with its reason"
    )
