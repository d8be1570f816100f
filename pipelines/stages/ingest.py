"""Stage 1, ingest: every file of every shard becomes a row, with its class, rights and verdict.

Two steps. `ingest.scan` reads a shard: checksum, members, digest, full decoding. `ingest.join`
adds what the metadata files say. A corrected title in a CSV file then costs a join, not another
decoding of four million photographs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import pyarrow.compute as pc

from curation.images import ImageError, decode_luma
from curation.perceptual_hash import perceptual_hash
from curation.shards import (
    Member,
    ShardError,
    ShardReader,
    check_md5,
    image_id_of,
    list_members,
    open_shard,
    read_expected_md5,
)
from manifests.arrow_schemas import FILES, IMAGES
from manifests.gldv2_csv import (
    METADATA_URL,
    Gldv2CsvError,
    read_train_clean_csv,
)
from manifests.gldv2_metadata import Keys, Lists, parse_ids, read_lists
from manifests.images_table import find_repeated, join_files, list_missing, sort_ids
from manifests.lineage import digest_bytes, digest_file
from manifests.parquet_io import read_table, write_rows, write_table
from manifests.rows import ImageStatus
from pipelines.fetching.ledger import is_vouched_for
from pipelines.in_flight import InFlight
from pipelines.markers import output_digests
from pipelines.run_folder import table_parts
from pipelines.settings import IngestSettings, SourceSettings
from pipelines.units import Counts, Unit, make_unit

Row = dict[str, Any]
MISSING = "missing.parquet"
"""The part of the table `images` with what no shard holds."""
_SUFFIXES_OF = {
    "JPEG": (".jpg", ".jpeg"),
    "PNG": (".png",),
    "GIF": (".gif",),
    "WEBP": (".webp",),
}
_NOT_DECODED = dict.fromkeys(("width", "height", "phash", "exif_orientation"))


@dataclass(frozen=True)
class Scan:
    """Read and decode the shards; one unit each."""

    run_dir: Path
    source: SourceSettings
    settings: IngestSettings
    timeout_seconds: float

    name: ClassVar[str] = "ingest.scan"
    version: ClassVar[int] = 3
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
        path = str(unit.spec["shard"])
        shard = self.source.root / path
        if self.source.check_md5:
            self._check_md5(path)
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

    def _check_md5(self, path: str) -> None:
        """Hash a shard, unless our own fetch did so and it has not been touched since."""
        shard = self.source.root / path
        md5_file = self._md5_file(shard)
        if not is_vouched_for(self.source.root, path, read_expected_md5(md5_file)):
            check_md5(shard, md5_file)

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
    """Add classes, names and rights; one unit, because the lists are read once for all shards.

    Only the rows of a shard whose files or list entries changed come out different, so the stages
    after this one redo no more than those.
    """

    run_dir: Path
    source: SourceSettings
    timeout_seconds: float

    name: ClassVar[str] = "ingest.join"
    version: ClassVar[int] = 2
    isolate: ClassVar[bool] = True

    def plan(self) -> list[Unit]:
        """A single unit that depends on all shards and lists."""
        scanned = output_digests(self.run_dir, Scan.name)
        lists = {path.name: digest_file(path) for path in self._list_files()}
        names = [*(Path(part).name for part in scanned), MISSING]
        unit = make_unit(
            self,
            "images",
            spec={},
            outputs=[f"images/{name}" for name in names],
            inputs=scanned | lists,
            settings={"split": self.source.split},
        )
        return [unit]

    def run(self, unit: Unit, in_flight: InFlight) -> Counts:
        """Write a part of the table `images` per shard, and one of what no shard holds."""
        parts = table_parts(self.run_dir, Scan.name)
        in_flight.expect(len(parts) + 1)
        image_ids = read_table(parts, FILES, ["image_id"])["image_id"]
        repeated = find_repeated(image_ids)
        lists, allowed = self._read_lists(), self._read_allowed()
        num_usable = start = 0
        for part, output in zip(parts, unit.outputs, strict=False):
            files = read_table(part, FILES)
            mask = repeated[start : start + len(files)]
            images = join_files(files, lists, self.source.split, mask, allowed)
            write_table(self.run_dir / output, IMAGES, images)
            num_usable += pc.sum(pc.equal(images["status"], ImageStatus.OK.value)).as_py() or 0
            start += len(files)
            in_flight.advance()
        missing = list_missing(lists, parse_ids(image_ids)[0], self.source.split)
        write_table(self.run_dir / unit.outputs[-1], IMAGES, missing)
        return {"images": start, "usable": num_usable, "missing": len(missing)}

    def _read_lists(self) -> Lists:
        metadata = _find_metadata(self.source)
        return read_lists(
            metadata["train.csv"],
            metadata.get("train_attribution.csv"),
            metadata.get("train_label_to_category.csv"),
        )

    def _read_allowed(self) -> Keys | None:
        if self.source.restrict_to is None:
            return None
        classes = read_train_clean_csv(self.source.restrict_to)
        return sort_ids([image_id for image_ids in classes.values() for image_id in image_ids])

    def _list_files(self) -> list[Path]:
        restriction = self.source.restrict_to
        files = list(_find_metadata(self.source).values())
        return files if restriction is None else [*files, restriction]


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


def _decode(data: bytes, member_name: str) -> Row:
    try:
        image = decode_luma(data)
    except ImageError as error:
        return {**_NOT_DECODED, "status": error.status, "reason": error.reason}
    height, width = image.pixels.shape
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
    suffix = PurePosixPath(member_name).suffix
    if suffix.lower() not in _SUFFIXES_OF[image_format]:
        yield f"{image_format} inside {suffix or 'a file without extension'}"
    if note is not None:
        yield note
