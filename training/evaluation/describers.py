"""What turns images into global descriptors, with the lineage that tells two of them apart."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from curation.sift import SiftSettings, extract_sift
from curation.vlad import Vlad
from manifests.features import LocalFeatures
from manifests.input_error import InputError
from manifests.lineage import digest_file
from networks.checkpoints import load_checkpoint
from networks.inference import InferenceSettings, NetworkEmbedder
from networks.retrieval_network import RetrievalNetwork
from networks.weights import WeightsError
from networks.whitening import Whitening

Lineage = Mapping[str, Any]
"""JSON values; equal lineages give equal descriptors."""

Prepared = TypeVar("Prepared")


class Describer(Protocol[Prepared]):
    """Describes images in two steps: many workers prepare, one describes."""

    @property
    def long_side_px(self) -> int:
        """Size to which whole images are reduced."""

    @property
    def dimensions(self) -> int:
        """Length of a descriptor."""

    @property
    def lineage(self) -> Lineage:
        """What the descriptors depend on besides the images."""

    def prepare(self, pixels: NDArray[np.uint8]) -> Prepared:
        """Do what needs no device; may run in several threads at once."""

    def embed_prepared(self, images: Iterable[Prepared]) -> list[NDArray[np.float32] | None]:
        """Describe prepared images, which come one by one; None where there is nothing to say."""


@dataclass(frozen=True, eq=False)
class NetworkDescriber:
    """A network, its sizes and scales, and its whitening."""

    embedder: NetworkEmbedder
    lineage: Lineage

    @property
    def long_side_px(self) -> int:
        """See `Describer`."""
        return self.embedder.settings.long_side_px

    @property
    def dimensions(self) -> int:
        """See `Describer`."""
        return self.embedder.dimensions

    def prepare(self, pixels: NDArray[np.uint8]) -> Tensor:
        """See `Describer`."""
        return self.embedder.prepare(pixels)

    def embed_prepared(self, images: Iterable[Tensor]) -> list[NDArray[np.float32] | None]:
        """See `Describer`."""
        return self.embedder.embed_prepared(images)


@dataclass(frozen=True, eq=False)
class VladDescriber:
    """Aggregated local features, with the codebook of a run."""

    vlad: Vlad
    features: SiftSettings
    lineage: Lineage

    @property
    def long_side_px(self) -> int:
        """See `Describer`."""
        return self.features.long_side_px

    @property
    def dimensions(self) -> int:
        """See `Describer`."""
        return self.vlad.dimensions

    def prepare(self, pixels: NDArray[np.uint8]) -> LocalFeatures:
        """See `Describer`."""
        return extract_sift(pixels, self.features)

    def embed_prepared(self, images: Iterable[LocalFeatures]) -> list[NDArray[np.float32] | None]:
        """See `Describer`."""
        return [self.vlad.describe(features) for features in images]


def open_checkpoint(
    path: Path,
    settings: InferenceSettings,
    *,
    whitening: Path | None = None,
    use_whitening: bool = True,
    device: str = "cpu",
) -> NetworkDescriber:
    """Open a network for evaluation.

    Args:
        path: a checkpoint of this project.
        settings: size, scales, precision.
        whitening: another checkpoint, whose whitening is taken instead of the own one.
        use_whitening: whiten at all.
        device: where the network runs.

    Raises:
        InputError: a file is missing, is no checkpoint or one of local features, or has no
            whitening.
    """
    try:
        checkpoint = load_checkpoint(path)
        network = checkpoint.build()
        chosen = _choose_whitening(checkpoint.whitening, whitening) if use_whitening else None
    except (OSError, WeightsError) as error:
        # torch's own explanation runs over many lines.
        reason = str(error).partition("\n")[0]
        raise InputError(f"{reason}; give a checkpoint that the trainer wrote") from error
    if not isinstance(network, RetrievalNetwork):
        raise InputError(
            f"{path}: a network of local features, which has no global descriptor; give the "
            "checkpoint of a retrieval network"
        )
    lineage = {
        "kind": "network",
        "checkpoint_sha256": digest_file(path),
        "whitening_sha256": None if whitening is None else digest_file(whitening),
        "is_whitened": chosen is not None,
        "network": checkpoint.network.model_dump(mode="json"),
        # How many images go through at a time depends on the device's memory, the result hardly.
        "inference": settings.model_dump(mode="json", exclude={"batch_size"}),
    }
    return NetworkDescriber(
        NetworkEmbedder(network, settings, whitening=chosen, device=device), lineage
    )


def make_vlad_describer(vlad: Vlad, codebook: Path, features: SiftSettings) -> VladDescriber:
    """Take the embedder that a run has learned; `codebook` is its file."""
    lineage = {
        "kind": "vlad",
        "codebook_sha256": digest_file(codebook),
        "features": features.model_dump(mode="json"),
    }
    return VladDescriber(vlad, features, lineage)


def _choose_whitening(own: Whitening | None, other: Path | None) -> Whitening | None:
    if other is None:
        return own
    found = load_checkpoint(other).whitening
    if found is None:
        raise InputError(f"{other}: this checkpoint holds no whitening; learn one first")
    return found
