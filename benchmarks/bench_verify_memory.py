"""Memory of a worker that verifies blocks of one large class: a drawn class of each size.

    .venv/bin/python benchmarks/bench_verify_memory.py [--images N ...] [--units N] > memory.json

A class of 10,000 images takes 1.4 GB of temporary disk.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from manifests.arrow_schemas import EMBEDDINGS, IMAGES
from manifests.feature_store import binary_path, write_features
from manifests.features import LocalFeatures, pack_geometry
from manifests.parquet_io import write_rows
from pipelines.markers import Marker, describe_outputs, write_marker
from pipelines.run_tables import matrix_path
from pipelines.run_unit import run_unit
from pipelines.settings import VerifySettings
from pipelines.stages.verify import Verify
from pipelines.units import Unit, UnitStatus

SIZES = (500, 2000, 10_000)
NUM_FEATURES = 1000
DIMENSIONS = 256
IMAGES_PER_PLACE = 20
SHARED_FEATURES = 300
"""Features that the images of one place have in common, so that some pairs are verified."""
WIDTH_PX, HEIGHT_PX = 800, 600
LANDMARK_ID = 1
SAMPLE_SECONDS = 0.01
MIB = 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, nargs="+", default=SIZES, help="sizes of the class")
    parser.add_argument("--units", type=int, default=2, help="units that one worker does")
    parser.add_argument("--run", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        print(json.dumps(measure(arguments.run, arguments.units)))
        return
    results = {str(size): measure_class(size, arguments.units) for size in arguments.images}
    summary = {"features_per_image": NUM_FEATURES, "units": arguments.units, "images": results}
    print(json.dumps(summary, indent=2))


def measure_class(num_images: int, num_units: int) -> dict[str, Any]:
    """Draw a class and verify some of it in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        write_run(Path(folder), num_images)
        command = [sys.executable, __file__, "--run", folder, "--units", str(num_units)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


def measure(run_dir: Path, num_units: int) -> dict[str, Any]:
    stage = Verify(run_dir, VerifySettings(), timeout_seconds=3600.0, min_neighbours=3)
    warm_up()
    units = stage.plan()
    before = read_memory()
    begun = time.process_time()
    with MemoryWatch() as watch:
        reports = [run_unit(stage, run_dir, unit) for unit in units[:num_units]]
    failed = [report.error for report in reports if report.status is UnitStatus.FAILED]
    if failed:
        raise RuntimeError(f"a unit failed: {failed[0]}")
    num_pairs = sum(report.counts["pairs"] for report in reports)
    return {
        "units_of_the_class": len(units),
        "pairs": num_pairs,
        "verified": sum(report.counts["verified"] for report in reports),
        "features_mapped_mib": round(binary_path(_part(run_dir, "features")).stat().st_size / MIB),
        "own_mib_before": round(before["RssAnon"] / MIB),
        "own_mib_peak": round(watch.peaks["RssAnon"] / MIB),
        "mapped_mib_peak": round(watch.peaks["RssFile"] / MIB),
        "cpu_ms_per_pair": round(1e3 * (time.process_time() - begun) / max(num_pairs, 1), 3),
    }


def warm_up() -> None:
    """Compile the kernels on a tiny class first: every worker has them, whatever it verifies."""
    with tempfile.TemporaryDirectory() as folder:
        write_run(Path(folder), 2 * IMAGES_PER_PLACE)
        stage = Verify(Path(folder), VerifySettings(), timeout_seconds=3600.0, min_neighbours=3)
        for unit in stage.plan():
            run_unit(stage, Path(folder), unit)


class MemoryWatch:
    """Largest memory of this process by kind, sampled: the system keeps a peak of the sum only."""

    def __init__(self) -> None:
        self.peaks = read_memory()
        self._is_over = Event()
        self._thread = Thread(target=self._sample)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._is_over.wait(SAMPLE_SECONDS):
            now = read_memory()
            self.peaks = {kind: max(peak, now[kind]) for kind, peak in self.peaks.items()}


def read_memory() -> dict[str, int]:
    """Resident bytes: `RssAnon` the process's own, `RssFile` pages of files, which are shared."""
    lines = Path("/proc/self/status").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return {kind: int(fields[kind].split()[0]) * 1024 for kind in ("RssAnon", "RssFile")}


def write_run(run_dir: Path, num_images: int) -> None:
    """A run folder with one class, finished up to the stage before verify."""
    rng = np.random.default_rng(0)
    ids = [f"{number:016x}" for number in range(num_images)]
    write_images(run_dir, ids)
    write_descriptors(run_dir, ids, rng)
    write_features(_part(run_dir, "features"), draw_images(ids, rng))
    for stage, files in {
        "ingest.join": [_part(run_dir, "images")],
        "embed": [_part(run_dir, "embeddings"), matrix_path(_part(run_dir, "embeddings"))],
        "describe": [_part(run_dir, "features"), binary_path(_part(run_dir, "features"))],
    }.items():
        mark_done(run_dir, stage, files)


def write_images(run_dir: Path, ids: list[str]) -> None:
    filler = {pa.string(): "", pa.int64(): 1, pa.int32(): 1}
    row = {column.name: filler[column.type] for column in IMAGES.columns}
    row |= {"landmark_id": LANDMARK_ID, "status": "ok", "width": WIDTH_PX, "height": HEIGHT_PX}
    write_rows(_part(run_dir, "images"), IMAGES, [{**row, "image_id": i, "sha256": i} for i in ids])


def write_descriptors(run_dir: Path, ids: list[str], rng: np.random.Generator) -> None:
    """Images of one place are near each other."""
    num_places = -(-len(ids) // IMAGES_PER_PLACE)
    places = rng.normal(size=(num_places, DIMENSIONS))
    vectors = np.repeat(places, IMAGES_PER_PLACE, axis=0)[: len(ids)]
    vectors = vectors + rng.normal(size=vectors.shape)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = [{"image_id": i, "descriptor": None, "status": "ok"} for i in ids]
    write_rows(_part(run_dir, "embeddings"), EMBEDDINGS, rows)
    np.save(matrix_path(_part(run_dir, "embeddings")), vectors.astype(np.float16))


def draw_images(
    ids: list[str], rng: np.random.Generator
) -> Iterator[tuple[str, LocalFeatures, str]]:
    for number, image_id in enumerate(ids):
        place = draw_features(np.random.default_rng((1, number // IMAGES_PER_PLACE)))
        own = draw_features(rng)
        descriptors, xy, size, angle = (
            np.concatenate([of_place[:SHARED_FEATURES], of_image[SHARED_FEATURES:]])
            for of_place, of_image in zip(place, own, strict=True)
        )
        order = rng.permutation(NUM_FEATURES)
        seen_from = xy[order] * rng.uniform(0.6, 0.95) + rng.uniform(0, 30, 2)
        geometry = pack_geometry(seen_from, size[order], angle[order])
        yield image_id, LocalFeatures(descriptors[order], geometry, WIDTH_PX, HEIGHT_PX), "ok"


def draw_features(rng: np.random.Generator) -> tuple[NDArray[Any], ...]:
    return (
        rng.integers(0, 64, (NUM_FEATURES, 128), dtype=np.uint8),
        rng.uniform(0, (WIDTH_PX - 40, HEIGHT_PX - 40), (NUM_FEATURES, 2)),
        rng.uniform(4, 20, NUM_FEATURES),
        rng.uniform(0, 6, NUM_FEATURES),
    )


def mark_done(run_dir: Path, stage: str, files: list[Path]) -> None:
    outputs = tuple(str(file.relative_to(run_dir)) for file in files)
    unit = Unit(stage, "drawn", {}, outputs, "drawn")
    marker = Marker(
        stage=stage,
        unit_id=unit.unit_id,
        status=UnitStatus.DONE,
        fingerprint=unit.fingerprint,
        counts={},
        outputs=describe_outputs(run_dir, unit),
        error=None,
        seconds=0.0,
    )
    write_marker(run_dir, unit, marker)


def _part(run_dir: Path, table: str) -> Path:
    return run_dir / table / "drawn.parquet"


if __name__ == "__main__":
    main()
