"""Stage 3, embed: a global descriptor of every image.

Two steps. `embed.codebook` learns VLAD from a sample of the run's own images; `embed` applies it.
A network that is loaded instead of learned has no first step.
"""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from curation.vlad import Vlad, learn_vlad, load_vlad, save_vlad
from manifests.arrow_schemas import EMBEDDINGS
from manifests.atomic import replacing
from manifests.feature_store import FeatureStore
from manifests.features import Embedder, LocalFeatures
from manifests.parquet_io import write_rows
from manifests.rows import ImageReason, ImageStatus
from pipelines.in_flight import InFlight
from pipelines.markers import output_digests
from pipelines.run_tables import matrix_path, open_features
from pipelines.settings import EmbedSettings
from pipelines.stages.describe import Describe
from pipelines.units import Counts, Unit, make_unit

CODEBOOK = "embeddings/codebook.vlad"


@dataclass(frozen=True)
class LearnCodebook:
    """Learn the codebook and the whitening; one unit."""

    run_dir: Path
    settings: EmbedSettings
    timeout_seconds: float

    name: ClassVar[str] = "embed.codebook"
    version: ClassVar[int] = 1
    isolate: ClassVar[bool] = True

    def plan(self) -> list[Unit]:
        """A single unit that depends on all features."""
        unit = make_unit(
            self,
            "codebook",
            spec={},
            outputs=[CODEBOOK],
            inputs=output_digests(self.run_dir, Describe.name),
            settings=self.settings.model_dump(mode="json"),
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
        descriptors = _embed(vlad, images)
        rows = [
            {
                "image_id": image.image_id,
                "descriptor": descriptor,
                "status": ImageReason.NO_FEATURES if descriptor is None else ImageStatus.OK,
            }
            for image, descriptor in zip(images, descriptors, strict=True)
        ]
        part = self.run_dir / unit.outputs[1]
        with replacing(matrix_path(part)) as temporary, temporary.open("wb") as stream:
            np.save(stream, _as_matrix(descriptors, vlad.dimensions), allow_pickle=False)
        write_rows(part, EMBEDDINGS, rows)
        num_described = sum(descriptor is not None for descriptor in descriptors)
        return {"images": len(rows), "described": num_described}


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


def open_vlad(run_dir: Path) -> Vlad:
    """The embedder that the run has learned."""
    digest = output_digests(run_dir, LearnCodebook.name)[CODEBOOK]
    return _open_vlad(run_dir / CODEBOOK, digest)


@lru_cache(maxsize=1)
def _open_vlad(path: Path, _: str) -> Vlad:
    return load_vlad(path)


def _embed(embedder: Embedder, images: list[_StoredImage]) -> list[NDArray[np.float16] | None]:
    return [
        None if descriptor is None else descriptor.astype(np.float16)
        for descriptor in embedder.embed(images)
    ]


def _as_matrix(
    descriptors: list[NDArray[np.float16] | None], dimensions: int
) -> NDArray[np.float16]:
    """Stack descriptors, float16 (n, d); NaN where there is none, so that nobody can use it."""
    nothing = np.full(dimensions, np.nan, np.float16)
    rows = [nothing if descriptor is None else descriptor for descriptor in descriptors]
    return np.stack(rows) if rows else np.empty((0, dimensions), np.float16)


def _hash(image_id: str) -> bytes:
    return hashlib.sha256(image_id.encode()).digest()
