"""Stage 4, verify: which pairs of images of one class show the same surface."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from curation.neighbours import CandidatePair, propose_pairs
from curation.schedule import PairBlock, schedule_blocks
from curation.verification import Verification, verify_pair
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

    name: ClassVar[str] = "verify"
    version: ClassVar[int] = 1
    isolate: ClassVar[bool] = True

    def plan(self) -> list[Unit]:
        """Bins of blocks, the most expensive first; the number of workers plays no part."""
        sizes = open_images(self.run_dir).class_sizes
        settings = self.settings
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
                settings=settings.model_dump(mode="json"),
            )
            for number, blocks in enumerate(bins)
        ]

    def run(self, unit: Unit, in_flight: InFlight) -> Counts:
        """Write one row per pair put to the verifier."""
        blocks = blocks_of(unit)
        in_flight.expect(len(blocks))
        rows: list[dict[str, Any]] = []
        for block in blocks:
            rows += self._verify_block(block)
            in_flight.advance()
        write_rows(self.run_dir / unit.outputs[0], MATCHES, rows)
        verified = [row for row in rows if row["verdict"] != PairVerdict.REJECTED]
        return {"pairs": len(rows), "verified": len(verified)}

    def _verify_block(self, block: PairBlock) -> Iterator[dict[str, Any]]:
        images = open_images(self.run_dir).of_class(block.landmark_id)
        digests = dict(zip(images["image_id"], images["sha256"], strict=True))
        descriptors = open_descriptors(self.run_dir)
        image_ids = [image_id for image_id in digests if descriptors.has(image_id)]
        pairs = propose_pairs(image_ids, descriptors.load(image_ids), self.settings.num_neighbours)
        features = open_features(self.run_dir)
        for pair in pairs[block.part :: block.num_parts]:
            same_bytes = digests[pair.image_id_a] == digests[pair.image_id_b]
            yield self._verify_pair(block.landmark_id, pair, features, same_bytes=same_bytes)

    def _verify_pair(
        self, landmark_id: int, pair: CandidatePair, features: FeatureStore, *, same_bytes: bool
    ) -> dict[str, Any]:
        a, b = features.load(pair.image_id_a), features.load(pair.image_id_b)
        row = {
            "landmark_id": landmark_id,
            "image_id_a": pair.image_id_a,
            "image_id_b": pair.image_id_b,
            "num_features_a": len(a),
            "num_features_b": len(b),
            "similarity": pair.similarity,
        }
        if same_bytes:
            return row | _same_bytes(len(a))
        return row | evidence(verify_pair(a, b, self.settings))


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
