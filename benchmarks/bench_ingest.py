"""The scan of shards beside a bare loop of `cv2.imdecode` over the same tars: images per second.

The scan checks the MD5 of the shard and lists it; it hashes every member, checks it to its end,
hashes what it looks like, and writes a row. The loop decodes to colours and forgets them. As the
scan makes pixels of a JPEG's luma alone, there is also a loop that decodes to grey. All take turns,
in one process on one core; figures are of processor time.

    .venv/bin/python benchmarks/bench_ingest.py [--photos DIR] [--repeats N] > ingest.json
"""

import argparse
import hashlib
import io
import json
import tarfile
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import cv2
import numpy as np

from manifests.gldv2_csv import member_path
from pipelines.in_flight import InFlight
from pipelines.settings import IngestSettings, SourceSettings
from pipelines.stages.ingest import Scan
from pipelines.units import Unit

SIZES_PX = ((1024, 683), (1600, 1200))
IMAGES_PER_SHARD = 80
LARGE_IMAGE_BYTES = 30 << 20


def draw_photograph(rng: np.random.Generator, width: int, height: int) -> bytes:
    """Smooth blobs under fine noise: a JPEG of about as many bytes as a photograph of its size."""
    coarse = rng.integers(0, 256, (height // 40, width // 40, 3), dtype=np.uint8)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    grain = rng.normal(0, 7, (height, width, 1)).astype(np.float32)
    pixels = np.clip(smooth + grain, 0, 255).astype(np.uint8)
    return cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 88])[1].tobytes()


def write_source(root: Path) -> None:
    """A shard for each of the sizes, in GLDv2's layout."""
    rng = np.random.default_rng(0)
    for folder in ("train", "md5sum/train", "metadata"):
        (root / folder).mkdir(parents=True)
    (root / "metadata/train.csv").write_text("id,url,landmark_id\n")
    for number, size in enumerate(SIZES_PX):
        tar = root / f"train/images_{number:03d}.tar"
        with tarfile.open(tar, "w") as archive:
            for _ in range(IMAGES_PER_SHARD):
                data = draw_photograph(rng, *size)
                info = tarfile.TarInfo(member_path(hashlib.sha256(data).hexdigest()[:16]))
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
        md5 = hashlib.md5(tar.read_bytes()).hexdigest()
        (root / f"md5sum/train/md5.{tar.stem}.txt").write_text(f"{md5}  {tar.name}\n")


def decode_all(tar: Path, mode: int) -> None:
    with tarfile.open(tar, "r:") as archive:
        for info in archive:
            stream = archive.extractfile(info)
            if stream is not None:
                cv2.imdecode(np.frombuffer(stream.read(), np.uint8), mode)


def measure(root: Path, run_dir: Path, num_repeats: int) -> list[dict[str, object]]:
    results = []
    for unit in make_scan(root, run_dir, check_md5=True).plan():
        tar = root / str(unit.spec["shard"])
        ways = {
            "bare_loop": partial(decode_all, tar, cv2.IMREAD_COLOR),
            "bare_loop_grey": partial(decode_all, tar, cv2.IMREAD_GRAYSCALE),
            "scan": partial(scan, make_scan(root, run_dir, check_md5=True), unit),
            "scan_without_md5": partial(scan, make_scan(root, run_dir, check_md5=False), unit),
        }
        results.append(describe(tar, take_turns(ways, num_repeats)))
    return results


def warm_up_allocator() -> None:
    """Let glibc keep memory for large images, as it does after the first one of a shard.

    Before, it hands every image back to the system, and the loop takes up to twice its time.
    """
    np.empty(LARGE_IMAGE_BYTES, np.uint8).fill(0)


def make_scan(root: Path, run_dir: Path, *, check_md5: bool) -> Scan:
    return Scan(run_dir, SourceSettings(root=root, check_md5=check_md5), IngestSettings(), 3600)


def scan(stage: Scan, unit: Unit) -> None:
    with InFlight(stage.run_dir / "in_flight", {}) as in_flight:
        stage.run(unit, in_flight)


def take_turns(ways: dict[str, Callable[[], None]], num_repeats: int) -> dict[str, float]:
    """Median seconds of processor time of each way."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(num_repeats):
        for name, run in ways.items():
            begun = time.process_time()
            run()
            seconds[name].append(time.process_time() - begun)
    return {name: median(times) for name, times in seconds.items()}


def describe(tar: Path, seconds: dict[str, float]) -> dict[str, object]:
    with tarfile.open(tar, "r:") as archive:
        sizes = [info.size for info in archive if info.isfile()]
    return {
        "shard": tar.name,
        "images": len(sizes),
        "bytes_per_image": round(sum(sizes) / len(sizes)),
        "images_per_second_per_core": {
            name: round(len(sizes) / value, 1) for name, value in seconds.items()
        },
        "share_of_bare_loop": {
            name: round(seconds["bare_loop"] / value, 3)
            for name, value in seconds.items()
            if name != "bare_loop"
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, help="a folder in GLDv2's layout")
    parser.add_argument("--repeats", type=int, default=9)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    warm_up_allocator()
    with tempfile.TemporaryDirectory() as folder:
        root = arguments.photos
        if root is None:
            root = Path(folder) / "source"
            write_source(root)
        run_dir = Path(folder) / "run"
        (run_dir / "files").mkdir(parents=True)
        print(json.dumps(measure(root, run_dir, arguments.repeats), indent=1))


if __name__ == "__main__":
    main()
