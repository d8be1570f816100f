"""A run and a checkpoint become a checkpoint with whitening."""

from dataclasses import dataclass, replace
from pathlib import Path

from manifests.input_error import InputError
from networks.checkpoints import load_checkpoint, save_checkpoint
from networks.inference import InferenceSettings, NetworkEmbedder
from networks.retrieval_network import RetrievalNetwork
from pipelines.markers import output_digests
from pipelines.network_embedding import find_device
from pipelines.run_folder import read_config, table_parts
from pipelines.stages.emit import DEOVERLAPPED, FOLDER
from pipelines.stages.overlap import Overlap
from pipelines.stages.verify import Verify
from training.manifest_checks import check_files
from training.manifest_images import read_split
from training.whitening import (
    WhiteningSettings,
    choose_pairs,
    describe_pairs,
    find_suspect_classes,
    learn_whitening,
)


@dataclass(frozen=True)
class WhiteningReport:
    """What a whitening was learned from."""

    num_pairs: int
    num_images: int
    num_suspect_classes: int
    dimensions: int


def whiten_checkpoint(
    run_dir: Path,
    checkpoint_path: Path,
    out: Path,
    settings: WhiteningSettings,
    inference: InferenceSettings,
    device: str = "auto",
) -> WhiteningReport:
    """Learn whitening for a network on the verified pairs of a run.

    Args:
        run_dir: a finished run; its own embedder does not matter.
        checkpoint_path: the network; whitening that it has already is left out of account.
        out: where the network is written with its whitening.
        settings: method and pairs.
        inference: sizes and scales, best those that the network will be applied with.
        device: as in `embed.network.device`.

    Raises:
        InputError: the run is not finished, has too few pairs, or the checkpoint holds no network
            of global descriptors.
    """
    checkpoint = load_checkpoint(checkpoint_path)
    network = checkpoint.build()
    if not isinstance(network, RetrievalNetwork):
        raise InputError(f"{checkpoint_path}: no network of global descriptors")
    manifest = run_dir / FOLDER / DEOVERLAPPED
    check_files(manifest)
    images = read_split(manifest, "train")
    has_candidates = bool(output_digests(run_dir, Overlap.name))
    suspects = find_suspect_classes(table_parts(run_dir, Overlap.name) if has_candidates else ())
    allowed = {image_id.decode() for image_id in images.image_ids}
    matches = table_parts(run_dir, Verify.name)
    pairs = choose_pairs(matches, allowed, suspects, settings)
    if not pairs:
        raise InputError(f"{run_dir}: no verified pairs in classes that no evaluation set shows")
    embedder = NetworkEmbedder(network, inference, device=find_device(device))
    named = describe_pairs(embedder, pairs, images, read_config(run_dir).source.root)
    whitening = learn_whitening(named, pairs, settings)
    save_checkpoint(out, replace(checkpoint, whitening=whitening))
    return WhiteningReport(len(pairs), len(named.names), len(suspects), len(whitening.projection))
