"""What each step of a job works on: how its items are counted, planned and measured.

A step that this module does not know is planned by the number of images.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pipelines.planning.amounts import Amount
from pipelines.units import Counts

CountsByStep = Mapping[str, Counts]

FETCH, SCAN, JOIN = "ingest.fetch", "ingest.scan", "ingest.join"
DESCRIBE, CODEBOOK, EMBED = "describe", "embed.codebook", "embed"
VERIFY, CLEAN, CALIBRATE = "verify", "clean", "clean.calibrate"
UNCERTAIN, DUPLICATES, INDEX = "clean.uncertain", "clean.duplicates", "clean.index_duplicates"
QUERIES, OVERLAP, EMIT = "overlap.queries", "overlap", "emit"


@dataclass(frozen=True)
class Workload:
    """The work of a whole job.

    Attributes:
        num_listed: rows of train.csv.
        files: files in the shards.
        images: usable images.
        kept: images that the cleaning keeps.
        classes: classes with a listed image.
        paired_classes: classes with a pair.
        largest_class: images of the largest class.
        pairs_bounds: fewest and most pairs that classes of these sizes can propose.
        proposed: pairs that are proposed.
        pairs: pairs that are put to the verifier.
        training_images: images that a codebook is learned from; 0 for a network.
        control_pairs: pairs of different classes that test the threshold.
        queries: of all evaluation sets.
        index_files: images of the index split.
        units: units of each step.
        parts: parts that each step writes, where these are not its units.
    """

    num_listed: int
    files: Amount
    images: Amount
    kept: Amount
    classes: int
    paired_classes: int
    largest_class: int
    pairs_bounds: tuple[float, float]
    proposed: Amount
    pairs: Amount
    training_images: float
    control_pairs: float
    queries: int
    index_files: int
    units: Mapping[str, int]
    parts: Mapping[str, int]


@dataclass(frozen=True)
class StepWork:
    """What a step counts.

    Attributes:
        noun: of the items, for people.
        plan: items of a whole job.
        count: items that the markers of a run tell of, given the counts of all its steps.
    """

    noun: str
    plan: Callable[[Workload], Amount]
    count: Callable[[CountsByStep], float]


def count_parts(num_shards: int) -> dict[str, int]:
    """Parts of the steps that write one for each shard, and one more, in a single unit."""
    return {JOIN: num_shards + 1, EMIT: num_shards + 1}


def work_of(step_name: str) -> StepWork:
    """What a step counts; images for a step that nobody has described here."""
    return _WORK.get(step_name, _IMAGES)


def _counted(step_name: str, key: str) -> Callable[[CountsByStep], float]:
    return lambda counts: float(counts.get(step_name, {}).get(key, 0))


def _count_rows(counts: CountsByStep) -> float:
    joined = counts.get(JOIN, {})
    return float(joined.get("images", 0) + joined.get("missing", 0))


_IMAGES = StepWork("images", lambda work: work.images, _counted(DESCRIBE, "images"))
_WORK: Mapping[str, StepWork] = {
    SCAN: StepWork("files", lambda work: work.files, _counted(SCAN, "files")),
    JOIN: StepWork(
        "rows", lambda work: Amount.exact(max(work.num_listed, work.files.value)), _count_rows
    ),
    DESCRIBE: _IMAGES,
    CODEBOOK: StepWork(
        "training images",
        lambda work: Amount.exact(work.training_images),
        _counted(CODEBOOK, "training_images"),
    ),
    EMBED: StepWork("images", lambda work: work.images, _counted(EMBED, "images")),
    VERIFY: StepWork("pairs", lambda work: work.pairs, _counted(VERIFY, "pairs")),
    CLEAN: StepWork("images", lambda work: work.images, _counted(CLEAN, "images")),
    CALIBRATE: StepWork(
        "control pairs",
        lambda work: Amount.exact(work.control_pairs),
        _counted(CALIBRATE, "control_pairs"),
    ),
    UNCERTAIN: StepWork("pairs", lambda work: work.pairs, _counted(VERIFY, "pairs")),
    DUPLICATES: StepWork("kept images", lambda work: work.kept, _counted(CLEAN, "kept")),
    INDEX: StepWork(
        "index files", lambda work: Amount.exact(work.index_files), _counted(INDEX, "files")
    ),
    QUERIES: StepWork(
        "queries", lambda work: Amount.exact(work.queries), _counted(QUERIES, "queries")
    ),
    OVERLAP: StepWork(
        "queries", lambda work: Amount.exact(work.queries), _counted(OVERLAP, "queries")
    ),
    EMIT: StepWork("rows", lambda work: work.files, _count_rows),
}
