"""Steps of a job as an audit needs them: nothing is cleaned, and canaries teach nothing.

Each bears the name of the step whose place it takes.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from curation.canary_choice import ID_PREFIX
from curation.vlad import learn_vlad, save_vlad
from manifests.arrow_schemas import IMAGES, VERDICTS
from manifests.parquet_io import read_table, write_rows
from manifests.rows import ImageStatus
from pipelines.in_flight import InFlight
from pipelines.markers import output_digests
from pipelines.run_tables import open_features
from pipelines.stages.clean import Clean
from pipelines.stages.embed import LearnCodebook
from pipelines.stages.ingest import Join
from pipelines.units import Counts, Unit, make_unit

KEPT_REASON = "listed"
"""In place of a reason code of the cleaning: the list says so."""


@dataclass(frozen=True)
class LearnCodebookFromList(LearnCodebook):
    """Learn the codebook from the listed images alone.

    Canaries among them would make the search look better at finding canaries than it is.
    """

    version: ClassVar[int] = 1001

    def run(self, unit: Unit, in_flight: InFlight) -> Counts:  # noqa: ARG002  (nothing to decode)
        """Learn from the listed images whose ids hash lowest."""
        store = open_features(self.run_dir)
        described = [
            image_id
            for image_id in store.blocks
            if store.num_features(image_id) and not image_id.startswith(ID_PREFIX)
        ]
        sample = sorted(described, key=_hash)[: self.settings.num_training_images]
        vlad = learn_vlad([store.load(image_id) for image_id in sample], self.settings)
        save_vlad(self.run_dir / unit.outputs[0], vlad)
        return {"training_images": len(sample), "dimensions": vlad.dimensions}


@dataclass(frozen=True)
class KeepAll:
    """Every image is searched, whatever the others of its class show; a unit per part."""

    run_dir: Path
    timeout_seconds: float

    name: ClassVar[str] = Clean.name
    version: ClassVar[int] = 1001
    isolate: ClassVar[bool] = True

    def plan(self) -> list[Unit]:
        """One unit per part of the table `images`."""
        return [
            make_unit(
                self,
                Path(part).stem,
                spec={"images": part},
                outputs=[f"verdicts/{Path(part).name}"],
                inputs={part: digest},
                settings={},
            )
            for part, digest in output_digests(self.run_dir, Join.name).items()
        ]

    def run(self, unit: Unit, in_flight: InFlight) -> Counts:  # noqa: ARG002  (nothing to decode)
        """Write a verdict for each image that could be read."""
        part = self.run_dir / str(unit.spec["images"])
        images = read_table(part, IMAGES, ["image_id", "landmark_id", "status"]).to_pylist()
        rows = [
            {
                "image_id": image["image_id"],
                "landmark_id": image["landmark_id"],
                "kept": True,
                "reason": KEPT_REASON,
                "num_verified_neighbours": 0,
                "component_id": None,
                "duplicate_of": None,
            }
            for image in images
            if image["status"] == ImageStatus.OK
        ]
        write_rows(self.run_dir / unit.outputs[0], VERDICTS, rows)
        return {"images": len(rows)}


def _hash(image_id: str) -> bytes:
    return hashlib.sha256(image_id.encode()).digest()
