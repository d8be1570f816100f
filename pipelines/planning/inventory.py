"""What there is to work on: files and classes, here and still to be fetched."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from curation.shards import list_members
from manifests.gldv2_csv import METADATA_URL
from pipelines.evaluation_sets import read_evaluation_set
from pipelines.fetch_step import choose_dataset
from pipelines.fetching.catalogue import GLDV2_SPLITS, FileKind
from pipelines.fetching.plan import PlannedFile
from pipelines.planning.errors import PlanningError
from pipelines.planning.located import LocatedImages, locate_images, read_listed
from pipelines.planning.offline import look_at_fetch
from pipelines.run_config import RunConfig
from pipelines.settings import SourceSettings


@dataclass(frozen=True)
class ShardCounts:
    """Shards of the training set.

    Attributes:
        num_here: shards in the folder.
        num_to_come: shards that a fetch would bring.
        here_bytes: size of those that are here.
        to_come_bytes: size of what a fetch would bring, lists included; published sizes are
            rounded.
        num_unsized: files to come whose size nobody publishes.
    """

    num_here: int
    num_to_come: int
    here_bytes: int
    to_come_bytes: int
    num_unsized: int

    @property
    def num_all(self) -> int:
        """All shards that the job will read."""
        return self.num_here + self.num_to_come


@dataclass(frozen=True, eq=False)
class Inventory:
    """What a job is given.

    Attributes:
        shards: what is here and what comes.
        num_listed: rows of train.csv.
        listed_sizes: landmark_id -> images that are listed and allowed; where `is_exact`, of
            these only those that the shards hold.
        present_share: share of the images of `listed_sizes` that the shards hold.
        num_files: files in the shards.
        is_exact: every shard is here and was listed, so that files and classes are counted.
        located: images in the shards that were listed.
        num_queries: queries of all evaluation sets.
        num_index_files: images of the index split that are compared.
        notes: what was assumed.
    """

    shards: ShardCounts
    num_listed: int
    listed_sizes: Mapping[int, int]
    present_share: float
    num_files: float
    is_exact: bool
    located: LocatedImages
    num_queries: int
    num_index_files: int
    notes: tuple[str, ...]

    @property
    def class_sizes(self) -> NDArray[np.int64]:
        """Images of each class, int64 (c,), as `listed_sizes` has them."""
        return np.fromiter(self.listed_sizes.values(), np.int64, len(self.listed_sizes))


def take_inventory(config: RunConfig) -> Inventory:
    """Read the lists and the headers of shards; no photograph, and no server.

    Raises:
        InputError: train.csv, an evaluation set or another file is missing or not right.
        ShardError: a shard is damaged.
    """
    source = config.source
    listed = read_listed(source, _find_train_csv(source))
    here = sorted((source.root / source.split).glob("images_*.tar"))
    shards = _count_shards(config, here)
    chosen = _choose_shards(here, config.plan.probe.max_shards)
    located = locate_images(chosen, listed)
    is_exact = bool(here) and len(chosen) == len(here) and shards.num_to_come == 0
    notes: list[str] = []
    sizes, share, num_files = _count_classes(located.landmark_ids), 1.0, float(located.num_files)
    if not is_exact:
        sizes = _count_classes(listed.landmark_ids)
        num_files = _extrapolate_files(source, shards, located, listed.num_rows, notes)
        share = min(1.0, num_files / max(1, listed.num_rows))
    return Inventory(
        shards=shards,
        num_listed=listed.num_rows,
        listed_sizes=sizes,
        present_share=share,
        num_files=num_files,
        is_exact=is_exact,
        located=located,
        num_queries=sum(len(read_evaluation_set(s).queries) for s in config.evaluation_sets),
        num_index_files=_count_index_files(config),
        notes=tuple(notes),
    )


def _find_train_csv(source: SourceSettings) -> Path:
    path = source.root / "metadata" / "train.csv"
    if not path.is_file():
        raise PlanningError(
            f"{path}: no such file, and nothing can be planned without the sizes of the classes; "
            f"fetch it from {METADATA_URL}train.csv, or set source.root"
        )
    return path


def _count_shards(config: RunConfig, here: list[Path]) -> ShardCounts:
    coming: list[PlannedFile] = []
    if config.source.fetch is not None:
        planned = look_at_fetch(choose_dataset(config.source, config.source.fetch), config.source)
        coming = [file for file in planned if file.missing_bytes or file.total_bytes is None]
    return ShardCounts(
        num_here=len(here),
        num_to_come=sum(file.file.kind is FileKind.TAR for file in coming),
        here_bytes=sum(path.stat().st_size for path in here),
        to_come_bytes=sum(file.missing_bytes for file in coming),
        num_unsized=sum(file.total_bytes is None for file in coming),
    )


def _choose_shards(here: list[Path], max_shards: int) -> list[Path]:
    if len(here) <= max_shards:
        return here
    return [here[i] for i in np.linspace(0, len(here) - 1, max_shards).round().astype(int)]


def _count_classes(landmark_ids: NDArray[np.int64]) -> dict[int, int]:
    ids, sizes = np.unique(landmark_ids, return_counts=True)
    return dict(zip(ids.tolist(), sizes.tolist(), strict=True))


def _extrapolate_files(
    source: SourceSettings,
    shards: ShardCounts,
    located: LocatedImages,
    num_listed: int,
    notes: list[str],
) -> float:
    """Files in all shards, from those that were listed and from what the split should hold."""
    num_published = GLDV2_SPLITS[source.split].num_shards
    if shards.num_all == 0:
        notes.append("no shard is here: planned as if every listed image were")
        return float(num_listed)
    if shards.num_all >= num_published:
        return float(num_listed)
    coming = shards.num_to_come * num_listed / num_published
    if shards.num_to_come:
        notes.append(
            f"shards to come are taken to hold {num_listed / num_published:,.0f} images each, "
            f"the mean over the {num_published} of the split"
        )
    listed_bytes = sum(path.stat().st_size for path in located.shards)
    if not listed_bytes:
        return coming
    if len(located.shards) < shards.num_here:
        notes.append(
            f"{len(located.shards)} of the {shards.num_here} shards here were listed; the others "
            "are taken to hold as many images for their size (plan.probe.max_shards)"
        )
    return located.num_files * shards.here_bytes / listed_bytes + coming


def _count_index_files(config: RunConfig) -> int:
    index = config.duplicates.index
    if index is None:
        return 0
    here = sorted((index.root / index.split).glob("images_*.tar"))
    chosen = _choose_shards(here, config.plan.probe.max_shards)
    listed_bytes = sum(path.stat().st_size for path in chosen)
    if not listed_bytes:
        return 0
    num_files = sum(len(list_members(path)) for path in chosen)
    return round(num_files * sum(path.stat().st_size for path in here) / listed_bytes)
