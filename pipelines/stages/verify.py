"""Stage 4, verify: which pairs of images of one class show the same surface."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.neighbours import DEFAULT_MAX_BYTES, ProposedPairs, propose_pairs
from curation.schedule import PairBlock, schedule_blocks
from manifests.arrow_schemas import MATCHES
from manifests.id_arrays import encode_ids, list_ids, unpack_ids
from manifests.parquet_io import write_table
from manifests.rows import PairVerdict
from pipelines.in_flight import InFlight
from pipelines.pair_verification import PairJudge, PairVerifier, judge_by_features
from pipelines.run_tables import (
    count_class_sizes,
    digest_of,
    digest_tables,
    open_descriptors,
    open_features,
    open_images,
)
from pipelines.settings import VerifySettings
from pipelines.units import Counts, Unit, make_unit

_COUNTS = ("pairs", "verified", "skipped", "over_budget")


@dataclass(frozen=True)
class Verify:
    """Verify candidate pairs; one unit per bin of classes of about equal cost."""

    run_dir: Path
    settings: VerifySettings
    timeout_seconds: float
    min_neighbours: int
    """Verified neighbours that the cleaning asks of an image; counts if settled pairs are skipped.
    """

    judge: PairJudge = judge_by_features
    """What answers for a pair."""
    search_bytes: int = DEFAULT_MAX_BYTES
    """What a search for neighbours may set aside; it changes no answer."""

    name: ClassVar[str] = "verify"
    version: ClassVar[int] = 6
    isolate: ClassVar[bool] = True

    def plan(self) -> list[Unit]:
        """Bins of blocks, the most expensive first; the number of workers plays no part."""
        sizes = count_class_sizes(self.run_dir)
        settings = self.settings
        decisive = settings.dump_decisive()
        if settings.skip_settled_pairs:
            decisive["min_neighbours"] = self.min_neighbours
        bins = schedule_blocks(sizes, settings.num_neighbours, settings.schedule)
        tables = digest_tables(self.run_dir)
        return [
            make_unit(
                self,
                f"part-{number:05d}",
                spec={
                    "blocks": [[b.landmark_id, b.part, b.num_parts] for b in blocks],
                    "tables": tables,
                },
                outputs=[f"matches/part-{number:05d}.parquet"],
                inputs=tables,
                settings=decisive,
            )
            for number, blocks in enumerate(bins)
        ]

    def run(self, unit: Unit, in_flight: InFlight) -> Counts:
        """Write one row per pair put to the verifier; count those that were skipped."""
        blocks = blocks_of(unit)
        in_flight.expect(len(blocks))
        found = [MATCHES.schema.empty_table()]
        counts = Counter(dict.fromkeys(_COUNTS, 0))
        for block in blocks:
            found.append(self._verify(unit, block, counts))
            in_flight.advance()
        # In one piece, because the bytes of a part depend on how its rows are chunked.
        write_table(
            self.run_dir / unit.outputs[0], MATCHES, pa.concat_tables(found).combine_chunks()
        )
        return dict(counts)

    def _verify(self, unit: Unit, block: PairBlock, counts: Counter[str]) -> pa.Table:
        """One row per pair that was not skipped, in order."""
        pairs = self._propose(unit, block)
        images = open_images(self.run_dir, digest_of(self.run_dir, unit, "images"))
        features = open_features(self.run_dir, digest_of(self.run_dir, unit, "features"))
        own = images.rows_of_class(block.landmark_id)
        ids = encode_ids(pairs.image_ids)
        digests = images.digests[own][np.searchsorted(images.image_ids[own], ids)]
        is_same_file = (digests[pairs.first] == digests[pairs.second]).all(axis=1)
        verifier = PairVerifier(features, self.settings, self.min_neighbours, self.judge)
        answers = verifier.verify(pairs, is_same_file)
        first, second = pairs.first[answers.is_found], pairs.second[answers.is_found]
        num_features = features.count_features(ids)
        counts["pairs"] += len(first)
        counts["skipped"] += answers.num_settled
        counts["over_budget"] += answers.num_over_budget
        is_accepted = pc.not_equal(answers.evidence["verdict"], PairVerdict.REJECTED.value)
        counts["verified"] += pc.sum(is_accepted).as_py() or 0
        columns = {
            "landmark_id": np.full(len(first), block.landmark_id),
            "image_id_a": unpack_ids(ids[first]),
            "image_id_b": unpack_ids(ids[second]),
            "num_features_a": num_features[first],
            "num_features_b": num_features[second],
            "similarity": pairs.similarities[answers.is_found],
            **{name: answers.evidence[name] for name in answers.evidence.column_names},
        }
        return pa.table(columns, schema=MATCHES.schema)

    def _propose(self, unit: Unit, block: PairBlock) -> ProposedPairs:
        digests = (
            digest_of(self.run_dir, unit, "images"),
            digest_of(self.run_dir, unit, "descriptors"),
        )
        # Blocks of one large class come one after the other, each with small classes behind it,
        # and all need the same order of its pairs.
        propose = _propose_large_class if block.num_parts > 1 else _propose_pairs
        pairs = propose(
            self.run_dir,
            block.landmark_id,
            self.settings.num_neighbours,
            self.search_bytes,
            digests,
        )
        return pairs.take_part(block.part, block.num_parts)


def _propose_pairs(
    run_dir: Path, landmark_id: int, k: int, max_bytes: int, digests: tuple[str, str]
) -> ProposedPairs:
    images = open_images(run_dir, digests[0])
    descriptors = open_descriptors(run_dir, digests[1])
    own = images.rows_of_class(landmark_id)
    is_described = descriptors.has_each(images.image_ids[own])
    ids = images.image_ids[own][is_described]
    return propose_pairs(list_ids(ids), descriptors.load_each(ids), k, max_bytes)


_propose_large_class = lru_cache(maxsize=1)(_propose_pairs)


def blocks_of(unit: Unit) -> list[PairBlock]:
    """The blocks that a unit of this stage works on."""
    blocks: Sequence[Any] = unit.spec["blocks"]  # type: ignore[assignment]
    return [PairBlock(*block) for block in blocks]
