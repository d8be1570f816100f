"""The embedder of a run, for stages that describe something beside its images."""

from functools import lru_cache
from pathlib import Path

from curation.vlad import Vlad, load_vlad
from manifests.features import Embedder
from manifests.lineage import digest_file, digest_json
from pipelines.markers import output_digests
from pipelines.settings import EmbedSettings, NetworkEmbedSettings

CODEBOOK_STEP = "embed.codebook"
CODEBOOK = "embeddings/codebook.vlad"


def open_embedder(run_dir: Path, settings: EmbedSettings) -> Embedder:
    """The embedder that has described the images of a run.

    A network is opened on the CPU and in single precision, whatever described the images: the
    evaluation queries are few, and the workers that ask for them would contend for one GPU.
    """
    network = settings.used_network
    if network is None:
        return open_vlad(run_dir)
    import torch

    from pipelines.network_embedding import open_network

    inference = network.inference.model_copy(update={"precision": "float32"})
    network = network.model_copy(update={"inference": inference})
    return open_network(network, digest_checkpoint(network), torch.device("cpu"))


def describe_embedder(run_dir: Path, settings: EmbedSettings) -> dict[str, str]:
    """Digests of all that an embedder's descriptors depend on, beside the image."""
    network = settings.used_network
    if network is None:
        return output_digests(run_dir, CODEBOOK_STEP)
    return {
        "checkpoint": digest_checkpoint(network),
        "inference": digest_json(network.dump_decisive()),
    }


def open_vlad(run_dir: Path) -> Vlad:
    """The VLAD that the run has learned."""
    return _open_vlad(run_dir / CODEBOOK, output_digests(run_dir, CODEBOOK_STEP)[CODEBOOK])


@lru_cache(maxsize=1)
def _open_vlad(path: Path, _: str) -> Vlad:
    return load_vlad(path)


def digest_checkpoint(settings: NetworkEmbedSettings) -> str:
    """SHA-256 of a network's checkpoint.

    Raises:
        FileNotFoundError: there is no such file.
    """
    status = settings.checkpoint.stat()
    return _digest(settings.checkpoint, status.st_size, status.st_mtime_ns)


# The size and the time are there so that a file that was replaced is read again.
@lru_cache(maxsize=4)
def _digest(path: Path, _num_bytes: int, _mtime_ns: int) -> str:
    return digest_file(path)
