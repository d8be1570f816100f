"""Stage 5, fourth step: photographs of the clean split that stand in two classes."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curation.cross_duplicates import (
    ImageColumns,
    Pair,
    find_alike,
    find_exact_pairs,
    name_kind,
)
from curation.cross_neighbours import find_cross_class_neighbours
from curation.hamming_index import HammingIndex, parse_hashes
from manifests.arrow_schemas import CROSS_DUPLICATES, IMAGES
from manifests.feature_store import FeatureStore
from manifests.id_arrays import encode_ids, list_ids, pack_ids
from manifests.parquet_io import read_table, write_rows
from manifests.rows import DuplicateKind, ImageStatus, PairVerdict
from pipelines.in_flight import InFlight
from pipelines.markers import digest_outputs
from pipelines.pair_verification import Evidence, PairJudge, judge_by_features, same_bytes
from pipelines.run_folder import table_parts
from pipelines.run_tables import open_descriptors, open_features
from pipelines.settings import DuplicateStageSettings, VerifySettings
from pipelines.stages.clean import Clean
from pipelines.stages.describe import Describe
from pipelines.stages.embed import Embed
from pipelines.stages.ingest import Join
from pipelines.units import Counts, Unit, make_unit
from pipelines.verdict_columns import open_kept_images

_IMAGES_PER_UNIT = 20_000
_PAIRS_PER_STEP = 256
"""After so many, progress is noted; an image with more pairs is prepared for matching again."""
COPY_EVIDENCE = ("num_tentative", "num_inliers", "verdict", "reason")
"""What tables of copies keep of the verifier's answer."""

_Row = dict[str, Any]


@dataclass(frozen=True)
class FindCrossDuplicates:
    """Verify pairs of different classes; a unit takes the pairs of some images' larger ids."""

    run_dir: Path
    settings: DuplicateStageSettings
    verify: VerifySettings
    timeout_seconds: float

    judge: PairJudge = judge_by_features
    """What answers for a pair."""

    name: ClassVar[str] = "clean.duplicates"
    version: ClassVar[int] = 2
    isolate: ClassVar[bool] = True

    def plan(self) -> list[Unit]:
        """Ranges of the clean split by image id; none when the step is left out."""
        if not self.settings.enabled:
            return []
        names = [Join.name, Describe.name, Clean.name]
        if self.settings.num_neighbours:
            names.append(Embed.name)
        inputs = {name: digest_outputs(self.run_dir, name) for name in names}
        num_images = len(open_kept_images(self.run_dir))
        return [
            make_unit(
                self,
                f"part-{number:05d}",
                spec={"first": first, "last": min(first + _IMAGES_PER_UNIT, num_images)},
                outputs=[f"cross_duplicates/part-{number:05d}.parquet"],
                inputs=inputs,
                settings={
                    "duplicates": self.settings.dump_decisive(),
                    "verify": self.verify.dump_decisive_of_pair(),
                },
            )
            for number, first in enumerate(range(0, num_images, _IMAGES_PER_UNIT))
        ]

    def run(self, unit: Unit, in_flight: InFlight) -> Counts:
        """Write one row per pair that is one photograph or shows one surface."""
        first, last = int(str(unit.spec["first"])), int(str(unit.spec["last"]))
        images = open_clean_images(self.run_dir)
        exact = _take_range(
            _open_exact_pairs(self.run_dir, state_of_clean(self.run_dir)), first, last
        )
        proposed = sorted({*self._propose_alike(first, last), *self._propose_near(first, last)})
        in_flight.expect(len(proposed))
        features = open_features(self.run_dir)
        rows = [_describe_exact(images, features, pair) for pair in exact]
        for pair, found in self._verify(images, features, proposed):
            num_bits = images.count_hash_bits(*pair)
            kind = name_kind(PairVerdict(found["verdict"]), num_bits, self.settings)
            if kind is not None:
                rows.append(_describe_pair(images, pair, kind, found))
            in_flight.advance()
        rows.sort(key=lambda row: (row["image_id_a"], row["image_id_b"]))
        write_rows(self.run_dir / unit.outputs[0], CROSS_DUPLICATES, rows)
        kinds = Counter(row["kind"] for row in rows)
        counts = {kind.value: kinds[kind] for kind in DuplicateKind}
        return {"pairs": len(exact) + len(proposed), **counts}

    def _propose_alike(self, first: int, last: int) -> Iterator[Pair]:
        images = open_clean_images(self.run_dir)
        index = _open_index(self.run_dir, self.settings.max_hash_bits, state_of_clean(self.run_dir))
        yield from find_alike(images, index, first, last, self.settings)

    def _propose_near(self, first: int, last: int) -> Iterator[Pair]:
        images = open_clean_images(self.run_dir)
        if not self.settings.num_neighbours:
            return
        descriptors = open_descriptors(self.run_dir)
        # An image without a descriptor has no neighbours, and is nobody's.
        places = np.flatnonzero([descriptors.has(image_id) for image_id in images.image_ids])
        begin, end = np.searchsorted(places, [first, last]).tolist()

        def load(start: int, stop: int) -> NDArray[np.float32]:
            return descriptors.load([images.image_ids[p] for p in places[start:stop].tolist()])

        found = find_cross_class_neighbours(
            load, images.landmark_ids[places], begin, end, self.settings.num_neighbours
        )
        for i, j in found:
            pair = int(places[i]), int(places[j])
            if images.are_comparable(*pair):
                yield pair

    def _verify(
        self, images: ImageColumns, features: FeatureStore, pairs: Sequence[Pair]
    ) -> Iterator[tuple[Pair, Evidence]]:
        for first in range(0, len(pairs), _PAIRS_PER_STEP):
            some = pairs[first : first + _PAIRS_PER_STEP]
            ids_a, ids_b = (
                encode_ids([images.image_ids[place] for place in places])
                for places in zip(*some, strict=True)
            )
            found = self.judge(features, ids_a, ids_b, self.verify)
            yield from zip(some, found.to_pylist(), strict=True)


