"""Stage 4, verify: which pairs of images of one class show the same surface."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from curation.neighbours import CandidatePair, propose_pairs
from curation.schedule import PairBlock, schedule_blocks
from curation.settled_pairs import SettledPairs
from curation.verification import Verification, verify_one_to_many, verify_pair
from manifests.arrow_schemas import MATCHES
from manifests.feature_store import FeatureStore
from manifests.parquet_io import write_rows
from manifests.rows import PairReason, PairVerdict
from pipelines.in_flight import InFlight
from pipelines.markers import output_digests
from pipelines.run_tables import open_descriptors, open_features, open_images
from pipelines.settings import VerifySettings
from pipelines.stages.describe import Describe
from pipelines.stages.embed import Embed
from pipelines.stages.ingest import Join
from pipelines.units import Counts, Unit, make_unit

_IDENTITY = np.eye(2, 3)


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
    version: ClassVar[int] = 2
    isolate: ClassVar[bool] = True

    def plan(self) -> list[Unit]:
        """Bins of blocks, the most expensive first; the number of workers plays no part."""
        sizes = open_images(self.run_dir).class_sizes
        settings = self.settings
        decisive = settings.model_dump(mode="json", exclude={"calibration"})
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
        num_proposed = 0
        for block in blocks:
            pairs = self._propose(block)
            num_proposed += len(pairs)
            rows += self._verify(block.landmark_id, pairs)
            in_flight.advance()
        write_rows(self.run_dir / unit.outputs[0], MATCHES, rows)
        verified = [row for row in rows if row["verdict"] != PairVerdict.REJECTED]
        return {
            "pairs": len(rows),
            "verified": len(verified),
            "skipped": num_proposed - len(rows),
        }

    def _propose(self, block: PairBlock) -> list[CandidatePair]:
        descriptors = open_descriptors(self.run_dir)
        images = open_images(self.run_dir).of_class(block.landmark_id)
        image_ids = [image_id for image_id in images["image_id"] if descriptors.has(image_id)]
        pairs = propose_pairs(image_ids, descriptors.load(image_ids), self.settings.num_neighbours)
        return pairs[block.part :: block.num_parts]

    def _verify(self, landmark_id: int, pairs: Sequence[CandidatePair]) -> list[dict[str, Any]]:
        """One row per pair that was not skipped, in order."""
        images = open_images(self.run_dir).of_class(landmark_id)
        digests = dict(zip(images["image_id"], images["sha256"], strict=True))
        features = open_features(self.run_dir)
        found = {
            pair: _same_bytes(features.num_features(pair.image_id_a))
            for pair in pairs
            if digests[pair.image_id_a] == digests[pair.image_id_b]
        }
        if self.settings.skip_settled_pairs:
            found |= self._verify_unsettled(pairs, found, features)
        else:
            found |= self._verify_all([pair for pair in pairs if pair not in found], features)
        return [
            _describe_pair(landmark_id, pair, features) | found[pair]
            for pair in pairs
            if pair in found
        ]

    def _verify_all(
        self, pairs: Iterable[CandidatePair], features: FeatureStore
    ) -> dict[CandidatePair, dict[str, Any]]:
        """The evidence for all pairs, image by image, each prepared for matching once."""
        by_query: defaultdict[str, list[CandidatePair]] = defaultdict(list)
        for pair in pairs:
            by_query[pair.image_id_a].append(pair)
        found: dict[CandidatePair, dict[str, Any]] = {}
        for query, others in by_query.items():
            candidates = (features.load(pair.image_id_b) for pair in others)
            answers = verify_one_to_many(features.load(query), candidates, self.settings)
            found |= dict(zip(others, map(evidence, answers), strict=True))
        return found

    def _verify_unsettled(
        self,
        pairs: Iterable[CandidatePair],
        known: Mapping[CandidatePair, dict[str, Any]],
        features: FeatureStore,
    ) -> dict[CandidatePair, dict[str, Any]]:
        """The evidence for those pairs, most similar first, that can still change something."""
        settled = SettledPairs(self.min_neighbours)
        found = dict(known)
        for pair in pairs:
            a, b = pair.image_id_a, pair.image_id_b
            if pair not in found and not settled.is_settled(a, b):
                answer = verify_pair(features.load(a), features.load(b), self.settings)
                found[pair] = evidence(answer)
            if pair in found:
                settled.record(a, b, found[pair]["verdict"])
        return found


def blocks_of(unit: Unit) -> list[PairBlock]:
    """The blocks that a unit of this stage works on."""
    blocks: Sequence[Any] = unit.spec["blocks"]  # type: ignore[assignment]
    return [PairBlock(*block) for block in blocks]


def evidence(found: Verification) -> dict[str, Any]:
    """The columns that tables of pairs have in common."""
    return {
        "num_tentative": found.num_tentative,
        "num_inliers": found.num_inliers,
        "model": None if found.matrix is None else "affine",
        "transform": None if found.matrix is None else found.matrix.ravel().tolist(),
        "verdict": found.verdict,
        "reason": found.reason,
    }


def _describe_pair(landmark_id: int, pair: CandidatePair, features: FeatureStore) -> dict[str, Any]:
    return {
        "landmark_id": landmark_id,
        "image_id_a": pair.image_id_a,
        "image_id_b": pair.image_id_b,
        "num_features_a": features.num_features(pair.image_id_a),
        "num_features_b": features.num_features(pair.image_id_b),
        "similarity": pair.similarity,
    }


def _same_bytes(num_features: int) -> dict[str, Any]:
    """Every feature of a file agrees with itself; no need to match them."""
    return {
        "num_tentative": num_features,
        "num_inliers": num_features,
        "model": "affine",
        "transform": _IDENTITY.ravel().tolist(),
        "verdict": PairVerdict.DUPLICATE,
        "reason": PairReason.SAME_BYTES,
    }
