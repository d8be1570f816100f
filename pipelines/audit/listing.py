"""Steps 1 and 2: which files the shards hold, and the place of every listed image."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curation.shards import image_id_of, list_members
from manifests.lineage import digest_json
from manifests.parquet_io import read_table, write_rows, write_table
from pipelines.audit.tables import FOUND, LISTED
from pipelines.audit.training_list import (
    Layout,
    TrainingList,
    choose_layout,
    find_shards,
    list_loose_names,
    read_training_list,
)
from pipelines.in_flight import InFlight
from pipelines.markers import output_digests
from pipelines.run_folder import table_parts
from pipelines.units import Counts, Unit, make_unit

FOLDER = "listed"
_FROM_LIST = ("image_id", "label", "landmark_id", "landmark_name", "sha256")
_FILES_PER_PART = 1000


@dataclass(frozen=True)
class FindInShards:
    """List the members of each shard, where the training list says only ids."""

    run_dir: Path
    train: Path
    photos: Path
    timeout_seconds: float

    name: ClassVar[str] = "ingest.find"
    version: ClassVar[int] = 1
    isolate: ClassVar[bool] = True

    def plan(self) -> list[Unit]:
        """One unit per shard; none where the list says more."""
        layout = choose_layout(read_training_list(self.train), self.photos)
        shards = find_shards(self.photos) if layout is Layout.SHARDS else []
        return [self._plan_shard(shard) for shard in shards]

    def run(self, unit: Unit, in_flight: InFlight) -> Counts:  # noqa: ARG002  (headers only)
        """Write where each image of the shard is."""
        members = list_members(self.photos / str(unit.spec["shard"]))
        found = [(image_id_of(member.name), member) for member in members]
        rows = [
            {
                "image_id": image_id,
                "member": member.name,
                "offset": member.offset,
                "num_bytes": member.num_bytes,
            }
            for image_id, member in found
            if image_id is not None and member.problem is None
        ]
        write_rows(self.run_dir / unit.outputs[0], FOUND, rows)
        return {"files": len(rows)}

    def _plan_shard(self, shard: Path) -> Unit:
        status = shard.stat()
        return make_unit(
            self,
            shard.stem,
            spec={"shard": shard.relative_to(self.photos).as_posix()},
            outputs=[f"found/{shard.stem}.parquet"],
            inputs={shard.name: f"{status.st_size} bytes, mtime {status.st_mtime_ns}"},
            settings={},
        )


@dataclass(frozen=True)
class PlaceImages:
    """Say for each listed image in which file it is; one unit, as the list is one.

    Only the parts of the list that changed come out different, so the steps after this one redo
    no more than those.
    """

    run_dir: Path
    train: Path
    photos: Path
    timeout_seconds: float

    name: ClassVar[str] = "ingest.list"
    version: ClassVar[int] = 1
    isolate: ClassVar[bool] = True

    def plan(self) -> list[Unit]:
        """A single unit that depends on the list and on all shards."""
        found = read_training_list(self.train)
        layout = choose_layout(found, self.photos)
        inputs = {"list": found.digest, **output_digests(self.run_dir, FindInShards.name)}
        if layout is Layout.LOOSE:
            inputs["files"] = digest_json([place[:2] for place in self._find_loose(found)])
        unit = make_unit(
            self,
            "images",
            spec={"layout": layout},
            outputs=[f"{FOLDER}/{name}.parquet" for name in self._name_parts(found, layout)],
            inputs=inputs,
            settings={},
        )
        return [unit]

    def run(self, unit: Unit, in_flight: InFlight) -> Counts:  # noqa: ARG002  (nothing to decode)
        """Write a part per shard, or per thousand loose files; what is nowhere is in no part."""
        found = read_training_list(self.train)
        place = {
            Layout.PLACED: self._place_by_list,
            Layout.SHARDS: self._place_by_shards,
            Layout.LOOSE: self._place_loose,
        }[Layout(str(unit.spec["layout"]))]
        parts = place(found)
        is_repeated = _mark_repeated([part["image_id"] for part in parts])
        for output, part, mask in zip(unit.outputs, parts, is_repeated, strict=True):
            columns = part.append_column("is_repeated", pa.array(mask)).select(LISTED.schema.names)
            write_table(self.run_dir / output, LISTED, columns)
        num_placed = sum(int((~mask).sum()) for mask in is_repeated)
        return {"listed": len(found.images), "missing": len(found.images) - num_placed}

    def _name_parts(self, found: TrainingList, layout: Layout) -> list[str]:
        if layout is Layout.SHARDS:
            return [Path(path).stem for path in output_digests(self.run_dir, FindInShards.name)]
        if layout is Layout.PLACED:
            return [f"shard-{number:05d}" for number, _ in enumerate(_list_named_shards(found))]
        num_parts = -(-len(found.images) // _FILES_PER_PART)
        return [f"files-{number:05d}" for number in range(num_parts)]

    def _place_by_list(self, found: TrainingList) -> list[pa.Table]:
        images = found.images.filter(pc.is_valid(found.images["offset"]))
        member = pc.coalesce(images["member"], images["image_id"])
        images = images.set_column(images.column_names.index("member"), "member", member)
        return [
            images.filter(pc.equal(images["shard"], shard)) for shard in _list_named_shards(found)
        ]

    def _place_by_shards(self, found: TrainingList) -> list[pa.Table]:
        paths = table_parts(self.run_dir, FindInShards.name)
        names = {path.stem: path.relative_to(self.photos) for path in find_shards(self.photos)}
        images = [read_table(path, FOUND) for path in paths]
        # In one go: the index of a long list is built once.
        image_ids = pa.concat_tables(images)["image_id"].combine_chunks()
        rows = pc.index_in(image_ids, value_set=found.images["image_id"].combine_chunks())
        parts, start = [], 0
        for path, part in zip(paths, images, strict=True):
            row = rows.slice(start, len(part))
            start += len(part)
            said = found.images.select(_FROM_LIST).take(row.drop_null())
            where = part.filter(row.is_valid()).drop_columns("image_id")
            shard = pa.repeat(pa.scalar(names[path.stem].as_posix()), len(where))
            columns = dict(zip(said.column_names, said.columns, strict=True))
            columns |= dict(zip(where.column_names, where.columns, strict=True))
            parts.append(pa.table({**columns, "shard": shard}))
        return parts

    def _place_loose(self, found: TrainingList) -> list[pa.Table]:
        places = list(self._find_loose(found))
        names = pa.array([place[0] for place in places], pa.string())
        images = found.images.select(_FROM_LIST)
        for name, column in (
            ("shard", names),
            ("member", names),
            ("offset", pa.repeat(pa.scalar(0, pa.int64()), len(images))),
            ("num_bytes", pa.array([place[1] for place in places], pa.int64())),
        ):
            images = images.append_column(name, column)
        starts = range(0, len(images), _FILES_PER_PART)
        parts = [images.slice(start, _FILES_PER_PART) for start in starts]
        return [part.filter(pc.is_valid(part["shard"])) for part in parts]

    def _find_loose(self, found: TrainingList) -> Iterator[tuple[str | None, int | None]]:
        """Name and size of each image's file; None where there is no such file."""
        columns = (found.images[name].to_pylist() for name in ("image_id", "path"))
        for image_id, path in zip(*columns, strict=True):
            for name in list_loose_names(image_id, path):
                file = self.photos / name
                if file.is_file():
                    yield name, file.stat().st_size
                    break
            else:
                yield None, None


def _list_named_shards(found: TrainingList) -> list[str]:
    names: list[str] = pc.unique(found.images["shard"].drop_null()).to_pylist()
    return sorted(names)


def _mark_repeated(image_ids: Sequence[pa.ChunkedArray]) -> list[NDArray[np.bool_]]:
    """For each part, which rows have an id that an earlier row has, of this part or another."""
    together = pa.chunked_array([c for ids in image_ids for c in ids.chunks], pa.string())
    codes = together.combine_chunks().dictionary_encode().indices.to_numpy()
    _, first = np.unique(codes, return_index=True)
    is_repeated = np.ones(len(codes), np.bool_)
    is_repeated[first] = False
    ends = np.cumsum([len(ids) for ids in image_ids])
    return np.split(is_repeated, ends[:-1])
