"""Step 4: the listed images and the planted ones become the table `images` of a job.

It bears the name of the step that makes that table in a job, so that all later steps, which are
those of a job, find it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar

from curation.images import ImageError, decode_luma
from curation.shards import ShardError, ShardReader, open_shard
from manifests.arrow_schemas import IMAGES
from manifests.lineage import digest_bytes, digest_json
from manifests.parquet_io import read_table, write_rows
from manifests.rows import ImageStatus
from pipelines.audit.listing import PlaceImages
from pipelines.audit.planting import PlantCanaries
from pipelines.audit.tables import LISTED, PLANTED
from pipelines.in_flight import InFlight
from pipelines.markers import output_digests
from pipelines.stages.ingest import Join
from pipelines.units import Counts, Unit, make_unit

Row = dict[str, Any]
PLANTED_PREFIX = "canaries-"
"""What the parts of planted images are called, in every table."""

_NOTHING: Row = dict.fromkeys(IMAGES.schema.names)
_KEPT = ("image_id", "landmark_id", "landmark_name", "shard", "member", "offset", "num_bytes")


@dataclass(frozen=True)
class ScanImages:
    """Read and decode every image; one unit per part of the list, and one per evaluation set."""

    run_dir: Path
    photos: Path
    item_timeout_seconds: float
    timeout_seconds: float

    name: ClassVar[str] = Join.name
    version: ClassVar[int] = 1
    isolate: ClassVar[bool] = True

    def plan(self) -> list[Unit]:
        """The largest parts first."""
        listed = output_digests(self.run_dir, PlaceImages.name)
        planted = output_digests(self.run_dir, PlantCanaries.name)
        units = [self._plan_listed(path, digest) for path, digest in listed.items()]
        units += [
            self._plan_planted(path, planted) for path in planted if path.endswith(".parquet")
        ]
        return units

    def run(self, unit: Unit, in_flight: InFlight) -> Counts:
        """Write a part of the table `images`."""
        part = self.run_dir / str(unit.spec["part"])
        if unit.spec["planted"]:
            # Absolute, as planted images do not lie where the photographs are.
            rows = [
                row | {"shard": str(self.run_dir / row["shard"]), **_AS_LISTED}
                for row in read_table(part, PLANTED).to_pylist()
            ]
        else:
            rows = read_table(part, LISTED).to_pylist()
        in_flight.expect(len(rows))
        scanned = list(self._scan_all(rows, in_flight))
        write_rows(self.run_dir / unit.outputs[0], IMAGES, scanned)
        num_ok = sum(row["status"] == ImageStatus.OK for row in scanned)
        return {"images": len(scanned), "unreadable": len(scanned) - num_ok}

    def _plan_listed(self, part: str, digest: str) -> Unit:
        name = Path(part).stem
        shards = read_table(self.run_dir / part, LISTED, ["shard"])["shard"].unique().to_pylist()
        files = {shard: _describe_file(self.photos / shard) for shard in shards}
        return make_unit(
            self,
            name,
            spec={"part": part, "planted": False},
            outputs=[f"images/{name}.parquet"],
            inputs={part: digest, "files": digest_json(files)},
            settings={},
        )

    def _plan_planted(self, part: str, digests: Mapping[str, str]) -> Unit:
        name = f"{PLANTED_PREFIX}{Path(part).stem}"
        shard = str(Path(part).with_suffix(".tar"))
        return make_unit(
            self,
            name,
            spec={"part": part, "planted": True},
            outputs=[f"images/{name}.parquet"],
            inputs={part: digests[part], shard: digests[shard], "folder": str(self.run_dir)},
            settings={},
        )

    def _scan_all(self, rows: list[Row], in_flight: InFlight) -> Iterator[Row]:
        for shard, members in groupby(rows, key=lambda row: row["shard"]):
            path = self.photos / shard
            if not path.is_file():
                yield from (_refuse(row, f"{shard} is not there") for row in members)
                continue
            with open_shard(path) as reader:
                for row in members:
                    yield self._scan(row, reader, in_flight)

    def _scan(self, row: Row, reader: ShardReader, in_flight: InFlight) -> Row:
        if row["is_repeated"]:
            reason = "another file with this id comes earlier"
            return _select(row) | {"status": ImageStatus.DUPLICATE_ID, "reason": reason}
        try:
            data = reader.read(row["offset"], row["num_bytes"])
        except ShardError as error:
            return _refuse(row, str(error))
        sha256 = digest_bytes(data)
        if row["sha256"] not in (None, sha256):
            return _refuse(row, f"its bytes have the SHA-256 {sha256}, the list says another")
        scanned = _select(row) | {"sha256": sha256}
        if (crash := in_flight.crashed.get(row["image_id"])) is not None:
            return scanned | {"status": ImageStatus.DECODER_CRASHED, "reason": crash}
        with in_flight.item(row["image_id"], self.item_timeout_seconds):
            return scanned | _decode(data)


_AS_LISTED: Row = {"landmark_name": None, "sha256": None, "is_repeated": False}


def _select(row: Row) -> Row:
    return _NOTHING | {name: row[name] for name in _KEPT} | {"split": "train"}


def _refuse(row: Row, reason: str) -> Row:
    return _select(row) | {"status": ImageStatus.NOT_FOUND, "reason": reason}


def _decode(data: bytes) -> Row:
    try:
        image = decode_luma(data)
    except ImageError as error:
        return {"status": error.status, "reason": error.reason}
    height, width = image.pixels.shape
    return {
        "width": width,
        "height": height,
        "exif_orientation": image.exif_orientation,
        "status": ImageStatus.OK,
        "reason": image.note,
    }


def _describe_file(path: Path) -> list[int] | None:
    """What tells whether a file was changed; hashing all would take as long as the work."""
    if not path.is_file():
        return None
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]
