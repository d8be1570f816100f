"""The jobs of a probe: the real steps on small samples, in a process that may crash.

Three of them. A very small one, run twice, warms up and then tells what a unit takes that does
hardly anything. One of images drawn evenly tells what an image takes. One of whole or thinned
classes tells what pairs take, and everything after them.
"""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from curation.cross_duplicates import CrossDuplicateSettings
from curation.hamming_index import HammingIndex
from curation.neighbours import find_neighbours, propose_pairs
from curation.schedule import ScheduleSettings
from manifests.arrow_schemas import FEATURES, IMAGES
from manifests.parquet_io import read_table
from manifests.rows import ImageStatus
from pipelines.allocator import keep_freed_memory
from pipelines.job import build_steps
from pipelines.planning.measuring import MeasuredUnits, measure_units
from pipelines.planning.steps import DESCRIBE, EMBED, JOIN, OVERLAP, QUERIES
from pipelines.run_config import RunConfig
from pipelines.run_folder import table_parts
from pipelines.run_tables import open_descriptors
from pipelines.stages.verify import Verify
from pipelines.units import Stage, Unit

_CONTROL_PAIRS = 100
_NUM_HASHES, _NUM_LOOKED_UP = 200_000, 1000
_PROBED = "probed"
"""Name of the measured classes' own step and folder: the steps after `verify` do not read them."""
_FEW_NEIGHBOURS = 10
"""Pairs of an image that the cleaning of the small job goes by; those that are measured come on
top."""
_WHOLE_SPLIT = 1 << 62


@dataclass(frozen=True)
class ThinnedClass:
    """How the pairs of a class of the probe stand for those of the whole class."""

    landmark_id: int
    num_neighbours: int


@dataclass(frozen=True)
class ProbedClass:
    """The pairs of one class of the probe.

    Attributes:
        landmark_id: the class.
        num_images: its images that have a descriptor.
        num_neighbours: neighbours that each proposed.
        num_proposed: distinct pairs.
        num_asked: of these, those that were put to the verifier.
        cpu_seconds: processor seconds of all.
    """

    landmark_id: int
    num_images: int
    num_neighbours: int
    num_proposed: int
    num_asked: int
    cpu_seconds: float


@dataclass(frozen=True)
class ProbeJob:
    """One small data set, and what is done with it.

    Attributes:
        config: the job, on the folder of the small data set.
        run_dir: its run folder.
        last_step: the step after which it ends; None for the whole job.
        classes: how pairs are proposed in the classes that were thinned or are to be measured.
        max_queries: evaluation queries that are compared.
    """

    config: RunConfig
    run_dir: Path
    last_step: str | None = None
    classes: Sequence[ThinnedClass] = ()
    max_queries: int = 0


@dataclass(frozen=True)
class JobFindings:
    """What a small job took.

    Attributes:
        steps: measured steps by name; a step that failed is not among them.
        failures: steps that failed, and why.
        classes: what was found in the classes asked for.
        class_sizes: images with a descriptor, by class.
        num_features: local features of each described image.
        num_queries: queries compared.
        search_seconds: processor seconds to compare one descriptor with one of the clean split.
        near_hash_seconds: likewise for perceptual hashes.
    """

    steps: Mapping[str, MeasuredUnits] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)
    classes: Sequence[ProbedClass] = ()
    class_sizes: Mapping[int, int] = field(default_factory=dict)
    num_features: Sequence[int] = ()
    num_queries: int = 0
    search_seconds: float = 0.0
    near_hash_seconds: float = 0.0


def run_probe_job(job: ProbeJob) -> JobFindings:
    """Run the steps of a small job, and go on as far as they do not fail."""
    keep_freed_memory()
    findings = JobFindings()
    for stage in build_steps(job.config, job.run_dir):
        try:
            findings = _measure(stage, job, findings)
        except Exception as error:  # noqa: BLE001  (a plan names what it could not measure)
            failures = {stage.name: f"{type(error).__name__}: {error}"}
            return replace(findings, failures=failures)
        if stage.name == job.last_step:
            break
    return findings


def _measure(stage: Stage, job: ProbeJob, before: JobFindings) -> JobFindings:
    """Measure one step, and look at what it has written."""
    units = stage.plan()
    if stage.name in (QUERIES, OVERLAP):
        units = _choose_units(units, job.max_queries)
    measured = measure_units(stage, job.run_dir, units)
    findings = replace(before, steps={**before.steps, stage.name: measured})
    if stage.name == DESCRIBE:
        return replace(findings, num_features=_count_features(job.run_dir))
    if stage.name == EMBED:
        return replace(findings, class_sizes=count_described(job.run_dir))
    if stage.name == OVERLAP:
        return replace(findings, num_queries=measured.counts.get("queries", 0))
    if isinstance(stage, Verify) and units and job.classes:
        return replace(
            findings,
            classes=[_probe_class(stage, units[0], wanted) for wanted in job.classes],
            search_seconds=_time_search(job.run_dir),
            near_hash_seconds=_time_near_hashes(job.config.duplicates),
        )
    return findings


