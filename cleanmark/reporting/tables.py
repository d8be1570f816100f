"""What the report counts in the tables of a run, one part at a time.

A full run has millions of images and more pairs than fit in memory; only tallies and the rows of
a few classes are kept.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from manifests.arrow_schemas import CONTROLS, IMAGES, MANIFEST, MATCHES, VERDICTS, Table
from manifests.parquet_io import read_table
from manifests.rows import ImageStatus, PairVerdict
from pipelines.markers import output_digests
from pipelines.stages.calibrate import Calibrate
from pipelines.stages.clean import Clean
from pipelines.stages.emit import DEOVERLAPPED, FOLDER
from pipelines.stages.ingest import Join
from pipelines.stages.verify import Verify


@dataclass
class ImageTallies:
    """Images per class, and the files that cannot be used.

    Attributes:
        ingested: landmark_id -> files found; None is the class of files that are not listed.
        usable: landmark_id -> images that decode.
        names: landmark_id -> readable name.
        broken: rows of unusable files, at most as many as asked for, in the order of the shards.
    """

    ingested: Counter[int | None] = field(default_factory=Counter)
    usable: Counter[int] = field(default_factory=Counter)
    names: dict[int, str] = field(default_factory=dict)
    broken: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class VerdictTallies:
    """What the cleaning did.

    Attributes:
        clean: landmark_id -> images kept.
        neighbours_of_kept: verified neighbours -> how many kept images have so many.
        neighbours_of_dropped: the same of dropped images.
    """

    clean: Counter[int] = field(default_factory=Counter)
    neighbours_of_kept: Counter[int] = field(default_factory=Counter)
    neighbours_of_dropped: Counter[int] = field(default_factory=Counter)


@dataclass
class PairTallies:
    """What the verifier found.

    Attributes:
        passed: number of inliers -> verified and duplicate pairs.
        rejected: number of inliers -> rejected pairs.
    """

    passed: Counter[int] = field(default_factory=Counter)
    rejected: Counter[int] = field(default_factory=Counter)


@dataclass
class ControlTallies:
    """Pairs of images of two classes.

    Attributes:
        all: number of inliers -> control pairs.
        of_one_place: the same of pairs of classes that seem to be one place.
    """

    all: Counter[int] = field(default_factory=Counter)
    of_one_place: Counter[int] = field(default_factory=Counter)


class BestPair(NamedTuple):
    """The pair of an image with most inliers, and what the verifier said of it."""

    num_inliers: int
    reason: str


def list_parts(run_dir: Path, stage_name: str) -> list[Path]:
    """The Parquet parts of a stage's table; none if the stage had nothing to do."""
    digests = output_digests(run_dir, stage_name)
    return [run_dir / path for path in digests if path.endswith(".parquet")]


def count_images(run_dir: Path, max_broken: int) -> ImageTallies:
    """Go through the table `images` once."""
    tallies = ImageTallies()
    columns = ["image_id", "landmark_id", "landmark_name", "shard", "member", "status", "reason"]
    for part in read_parts(run_dir, Join.name, IMAGES, columns):
        is_ok = pc.equal(part["status"], ImageStatus.OK.value)
        tallies.ingested.update(_count_values(part["landmark_id"]))
        tallies.usable.update(_count_values(part["landmark_id"].filter(is_ok)))
        tallies.names |= _names(part)
        broken = part.filter(pc.invert(is_ok)).slice(0, max_broken - len(tallies.broken))
        tallies.broken += broken.to_pylist()
    return tallies


def count_verdicts(run_dir: Path) -> VerdictTallies:
    """Go through the table `verdicts` once."""
    tallies = VerdictTallies()
    columns = ["landmark_id", "kept", "num_verified_neighbours"]
    for part in read_parts(run_dir, Clean.name, VERDICTS, columns):
        kept, dropped = part.filter(part["kept"]), part.filter(pc.invert(part["kept"]))
        tallies.clean.update(_count_values(kept["landmark_id"]))
        neighbours = "num_verified_neighbours"
        tallies.neighbours_of_kept.update(_count_values(kept[neighbours]))
        tallies.neighbours_of_dropped.update(_count_values(dropped[neighbours]))
    return tallies


