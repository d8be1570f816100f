"""Stage 1, ingest: every file of every shard becomes a row, with its class, rights and verdict.

Two steps. `ingest.scan` reads a shard once: checksum, members, digest, full decoding. `ingest.join`
adds what the metadata files say. A corrected title in a CSV file then costs a join, not another
decoding of four million photographs.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
import pyarrow as pa

from curation.images import ImageError, decode_image, perceptual_hash
from curation.shards import (
    Member,
    ShardError,
    ShardReader,
    check_md5,
    image_id_of,
    list_members,
    open_shard,
)
from manifests.arrow_schemas import FILES, IMAGES
from manifests.gldv2_csv import (
    METADATA_URL,
    Gldv2CsvError,
    read_attribution_csv,
    read_category_csv,
    read_train_csv,
)
from manifests.lineage import digest_bytes, digest_file
from manifests.parquet_io import read_table, write_rows
from manifests.rows import ImageStatus
from pipelines.in_flight import InFlight
from pipelines.markers import output_digests
from pipelines.run_folder import table_parts
from pipelines.settings import IngestSettings, SourceSettings
from pipelines.units import Counts, Unit, make_unit

Row = dict[str, Any]
_NOT_DECODED = dict.fromkeys(("width", "height", "phash", "exif_orientation"))


@dataclass(frozen=True)
class Scan:
    """Read and decode the shards; one unit each."""

    run_dir: Path
    source: SourceSettings
    settings: IngestSettings
    timeout_seconds: float

    name: ClassVar[str] = "ingest.scan"
    version: ClassVar[int] = 1
    isolate: ClassVar[bool] = True

    def plan(self) -> list[Unit]:
        """One unit per shard, the largest first."""
        folder = self.source.root / self.source.split
        shards = sorted(folder.glob("images_*.tar"), key=lambda p: (-p.stat().st_size, p.name))
        if not shards:
            raise ShardError(
                f"{folder}: no shards named images_NNN.tar; set source.root to the folder that "
                f"holds {self.source.split}/, md5sum/ and metadata/"
            )
        _find_metadata(self.source)  # asked for now, not after days of decoding
        return [self._plan_shard(shard) for shard in shards]

    def run(self, unit: Unit, in_flight: InFlight) -> Counts:
        """Write the shard's part of the table `files`."""
        shard = self.source.root / str(unit.spec["shard"])
        if self.source.check_md5:
            check_md5(shard, self._md5_file(shard))
        members = list_members(shard)
        in_flight.expect(len(members))
        with open_shard(shard) as reader:
            rows = [self._scan_member(unit, member, reader, in_flight) for member in members]
        write_rows(self.run_dir / unit.outputs[0], FILES, rows)
        num_ok = sum(row["status"] == ImageStatus.OK for row in rows)
        return {"files": len(rows), "unreadable": len(rows) - num_ok}

    def _plan_shard(self, shard: Path) -> Unit:
        # Hashing a terabyte to learn that nothing changed would take longer than the work.
        status = shard.stat()
        inputs = {str(shard.name): f"{status.st_size} bytes, mtime {status.st_mtime_ns}"}
        md5_file = self._md5_file(shard)
        if self.source.check_md5 and md5_file.is_file():
            inputs[md5_file.name] = digest_file(md5_file)
        return make_unit(
            self,
            shard.stem,
            spec={"shard": f"{self.source.split}/{shard.name}"},
            outputs=[f"files/{shard.stem}.parquet"],
            inputs=inputs,
            settings={"check_md5": self.source.check_md5},
        )

    def _md5_file(self, shard: Path) -> Path:
        return self.source.root / "md5sum" / self.source.split / f"md5.{shard.stem}.txt"

    def _scan_member(
        self, unit: Unit, member: Member, reader: ShardReader, in_flight: InFlight
    ) -> Row:
        row = {
            "image_id": image_id_of(member.name) or member.name,
            "shard": unit.spec["shard"],
            "member": member.name,
            "offset": member.offset,
            "num_bytes": member.num_bytes,
            "sha256": None,
            **_NOT_DECODED,
        }
        if member.problem is not None:
            return row | {"status": ImageStatus.UNSAFE_NAME, "reason": member.problem}
        data = reader.read(member.offset, member.num_bytes)
        row["sha256"] = digest_bytes(data)
        if (crash := in_flight.crashed.get(member.name)) is not None:
            return row | {"status": ImageStatus.DECODER_CRASHED, "reason": crash}
        with in_flight.item(member.name, self.settings.item_timeout_seconds):
            return row | _decode(data, member.name)


