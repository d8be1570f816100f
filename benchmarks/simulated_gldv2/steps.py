"""The steps of a job in the simulated world: what reads pixels writes what is true instead.

Steps are planned as ever and run as units, so that markers, digests and fingerprints are those of
an ordinary job. From the join of the lists on, all but the verifier is the real thing.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curation.overlap import ProbeName
from manifests.arrow_schemas import EMBEDDINGS, FEATURES, FILES, IMAGES
from manifests.atomic import replacing, write_bytes
from manifests.evaluation_sets import EvaluationQuery
from manifests.feature_store import BYTES_PER_FEATURE, binary_path
from manifests.features import DESCRIPTOR_BYTES, GEOMETRY_DTYPE, LocalFeatures
from manifests.gldv2_metadata import format_ids, parse_ids
from manifests.parquet_io import read_table, write_table
from manifests.rows import ImageReason, ImageStatus, PairReason, PairVerdict
from pipelines.evaluation_sets import StoredImage
from pipelines.in_flight import InFlight
from pipelines.job import build_steps
from pipelines.pair_verification import Evidence
from pipelines.run_config import RunConfig
from pipelines.run_tables import matrix_path
from pipelines.stages.calibrate import Calibrate
from pipelines.stages.cross_duplicates import FindCrossDuplicates
from pipelines.stages.describe import Describe
from pipelines.stages.embed import Embed, LearnCodebook
from pipelines.stages.ingest import Scan
from pipelines.stages.overlap import Overlap, Probe
from pipelines.stages.verify import Verify
from pipelines.units import Counts, Stage, Unit
from simulated_gldv2.judging import SimulatedJudge, find_numbers
from simulated_gldv2.world import (
    DIMENSIONS,
    Numbers,
    World,
    describe_distractor,
    draw_uniform,
    is_distractor,
    mix,
)

_WIDTH_PX, _HEIGHT_PX = 800, 600
_NUM_QUERY_FEATURES = 500
_FULL = World(1.0)


@dataclass(frozen=True)
class SimulatedScan(Scan):
    """Lists the files of a shard that is not there."""

    world: World

    def run(self, unit: Unit, in_flight: InFlight) -> Counts:  # noqa: ARG002
        """Write the shard's part of the table `files`."""
        shard = str(unit.spec["shard"])
        numbers = self.world.list_shard(int(Path(shard).stem.rpartition("_")[2]))
        write_table(
            self.run_dir / unit.outputs[0], FILES, _describe_files(self.world, numbers, shard)
        )
        return {"files": len(numbers), "unreadable": int(self.world.is_broken(numbers).sum())}


@dataclass(frozen=True)
class SimulatedDescribe(Describe):
    """Writes how many features each image has, and none of them."""

    world: World

    def run(self, unit: Unit, in_flight: InFlight) -> Counts:  # noqa: ARG002
        """Write the index of the shard's features, and an empty binary file."""
        images = read_table(self.run_dir / str(unit.spec["images"]), IMAGES, ["image_id", "status"])
        images = images.filter(pc.equal(images["status"], ImageStatus.OK.value))
        keys, _ = parse_ids(images["image_id"])
        counts = self.world.num_features(self.world.numbers(keys))
        is_ok = pa.array(counts > 0)
        index = {
            "image_id": images["image_id"],
            "offset": np.r_[0, np.cumsum(counts * BYTES_PER_FEATURE)][:-1],
            "num_features": counts,
            "width": np.where(counts > 0, _WIDTH_PX, 0),
            "height": np.where(counts > 0, _HEIGHT_PX, 0),
            "status": pc.if_else(is_ok, str(ImageStatus.OK), str(ImageReason.NO_FEATURES)),
        }
        path = self.run_dir / unit.outputs[1]
        write_bytes(binary_path(path), b"")
        write_table(path, FEATURES, pa.table(index).combine_chunks())
        return {"images": len(counts), "features": int(counts.sum())}