def _take_range(pairs: Sequence[Pair], first: int, last: int) -> Sequence[Pair]:
    """Of ascending pairs those whose first image lies in a range."""
    return pairs[bisect_left(pairs, (first,)) : bisect_left(pairs, (last,))]


def _describe_exact(images: ImageColumns, features: FeatureStore, pair: Pair) -> _Row:
    num_features = features.num_features(images.image_ids[pair[0]])
    return _describe_pair(images, pair, DuplicateKind.EXACT, same_bytes(num_features))


def _describe_pair(images: ImageColumns, pair: Pair, kind: DuplicateKind, found: Evidence) -> _Row:
    i, j = pair
    return {
        "image_id_a": images.image_ids[i],
        "landmark_id_a": int(images.landmark_ids[i]),
        "image_id_b": images.image_ids[j],
        "landmark_id_b": int(images.landmark_ids[j]),
        "kind": kind,
        "hamming": images.count_hash_bits(i, j),
        **{name: found[name] for name in COPY_EVIDENCE},
    }


def open_clean_images(run_dir: Path) -> ImageColumns:
    """The images that the cleaning kept."""
    return _open_clean_images(run_dir, state_of_clean(run_dir))


def state_of_clean(run_dir: Path) -> tuple[str, str]:
    """What the images of the clean split depend on, for caches of them."""
    return digest_outputs(run_dir, Join.name), digest_outputs(run_dir, Clean.name)


@lru_cache(maxsize=1)
def _open_clean_images(run_dir: Path, digests: tuple[str, str]) -> ImageColumns:
    kept = open_kept_images(run_dir, digests[1])
    columns = ["image_id", "sha256", "phash", "status"]
    sha256, hashes = np.empty(len(kept), "S64"), np.empty(len(kept), np.uint64)
    for part in table_parts(run_dir, Join.name):
        images = read_table(part, IMAGES, columns)
        # A second file with the id of a kept image has a status of its own.
        images = images.filter(pc.equal(images["status"], ImageStatus.OK.value))
        places = kept.find(pack_ids(images["image_id"]))
        images, places = images.filter(pa.array(places >= 0)), places[places >= 0]
        sha256[places] = pack_ids(images["sha256"])
        hashes[places] = parse_hashes(images["phash"].to_pylist())
    return ImageColumns(list_ids(kept.image_ids), kept.landmark_ids, list_ids(sha256), hashes)


@lru_cache(maxsize=1)
def _open_exact_pairs(run_dir: Path, _: object) -> list[Pair]:
    return find_exact_pairs(open_clean_images(run_dir))


@lru_cache(maxsize=1)
def _open_index(run_dir: Path, max_bits: int, _: object) -> HammingIndex:
    return HammingIndex(open_clean_images(run_dir).hashes, max_bits)