@dataclass(frozen=True)
class Join:
    """Add classes, names and rights; one unit per shard."""

    run_dir: Path
    source: SourceSettings
    timeout_seconds: float

    name: ClassVar[str] = "ingest.join"
    version: ClassVar[int] = 1
    isolate: ClassVar[bool] = True

    def plan(self) -> list[Unit]:
        """One unit per scanned shard; each depends on the shards before it, for repeated ids."""
        scanned = output_digests(self.run_dir, Scan.name)
        metadata = {n: digest_file(path) for n, path in _find_metadata(self.source).items()}
        units = []
        for number, path in enumerate(scanned):
            earlier = {p: digest for p, digest in scanned.items() if p <= path}
            unit = make_unit(
                self,
                Path(path).stem,
                spec={"files": path, "number": number},
                outputs=[f"images/{Path(path).name}"],
                inputs=earlier | metadata,
                settings={"split": self.source.split},
            )
            units.append(unit)
        return units

    def run(self, unit: Unit, in_flight: InFlight) -> Counts:  # noqa: ARG002  (nothing to decode)
        """Write the shard's part of the table `images`."""
        files = read_table(self.run_dir / str(unit.spec["files"]), FILES).to_pylist()
        lists = self._load_lists()
        claimed = self._ids_of_earlier_shards(unit)
        rows = []
        for file in files:
            rows.append(
                lists.complete(file, self.source.split, repeated=file["image_id"] in claimed)
            )
            claimed.add(file["image_id"])
        write_rows(self.run_dir / unit.outputs[0], IMAGES, rows)
        usable = [row for row in rows if row["status"] == ImageStatus.OK]
        return {"images": len(rows), "usable": len(usable)}

    def _load_lists(self) -> "_Lists":
        metadata = _find_metadata(self.source)
        versions = [(str(path), path.stat().st_mtime_ns) for path in metadata.values()]
        return _load_lists(
            metadata["train.csv"],
            metadata.get("train_attribution.csv"),
            metadata.get("train_label_to_category.csv"),
            tuple(versions),
        )

    def _ids_of_earlier_shards(self, unit: Unit) -> set[str]:
        number = int(str(unit.spec["number"]))
        earlier = table_parts(self.run_dir, Scan.name)[:number]
        return set(read_table(earlier, FILES, ["image_id"])["image_id"].to_pylist())


@dataclass(frozen=True)
class _Lists:
    """The metadata files, indexed by image id."""

    train: pd.Index
    train_columns: pa.Table
    rights: pd.Index
    rights_columns: pa.Table
    names: Mapping[int, str]

    def complete(self, file: Row, split: str, *, repeated: bool) -> Row:
        listed = _look_up(self.train, self.train_columns, file["image_id"])
        rights = _look_up(self.rights, self.rights_columns, file["image_id"])
        landmark_id = listed.get("landmark_id")
        row = file | {
            "split": split,
            "landmark_id": landmark_id,
            "landmark_name": self.names.get(landmark_id) if landmark_id is not None else None,
            "source_url": listed.get("url") or rights.get("url"),
            "author": rights.get("author"),
            "license": rights.get("license"),
            "title": rights.get("title"),
        }
        if repeated:
            return row | {
                "status": ImageStatus.DUPLICATE_ID,
                "reason": "another file with this id comes earlier",
            }
        if row["status"] == ImageStatus.OK and landmark_id is None:
            return row | {"status": ImageStatus.UNLISTED, "reason": "train.csv has no such id"}
        return row


def _find_metadata(source: SourceSettings) -> dict[str, Path]:
    """The metadata files that are there, by name; names and rights may be missing."""
    folder = source.root / "metadata"
    if not (folder / "train.csv").is_file():
        raise Gldv2CsvError(
            f"{folder / 'train.csv'}: no such file, so that no image has a class; "
            f"fetch it from {METADATA_URL}train.csv"
        )
    names = ("train.csv", "train_attribution.csv", "train_label_to_category.csv")
    return {name: folder / name for name in names if (folder / name).is_file()}


@lru_cache(maxsize=1)
def _load_lists(
    train_csv: Path, attribution_csv: Path | None, category_csv: Path | None, _versions: object
) -> _Lists:
    train = read_train_csv(train_csv)
    rights = read_attribution_csv(attribution_csv) if attribution_csv else train.slice(0, 0)
    return _Lists(
        train=pd.Index(train["image_id"].to_numpy()),
        train_columns=train.combine_chunks(),
        rights=pd.Index(rights["image_id"].to_numpy()),
        rights_columns=rights.combine_chunks(),
        names=read_category_csv(category_csv) if category_csv else {},
    )


def _look_up(index: pd.Index, columns: pa.Table, image_id: str) -> Row:
    if image_id not in index:
        return {}
    row: Row = columns.slice(index.get_loc(image_id), 1).to_pylist()[0]
    return row


def _decode(data: bytes, member_name: str) -> Row:
    try:
        image = decode_image(data)
    except ImageError as error:
        return {**_NOT_DECODED, "status": error.status, "reason": error.reason}
    height, width = image.pixels.shape[:2]
    notes = list(_list_notes(image.format, image.note, member_name))
    return {
        "width": width,
        "height": height,
        "phash": perceptual_hash(image.pixels),
        "exif_orientation": image.exif_orientation,
        "status": ImageStatus.OK,
        "reason": "; ".join(notes) or None,
    }


def _list_notes(image_format: str, note: str | None, member_name: str) -> Iterator[str]:
    if image_format != "JPEG":
        yield f"{image_format} inside {Path(member_name).suffix or 'a file without extension'}"
    if note is not None:
        yield note