@dataclass(frozen=True)
class SimulatedCodebook(LearnCodebook):
    """Learns nothing, as nobody will ask."""

    def run(self, unit: Unit, in_flight: InFlight) -> Counts:  # noqa: ARG002
        """Write a file that stands for the codebook."""
        write_bytes(self.run_dir / unit.outputs[0], b"simulated")
        return {"training_images": 0, "dimensions": DIMENSIONS}


@dataclass(frozen=True)
class SimulatedEmbed(Embed):
    """Writes descriptors that are near where photographs show one place."""

    world: World

    def run(self, unit: Unit, in_flight: InFlight) -> Counts:  # noqa: ARG002
        """Write the descriptors as a table and as a matrix for mapping."""
        columns = ["image_id", "num_features"]
        images = read_table(self.run_dir / str(unit.spec["features"]), FEATURES, columns)
        keys, _ = parse_ids(images["image_id"])
        is_ok = images["num_features"].to_numpy() > 0
        matrix = self.world.descriptors(self.world.numbers(keys))
        matrix[~is_ok] = np.nan
        path = self.run_dir / unit.outputs[1]
        with replacing(matrix_path(path)) as temporary, temporary.open("wb") as stream:
            np.save(stream, matrix, allow_pickle=False)
        offsets = np.r_[0, np.cumsum(is_ok * DIMENSIONS)].astype(np.int32)
        descriptors = pa.ListArray.from_arrays(
            pa.array(offsets), pa.array(matrix[is_ok].ravel()), mask=pa.array(~is_ok)
        )
        status = pc.if_else(pa.array(is_ok), str(ImageStatus.OK), str(ImageReason.NO_FEATURES))
        table = {"image_id": images["image_id"], "descriptor": descriptors, "status": status}
        write_table(path, EMBEDDINGS, pa.table(table).combine_chunks())
        return {"images": len(keys), "described": int(is_ok.sum())}


@dataclass(frozen=True)
class SimulatedOverlap(Overlap):
    """Compares queries that show a class each, and distractors that do not."""

    world: World = _FULL

    def describe_probes(
        self, image: StoredImage, query: EvaluationQuery, data: bytes
    ) -> dict[ProbeName, Probe]:
        """One view with as many features as a photograph has, all of them empty."""
        del image, data
        descriptors = np.zeros((_NUM_QUERY_FEATURES, DESCRIPTOR_BYTES), np.uint8)
        geometry = np.zeros(_NUM_QUERY_FEATURES, GEOMETRY_DTYPE)
        features = LocalFeatures(descriptors, geometry, _WIDTH_PX, _HEIGHT_PX)
        pixels = np.zeros((1, 1, 3), np.uint8)
        return {"whole": Probe(query.query_id, pixels, features)}

    def embed_probe(self, probe: Probe) -> NDArray[np.floating]:
        """The descriptor of an image of the query's class, or of none."""
        shown = self._find_shown(probe.image_id)
        if shown is None:
            return describe_distractor(_parse_number(probe.image_id))
        return self.world.descriptors(np.array([shown]))[0]

    def compare(
        self,
        query_id: str,
        query: LocalFeatures,  # noqa: ARG002
        image_ids: Sequence[str],
    ) -> Iterator[Evidence]:
        """What the images have in common with the image that the query shows."""
        numbers = find_numbers(self.world, np.array([i.encode() for i in image_ids], "S16"))
        shown = self._find_shown(query_id)
        is_same = np.zeros(len(numbers), np.bool_)
        if shown is not None:
            is_same = self.world.places(numbers) == self.world.places(np.array([shown]))
        salt = np.uint64(_parse_number(query_id) if shown is None else shown)
        draw = draw_uniform(mix(numbers.astype(np.uint64), 30) + salt, 31)
        for same, share in zip(is_same.tolist(), draw.tolist(), strict=True):
            num_inliers = 5 + int(150 * share) if same else 4 + int(8 * share)
            found = _describe_comparison(num_inliers, self.settings.min_inliers)
            yield found | {"num_features_image": _NUM_QUERY_FEATURES}

    def _find_shown(self, query_id: str) -> int | None:
        """A training image of a class of some size; None for a distractor."""
        number = _parse_number(query_id)
        # Of the evaluation sets, only the stream has folders.
        if "/" in query_id and is_distractor(number):
            return None
        num_large = int(np.count_nonzero(self.world.class_sizes >= 20))
        landmark_id = number * 7919 % max(1, num_large)
        return int(self.world.class_ends[landmark_id]) - 1