def count_published(run_dir: Path) -> Counter[int]:
    """landmark_id -> images of the published split."""
    tally: Counter[int] = Counter()
    for path in sorted((run_dir / FOLDER / DEOVERLAPPED).glob("*.parquet")):
        tally.update(_count_values(read_table(path, MANIFEST, ["landmark_id"])["landmark_id"]))
    return tally


def count_pairs(run_dir: Path) -> PairTallies:
    """Go through the table `matches` once; a run whose classes are all single has none."""
    tallies = PairTallies()
    for part in read_parts(run_dir, Verify.name, MATCHES, ["num_inliers", "verdict"]):
        is_rejected = pc.equal(part["verdict"], PairVerdict.REJECTED.value)
        tallies.rejected.update(_count_values(part["num_inliers"].filter(is_rejected)))
        tallies.passed.update(_count_values(part["num_inliers"].filter(pc.invert(is_rejected))))
    return tallies


def count_controls(run_dir: Path, one_place: Iterable[tuple[int, int]]) -> ControlTallies:
    """Go through the table `controls` once; empty without a calibration.

    Args:
        run_dir: the run folder.
        one_place: pairs of classes that seem to be one place.
    """
    tallies = ControlTallies()
    columns = ["landmark_id_a", "landmark_id_b", "num_inliers"]
    for part in read_parts(run_dir, Calibrate.name, CONTROLS, columns):
        tallies.all.update(_count_values(part["num_inliers"]))
        for a, b in one_place:
            of_both = part.filter(_joins(part, a, b))
            tallies.of_one_place.update(_count_values(of_both["num_inliers"]))
    return tallies


def _joins(part: pa.Table, a: int, b: int) -> pa.ChunkedArray:
    """Which pairs of a table have one image of each of two classes."""
    first, second = part["landmark_id_a"], part["landmark_id_b"]
    return pc.or_(
        pc.and_(pc.equal(first, a), pc.equal(second, b)),
        pc.and_(pc.equal(first, b), pc.equal(second, a)),
    )


def read_verdicts_of(run_dir: Path, classes: Iterable[int]) -> dict[int, list[dict[str, Any]]]:
    """Rows of the table `verdicts` of some classes, by class and image id."""
    rows: dict[int, list[dict[str, Any]]] = {landmark_id: [] for landmark_id in classes}
    wanted = pa.array(sorted(rows), pa.int64())
    for part in read_parts(run_dir, Clean.name, VERDICTS):
        for row in part.filter(pc.is_in(part["landmark_id"], wanted)).to_pylist():
            rows[row["landmark_id"]].append(row)
    return {
        landmark_id: sorted(of_class, key=lambda row: str(row["image_id"]))
        for landmark_id, of_class in rows.items()
    }


def find_best_pairs(run_dir: Path, classes: Iterable[int]) -> dict[str, BestPair]:
    """For each image of some classes, its pair with most inliers; images of no pair are absent."""
    best: dict[str, BestPair] = {}
    wanted = pa.array(sorted(set(classes)), pa.int64())
    columns = ["landmark_id", "image_id_a", "image_id_b", "num_inliers", "reason"]
    for part in read_parts(run_dir, Verify.name, MATCHES, columns):
        pairs = part.filter(pc.is_in(part["landmark_id"], wanted)).to_pandas()
        pairs = pairs.sort_values(["num_inliers", "image_id_a", "image_id_b"])
        for side in ("image_id_a", "image_id_b"):
            for row in pairs.drop_duplicates(side, keep="last").to_dict("records"):
                pair = BestPair(row["num_inliers"], row["reason"])
                best[row[side]] = max(best.get(row[side], pair), pair)
    return best


def read_parts(
    run_dir: Path, stage_name: str, table: Table, columns: Sequence[str] | None = None
) -> Iterator[pa.Table]:
    """The parts of a stage's table, one at a time."""
    for path in list_parts(run_dir, stage_name):
        yield read_table(path, table, columns)


def _count_values(column: pa.ChunkedArray) -> dict[Any, int]:
    counted = pc.value_counts(column)
    return {row["values"]: row["counts"] for row in counted.to_pylist()}


def _names(part: pa.Table) -> dict[int, str]:
    named = part.select(["landmark_id", "landmark_name"]).drop_null()
    unique = named.group_by(["landmark_id", "landmark_name"]).aggregate([])
    return {row["landmark_id"]: row["landmark_name"] for row in unique.to_pylist()}
