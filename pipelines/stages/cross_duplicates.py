"""Stage 5, fourth step: photographs of the clean split that stand in two classes."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
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
from manifests.arrow_schemas import CROSS_DUPLICATES, IMAGES, VERDICTS
from manifests.parquet_io import read_table, write_rows
from manifests.rows import DuplicateKind
from pipelines.in_flight import InFlight
from pipelines.markers import output_digests
from pipelines.pair_verification import Evidence, evidence, same_bytes, verify_many
from pipelines.run_folder import table_parts
from pipelines.run_tables import open_descriptors, open_features
from pipelines.settings import DuplicateStageSettings, VerifySettings
from pipelines.stages.clean import Clean
from pipelines.stages.describe import Describe
from pipelines.stages.embed import Embed
from pipelines.stages.ingest import Join
from pipelines.units import Counts, Unit, make_unit

_IMAGES_PER_UNIT = 20_000
_EVIDENCE = ("num_tentative", "num_inliers", "verdict", "reason")

_Row = dict[str, Any]


@dataclass(frozen=True)
class FindCrossDuplicates:
    """Verify pairs of different classes; a unit takes the pairs of some images' larger ids."""

    run_dir: Path
    settings: DuplicateStageSettings
    verify: VerifySettings
    timeout_seconds: float

    name: ClassVar[str] = "clean.duplicates"
    version: ClassVar[int] = 1
    isolate: ClassVar[bool] = True

    def plan(self) -> list[Unit]:
        """Ranges of the clean split by image id; none when the step is left out."""
        if not self.settings.enabled:
            return []
        names = [Join.name, Describe.name, Clean.name]
        if self.settings.num_neighbours:
            names.append(Embed.name)
        inputs = {
            path: digest
            for name in names
            for path, digest in output_digests(self.run_dir, name).items()
        }
        num_images = len(open_clean_images(self.run_dir))
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
        exact = [pair for pair in find_exact_pairs(images) if first <= pair[0] < last]
        proposed = sorted({*self._propose_alike(first, last), *self._propose_near(first, last)})
        in_flight.expect(len(proposed))
        rows = [self._describe_exact(images, pair) for pair in exact]
        for pair, found in self._verify(images, proposed):
            num_bits = images.count_hash_bits(*pair)
            kind = name_kind(found["verdict"], num_bits, self.settings)
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
        index = _open_index(self.run_dir, self.settings.max_hash_bits, _state(self.run_dir))
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
        self, images: ImageColumns, pairs: Iterable[Pair]
    ) -> Iterator[tuple[Pair, Evidence]]:
        """Image by image, each prepared for matching once."""
        features = open_features(self.run_dir)
        others: defaultdict[int, list[int]] = defaultdict(list)
        for i, j in pairs:
            others[i].append(j)
        for i, partners in others.items():
            candidates = (features.load(images.image_ids[j]) for j in partners)
            answers = verify_many(features.load(images.image_ids[i]), candidates, self.verify)
            for j, found in zip(partners, answers, strict=True):
                yield (i, j), evidence(found)

    def _describe_exact(self, images: ImageColumns, pair: Pair) -> _Row:
        num_features = open_features(self.run_dir).num_features(images.image_ids[pair[0]])
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
        **{name: found[name] for name in _EVIDENCE},
    }


def open_clean_images(run_dir: Path) -> ImageColumns:
    """The images that the cleaning kept."""
    return _open_clean_images(run_dir, _state(run_dir))


def _state(run_dir: Path) -> tuple[tuple[str, str], ...]:
    return tuple(output_digests(run_dir, Clean.name).items())


@lru_cache(maxsize=1)
def _open_clean_images(run_dir: Path, _: object) -> ImageColumns:
    verdicts = read_table(table_parts(run_dir, Clean.name), VERDICTS, ["image_id", "kept"])
    kept = verdicts.to_pandas().query("kept")["image_id"]
    columns = ["image_id", "landmark_id", "sha256", "phash", "status"]
    images = read_table(table_parts(run_dir, Join.name), IMAGES, columns).to_pandas()
    # A second file with the id of a kept image has a status of its own.
    images = images[(images["status"] == "ok") & images["image_id"].isin(kept)]
    images = images.sort_values("image_id")
    return ImageColumns(
        images["image_id"].tolist(),
        images["landmark_id"].to_numpy(np.int64),
        images["sha256"].tolist(),
        parse_hashes(images["phash"].tolist()),
    )


@lru_cache(maxsize=1)
def _open_index(run_dir: Path, max_bits: int, _: object) -> HammingIndex:
    return HammingIndex(open_clean_images(run_dir).hashes, max_bits)
