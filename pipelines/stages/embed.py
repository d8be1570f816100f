"""Stage 3, embed: a global descriptor of every image.

Two steps. `embed.codebook` learns VLAD from a sample of the run's own images; `embed` applies it.
A network is loaded, not learned: then the first step has nothing to do, and `embed` is the one of
`pipelines.stages.embed_network`.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from curation.vlad import learn_vlad, save_vlad
from manifests.feature_store import FeatureStore
from manifests.features import LocalFeatures
from pipelines.embedders import CODEBOOK, CODEBOOK_STEP, open_vlad
from pipelines.embedding_parts import describe_result, write_embeddings
from pipelines.in_flight import InFlight
from pipelines.markers import output_digests
from pipelines.run_tables import open_features
from pipelines.settings import EmbedSettings
from pipelines.stages.describe import Describe
from pipelines.units import Counts, Unit, make_unit


@dataclass(frozen=True)
class LearnCodebook:
    """Learn the codebook and the whitening; one unit."""

    run_dir: Path
    settings: EmbedSettings
    timeout_seconds: float

    name: ClassVar[str] = CODEBOOK_STEP
    version: ClassVar[int] = 1
    isolate: ClassVar[bool] = True

    def plan(self) -> list[Unit]:
        """A single unit that depends on all features; none for a network."""
        if self.settings.method != "vlad":
            return []
        unit = make_unit(
            self,
            "codebook",
            spec={},
            outputs=[CODEBOOK],
            inputs=output_digests(self.run_dir, Describe.name),
            settings=self.settings.model_dump(mode="json", exclude={"network"}),
        )
        return [unit]

    def run(self, unit: Unit, in_flight: InFlight) -> Counts:  # noqa: ARG002  (nothing to decode)
        """Learn from the images whose ids hash lowest: a fair sample that needs no generator."""
        store = open_features(self.run_dir)
        described = [image_id for image_id in store.blocks if store.num_features(image_id)]
        sample = sorted(described, key=_hash)[: self.settings.num_training_images]
        vlad = learn_vlad([store.load(image_id) for image_id in sample], self.settings)
        save_vlad(self.run_dir / unit.outputs[0], vlad)
        return {"training_images": len(sample), "dimensions": vlad.dimensions}


@dataclass(frozen=True)
class Embed:
    """Apply the embedder; one unit per shard."""

    run_dir: Path
    timeout_seconds: float

    name: ClassVar[str] = "embed"
    version: ClassVar[int] = 1
    isolate: ClassVar[bool] = True

    def plan(self) -> list[Unit]:
        """One unit per part of the table `features`."""
        codebook = output_digests(self.run_dir, LearnCodebook.name)
        features = output_digests(self.run_dir, Describe.name)
        units = []
        for path in features:
            if path.endswith(".parquet"):
                name = Path(path).stem
                blocks = f"features/{name}.bin"
                unit = make_unit(
                    self,
                    name,
                    spec={"features": path},
                    outputs=[f"embeddings/{name}.npy", f"embeddings/{name}.parquet"],
                    inputs=codebook | {path: features[path], blocks: features[blocks]},
                    settings={},
                )
                units.append(unit)
        return units

    def run(self, unit: Unit, in_flight: InFlight) -> Counts:  # noqa: ARG002  (nothing to decode)
        """Write the descriptors as a table and as a matrix for mapping."""
        store = FeatureStore([self.run_dir / str(unit.spec["features"])])
        vlad = open_vlad(self.run_dir)
        images = [_StoredImage(image_id, store) for image_id in store.blocks]
        described = [
            describe_result(image.image_id, descriptor)
            for image, descriptor in zip(images, vlad.embed(images), strict=True)
        ]
        return write_embeddings(self.run_dir / unit.outputs[1], described, vlad.dimensions)


@dataclass(frozen=True)
class _StoredImage:
    """An `EmbeddingInput` with stored features; VLAD asks for nothing else."""

    image_id: str
    store: FeatureStore

    def load_features(self) -> LocalFeatures:
        return self.store.load(self.image_id)

    def load_image(self) -> NDArray[np.uint8]:
        raise NotImplementedError(
            f"image {self.image_id}: this stage reads features, not pixels; "
            "use an embedder that aggregates features"
        )


def _hash(image_id: str) -> bytes:
    return hashlib.sha256(image_id.encode()).digest()