def _parse_number(query_id: str) -> int:
    return int(PurePosixPath(query_id).stem.rpartition("_")[2])


def _describe_comparison(num_inliers: int, min_inliers: int) -> Evidence:
    enough = num_inliers >= min_inliers
    return {
        "num_tentative": num_inliers * 2,
        "num_inliers": num_inliers,
        "model": "affine" if enough else None,
        "transform": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0] if enough else None,
        "verdict": PairVerdict.VERIFIED if enough else PairVerdict.REJECTED,
        "reason": PairReason.ENOUGH_INLIERS if enough else PairReason.TOO_FEW_INLIERS,
    }


def build_simulated_steps(config: RunConfig, run_dir: Path, world: World) -> list[Stage]:
    """The steps of an ordinary job, those that see photographs replaced."""
    return [_simulate(step, world) for step in build_steps(config, run_dir)]


def _simulate(step: Stage, world: World) -> Stage:
    if isinstance(step, Verify | Calibrate | FindCrossDuplicates):
        return dataclasses.replace(step, judge=SimulatedJudge(world))
    replacements: dict[type, Any] = {
        Scan: SimulatedScan,
        Describe: SimulatedDescribe,
        Embed: SimulatedEmbed,
        Overlap: SimulatedOverlap,
    }
    if isinstance(step, LearnCodebook):
        return SimulatedCodebook(**_fields_of(step))
    if type(step) in replacements:
        simulated: Stage = replacements[type(step)](**_fields_of(step), world=world)
        return simulated
    return step


def _fields_of(step: Stage) -> dict[str, Any]:
    return {field.name: getattr(step, field.name) for field in dataclasses.fields(step)}  # type: ignore[arg-type]


def _describe_files(world: World, numbers: Numbers, shard: str) -> pa.Table:
    count = len(numbers)
    ids = format_ids(world.keys(numbers))
    is_ok = ~world.is_broken(numbers)
    sources = world.files(numbers).astype(np.uint64)
    sha256 = pc.binary_join_element_wise(*(format_ids(mix(sources, 40 + n)) for n in range(4)), "")
    folders = (pc.utf8_slice_codeunits(ids, n, n + 1) for n in range(3))
    names = pc.binary_join_element_wise(ids, "jpg", ".")
    num_bytes = 100_000 + (mix(sources, 44) % np.uint64(300_000)).astype(np.int64)
    columns = {
        "image_id": ids,
        "shard": pa.repeat(shard, count),
        "member": pc.binary_join_element_wise(*folders, names, "/"),
        "offset": np.r_[0, np.cumsum(num_bytes)][:-1],
        "num_bytes": num_bytes,
        "sha256": sha256,
        "width": pa.array(np.full(count, _WIDTH_PX), mask=~is_ok),
        "height": pa.array(np.full(count, _HEIGHT_PX), mask=~is_ok),
        "phash": pc.if_else(
            pa.array(is_ok), format_ids(mix(world.pictures(numbers).astype(np.uint64), 45)), None
        ),
        "exif_orientation": pa.nulls(count, pa.int32()),
        "status": pc.if_else(pa.array(is_ok), str(ImageStatus.OK), str(ImageStatus.TRUNCATED)),
        "reason": pc.if_else(pa.array(is_ok), None, "image file is truncated"),
    }
    return pa.table(columns, schema=FILES.schema)
