"""Stage 3, embed, with a network: reads pixels from the shards, needs no local features.

A GPU has one owner: there it is one worker process, in which threads decode. On a CPU the worker
processes are the parallelism, each with its own network and one thread.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from curation.shard_images import ShardImage
from manifests.arrow_schemas import IMAGES
from manifests.parquet_io import read_table
from manifests.rows import ImageStatus
from pipelines.embedders import digest_checkpoint
from pipelines.embedding_parts import write_embeddings
from pipelines.in_flight import InFlight, read_crashes
from pipelines.markers import CRASHES_SUFFIX, output_digests
from pipelines.settings import NetworkEmbedSettings, SourceSettings
from pipelines.stages.ingest import MISSING, Join
from pipelines.units import Counts, Unit, make_unit

_COLUMNS = ["image_id", "shard", "offset", "num_bytes", "width", "height", "status"]


@dataclass(frozen=True)
class EmbedByNetwork:
    """Describe every usable image by a network; one unit per shard.

    Attributes:
        num_workers: threads that decode beside a GPU.
    """

    run_dir: Path
    source: SourceSettings
    settings: NetworkEmbedSettings
    num_workers: int
    item_timeout_seconds: float
    timeout_seconds: float

    name: ClassVar[str] = "embed"
    version: ClassVar[int] = 1
    isolate: ClassVar[bool] = True

    @property
    def max_children(self) -> int | None:
        """See `pipelines.units.LimitedStage`: one process for a GPU."""
        return 1 if self._has_gpu() else None

    @property
    def wants_gpu(self) -> bool:
        """See `pipelines.units.GpuStage`: unless the settings say to use the CPU."""
        return self.settings.device != "cpu"

    def plan(self) -> list[Unit]:
        """One unit per part of the table `images`."""
        checkpoint = digest_checkpoint(self.settings)
        return [
            make_unit(
                self,
                Path(part).stem,
                spec={"images": part},
                outputs=[f"embeddings/{Path(part).stem}.npy", f"embeddings/{Path(part).name}"],
                inputs={part: digest, "checkpoint": checkpoint},
                settings=self.settings.dump_decisive(),
            )
            for part, digest in output_digests(self.run_dir, Join.name).items()
            if Path(part).name != MISSING
        ]

    def run(self, unit: Unit, in_flight: InFlight) -> Counts:
        """Write the descriptors of the shard's usable images."""
        # Loads torch, which a job without a network need not have.
        from pipelines.network_embedding import Decoding, describe_shard, find_device, open_network

        device = find_device(self.settings.device)
        embedder = open_network(self.settings, digest_checkpoint(self.settings), device)
        images = self._list_images(unit)
        in_flight.expect(len(images))
        decoding = Decoding(
            self._count_threads(unit), self.item_timeout_seconds, self.timeout_seconds
        )
        described = describe_shard(embedder, images, decoding, in_flight)
        return write_embeddings(self.run_dir / unit.outputs[1], described, embedder.dimensions)

    def _list_images(self, unit: Unit) -> list[ShardImage]:
        rows = read_table(self.run_dir / str(unit.spec["images"]), IMAGES, _COLUMNS).to_pylist()
        return [
            ShardImage(
                image_id=row["image_id"],
                shard=self.source.root / row["shard"],
                offset=row["offset"],
                num_bytes=row["num_bytes"],
                width=row["width"],
                height=row["height"],
            )
            for row in rows
            if row["status"] == ImageStatus.OK
        ]

    def _count_threads(self, unit: Unit) -> int:
        crashes = unit.state_path(self.run_dir, CRASHES_SUFFIX)
        if not self._has_gpu() or read_crashes(crashes, unit.fingerprint):
            return 1
        return self.num_workers

    def _has_gpu(self) -> bool:
        from pipelines.network_embedding import find_device

        return find_device(self.settings.device).type != "cpu"
