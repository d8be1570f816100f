"""Stage 2, describe: local features of every usable image, one binary file per shard."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, ClassVar

from curation.images import decode_image
from curation.shards import ShardReader, open_shard
from curation.sift import extract_sift
from manifests.arrow_schemas import IMAGES
from manifests.feature_store import binary_path, write_features
from manifests.features import LocalFeatures
from manifests.parquet_io import read_table
from manifests.rows import ImageReason, ImageStatus
from pipelines.in_flight import InFlight
from pipelines.markers import output_digests
from pipelines.settings import DescribeSettings, SourceSettings
from pipelines.stages.ingest import MISSING, Join
from pipelines.units import Counts, Unit, make_unit


@dataclass(frozen=True)
class Describe:
    """Extract local features; one unit per shard."""

    run_dir: Path
    source: SourceSettings
    settings: DescribeSettings
    item_timeout_seconds: float
    timeout_seconds: float

    name: ClassVar[str] = "describe"
    version: ClassVar[int] = 1
    isolate: ClassVar[bool] = True

    def plan(self) -> list[Unit]:
        """One unit per part of the table `images`."""
        return [
            make_unit(
                self,
                Path(part).stem,
                spec={"images": part},
                outputs=[f"features/{Path(part).stem}.bin", f"features/{Path(part).name}"],
                inputs={part: digest},
                settings=self.settings.model_dump(mode="json"),
            )
            for part, digest in output_digests(self.run_dir, Join.name).items()
            if Path(part).name != MISSING
        ]

    def run(self, unit: Unit, in_flight: InFlight) -> Counts:
        """Write the features of the shard's usable images."""
        part = self.run_dir / str(unit.spec["images"])
        columns = ["image_id", "shard", "member", "offset", "num_bytes", "status"]
        rows = read_table(part, IMAGES, columns).to_pylist()
        usable = [row for row in rows if row["status"] == ImageStatus.OK]
        index_path = self.run_dir / unit.outputs[1]
        in_flight.expect(len(usable))
        num_features = write_features(index_path, self._describe_all(usable, in_flight))
        # The fingerprint vouches for both files, so both must be where the plan says.
        if binary_path(index_path) != self.run_dir / unit.outputs[0]:
            raise RuntimeError(f"{index_path}: binary file at an unplanned place")
        return {"images": len(usable), "features": num_features}

    def _describe_all(
        self, rows: list[dict[str, Any]], in_flight: InFlight
    ) -> Iterator[tuple[str, LocalFeatures | None, str]]:
        for shard, members in groupby(rows, key=itemgetter("shard")):
            with open_shard(self.source.root / shard) as reader:
                for row in members:
                    yield self._describe_one(row, reader, in_flight)

    def _describe_one(
        self, row: dict[str, Any], reader: ShardReader, in_flight: InFlight
    ) -> tuple[str, LocalFeatures | None, str]:
        image_id: str = row["image_id"]
        if image_id in in_flight.crashed:
            return image_id, None, ImageStatus.DECODER_CRASHED
        # Read before: a disk that stalls is no fault of the image.
        data = reader.read(row["offset"], row["num_bytes"])
        with in_flight.item(image_id, self.item_timeout_seconds):
            features = extract_sift(decode_image(data).pixels, self.settings)
        status = ImageStatus.OK if len(features) else ImageReason.NO_FEATURES
        return image_id, features, status