def shrink_config(config: RunConfig, root: Path, *, check_md5: bool) -> RunConfig:
    """The same job on the small data set in `root`.

    Args:
        config: the job that is planned.
        root: where the small data set is.
        check_md5: whether the real job will hash its shards.
    """
    source = {"root": root, "restrict_to": None, "fetch": None, "check_md5": check_md5}
    pairs = min(config.verify.calibration.num_pairs, _CONTROL_PAIRS)
    calibration = config.verify.calibration.model_copy(update={"num_pairs": pairs})
    schedule = ScheduleSettings(pairs_per_unit=_WHOLE_SPLIT, min_units=1)
    neighbours = min(config.verify.num_neighbours, _FEW_NEIGHBOURS)
    verify = {"calibration": calibration, "schedule": schedule, "num_neighbours": neighbours}
    return config.model_copy(
        update={
            "source": config.source.model_copy(update=source),
            "verify": config.verify.model_copy(update=verify),
            "clean": config.clean.model_copy(update={"answers": None}),
            "duplicates": config.duplicates.model_copy(update={"index": None}),
            "overlap": config.overlap.model_copy(update={"queries_per_unit": 1}),
            "truth": None,
        }
    )


def _choose_units(units: Sequence[Unit], max_queries: int) -> list[Unit]:
    """Some units of queries, evenly spread, and the unit of names."""
    queries = [unit for unit in units if "queries" in unit.spec]
    others = [unit for unit in units if "queries" not in unit.spec]
    count = min(max_queries, len(queries))
    places = np.linspace(0, len(queries) - 1, count).round().astype(int).tolist()
    return [*(queries[place] for place in places), *others]


def _probe_class(stage: Verify, like: Unit, wanted: ThinnedClass) -> ProbedClass:
    """Verify the pairs of a class with as many neighbours as stand for those of the whole class."""
    k = wanted.num_neighbours
    settings = stage.settings.model_copy(update={"num_neighbours": k})
    probing = replace(stage, settings=settings)
    name = f"class-{wanted.landmark_id}"
    spec = {**like.spec, "blocks": [[wanted.landmark_id, 0, 1]]}
    unit = Unit(_PROBED, name, spec, (f"{_PROBED}/{name}.parquet",), fingerprint="")
    measured = measure_units(probing, stage.run_dir, [unit])
    described = _list_described(stage.run_dir)
    image_ids = [image_id for image_id, c in described if c == wanted.landmark_id]
    descriptors = open_descriptors(stage.run_dir).load(image_ids)
    num_proposed = len(propose_pairs(image_ids, descriptors, k))
    asked, seconds = measured.counts["pairs"], sum(measured.item_seconds)
    return ProbedClass(wanted.landmark_id, len(image_ids), k, num_proposed, asked, seconds)


def _count_features(run_dir: Path) -> list[int]:
    parts = table_parts(run_dir, DESCRIBE)
    counts: list[int] = read_table(parts, FEATURES, ["num_features"])["num_features"].to_pylist()
    return counts


def count_described(run_dir: Path) -> dict[int, int]:
    """landmark_id -> usable images of a run that have a descriptor."""
    return dict(Counter(landmark_id for _, landmark_id in _list_described(run_dir)))


def _list_described(run_dir: Path) -> list[tuple[str, int]]:
    """Id and class of the usable images with a descriptor, by id."""
    descriptors = open_descriptors(run_dir)
    columns = ["image_id", "landmark_id", "status"]
    rows = read_table(table_parts(run_dir, JOIN), IMAGES, columns).to_pylist()
    return sorted(
        (row["image_id"], row["landmark_id"])
        for row in rows
        if row["status"] == ImageStatus.OK and descriptors.has(row["image_id"])
    )


def _time_near_hashes(settings: CrossDuplicateSettings) -> float:
    """Seconds for each hash that a hash is looked up among; so many that this is what counts."""
    if not settings.enabled:
        return 0.0
    hashes = np.random.default_rng(0).integers(0, 2**64 - 1, _NUM_HASHES, dtype=np.uint64)
    index = HammingIndex(hashes, settings.max_hash_bits)
    begun = time.process_time()
    num_found = sum(1 for _ in index.find_within(0, _NUM_LOOKED_UP))
    return (time.process_time() - begun) / (_NUM_LOOKED_UP * _NUM_HASHES + num_found)


def _time_search(run_dir: Path) -> float:
    """Seconds for each image that a query's descriptor is compared with."""
    descriptors = open_descriptors(run_dir)
    image_ids = [image_id for image_id, _ in _list_described(run_dir)]
    repeats = max(1, 2000 // max(1, len(image_ids)))
    begun = time.process_time()
    for _ in range(repeats):
        database = descriptors.load(image_ids)
        find_neighbours(database[:1], database, 1)
    return (time.process_time() - begun) / max(1, repeats * len(image_ids))
