"""Stage 4, verify: which pairs of images of one class show the same surface."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

from curation.neighbours import CandidatePair, ProposedPairs, propose_pairs
from curation.schedule import PairBlock, schedule_blocks
from manifests.arrow_schemas import MATCHES
from manifests.feature_store import FeatureStore
from manifests.parquet_io import write_rows
from manifests.rows import PairVerdict
from pipelines.in_flight import InFlight
from pipelines.markers import output_digests
from pipelines.pair_verification import PairVerifier, same_bytes
from pipelines.run_tables import open_descriptors, open_features, open_images
from pipelines.settings import VerifySettings
from pipelines.stages.describe import Describe
from pipelines.stages.embed import Embed
from pipelines.stages.ingest import Join
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

    name: ClassVar[str] = "verify"
    version: ClassVar[int] = 3
    isolate: ClassVar[bool] = True

    def plan(self) -> list[Unit]:
        """Bins of blocks, the most expensive first; the number of workers plays no part."""
        sizes = open_images(self.run_dir).class_sizes
        settings = self.settings
        decisive = settings.dump_decisive()
        if settings.skip_settled_pairs:
            decisive["min_neighbours"] = self.min_neighbours
        bins = schedule_blocks(sizes, settings.num_neighbours, settings.schedule)
        inputs = {
            path: digest
            for stage in (Join, Describe, Embed)
            for path, digest in output_digests(self.run_dir, stage.name).items()
        }
        return [
            make_unit(
                self,
                f"part-{number:05d}",
                spec={"blocks": [[b.landmark_id, b.part, b.num_parts] for b in blocks]},
                outputs=[f"matches/part-{number:05d}.parquet"],
                inputs=inputs,
                settings=decisive,
            )
            for number, blocks in enumerate(bins)
        ]

    def run(self, unit: Unit, in_flight: InFlight) -> Counts:
        """Write one row per pair put to the verifier; count those that were skipped."""
        blocks = blocks_of(unit)
        in_flight.expect(len(blocks))
        rows: list[dict[str, Any]] = []
        counts = Counter(dict.fromkeys(_COUNTS, 0))
        for block in blocks:
            rows += self._verify(block, counts)
            in_flight.advance()
        write_rows(self.run_dir / unit.outputs[0], MATCHES, rows)
        return dict(counts)

    def _verify(self, block: PairBlock, counts: Counter[str]) -> list[dict[str, Any]]:
        """One row per pair that was not skipped, in order."""
        pairs = list(self._propose(block))
        images = open_images(self.run_dir).of_class(block.landmark_id)
        digests = dict(zip(images["image_id"], images["sha256"], strict=True))
        features = open_features(self.run_dir)
        known = {
            pair: same_bytes(features.num_features(pair.image_id_a))
            for pair in pairs
            if digests[pair.image_id_a] == digests[pair.image_id_b]
        }
        answers = PairVerifier(features, self.settings, self.min_neighbours).verify(pairs, known)
        rows = [
            _describe_pair(block.landmark_id, pair, features) | answers.found[pair]
            for pair in pairs
            if pair in answers.found
        ]
        counts["pairs"] += len(rows)
        counts["verified"] += sum(row["verdict"] != PairVerdict.REJECTED for row in rows)
        counts["skipped"] += answers.num_settled
        counts["over_budget"] += answers.num_over_budget
        return rows

    def _propose(self, block: PairBlock) -> ProposedPairs:
        state = tuple(output_digests(self.run_dir, Embed.name).items())
        pairs = _propose_pairs(self.run_dir, block.landmark_id, self.settings.num_neighbours, state)
        return pairs.take_part(block.part, block.num_parts)


# Blocks of one large class come one after the other, and all need the same order of its pairs.
@lru_cache(maxsize=1)
def _propose_pairs(run_dir: Path, landmark_id: int, k: int, _: object) -> ProposedPairs:
    descriptors = open_descriptors(run_dir)
    images = open_images(run_dir).of_class(landmark_id)
    image_ids = [image_id for image_id in images["image_id"] if descriptors.has(image_id)]
    return propose_pairs(image_ids, descriptors.load(image_ids), k)


def blocks_of(unit: Unit) -> list[PairBlock]:
    """The blocks that a unit of this stage works on."""
    blocks: Sequence[Any] = unit.spec["blocks"]  # type: ignore[assignment]
    return [PairBlock(*block) for block in blocks]


def _describe_pair(landmark_id: int, pair: CandidatePair, features: FeatureStore) -> dict[str, Any]:
    return {
        "landmark_id": landmark_id,
        "image_id_a": pair.image_id_a,
        "image_id_b": pair.image_id_b,
        "num_features_a": features.num_features(pair.image_id_a),
        "num_features_b": features.num_features(pair.image_id_b),
        "similarity": pair.similarity,
    }
