"""Images out of shards through a network: the part of the embed stage that needs torch."""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby

import torch
from torch import Tensor

from curation.images import ImageError
from curation.shard_images import ShardImage
from manifests.input_error import InputError
from manifests.rows import ImageStatus
from networks.checkpoints import load_checkpoint
from networks.inference import NetworkEmbedder
from networks.pixels import fit_group
from networks.retrieval_network import RetrievalNetwork
from networks.weights import WeightsError
from pipelines.embedding_parts import Described, describe_result
from pipelines.in_flight import InFlight
from pipelines.settings import NetworkEmbedSettings
from pipelines.work_ahead import work_ahead

Prepared = Tensor | ImageStatus
"""An image ready for the network, or why it cannot be read."""

SEVERAL = "several images at once"
"""What is noted as in flight while threads decode; no image has this id."""

_DECODED_AT_ONCE_PX = 1 << 27
"""Pixels unpacked at the same time: about 1 GB, of which Pillow takes four bytes for each."""


def find_device(name: str) -> torch.device:
    """The device that a setting means; `auto` is the first GPU, or the CPU without one.

    Raises:
        InputError: there is no such device.
    """
    if name == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InputError(f"device {name!r}: give auto, cpu, cuda or cuda:N") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise InputError(
            f"device {name}: torch finds {torch.cuda.device_count()} GPUs; set it to auto or cpu, "
            "or install torch for this GPU"
        )
    return device


def open_network(
    settings: NetworkEmbedSettings, digest: str, device: torch.device
) -> NetworkEmbedder:
    """The network of a checkpoint as an embedder; loaded once per process.

    From then on torch computes with one thread here: units run side by side, one for each core,
    and one thread keeps the order of every sum whatever their number.

    Args:
        settings: the checkpoint and how it is applied.
        digest: of the checkpoint's content, so that a file that is replaced is loaded again.
        device: where it computes.

    Raises:
        InputError: the checkpoint is damaged, or holds no network of global descriptors.
    """
    torch.set_num_threads(1)
    return _open_network(settings, digest, device)


@lru_cache(maxsize=1)
def _open_network(settings: NetworkEmbedSettings, _: str, device: torch.device) -> NetworkEmbedder:
    try:
        checkpoint = load_checkpoint(settings.checkpoint)
        network = checkpoint.build()
    except WeightsError as error:
        raise InputError(f"embed.network.checkpoint: {error}") from error
    if not isinstance(network, RetrievalNetwork):
        raise InputError(
            f"embed.network.checkpoint: {settings.checkpoint}: a network of local features; "
            "give one of global descriptors"
        )
    whitening = checkpoint.whitening if settings.apply_whitening else None
    return NetworkEmbedder(network, settings.inference, whitening=whitening, device=device)


@dataclass(frozen=True)
class Decoding:
    """How images are decoded.

    Attributes:
        num_threads: images decoded at the same time, beside the network; 1 decodes on the thread
            of the network, and then the image that crashes a decoder is known.
        item_timeout_seconds: an image that takes longer hangs.
        unit_timeout_seconds: of all images together.
    """

    num_threads: int
    item_timeout_seconds: float
    unit_timeout_seconds: float


def describe_shard(
    embedder: NetworkEmbedder,
    images: Sequence[ShardImage],
    decoding: Decoding,
    in_flight: InFlight,
) -> list[Described]:
    """Describe the images of a shard, in the order given.

    Images go through the network sorted by size, so that batches are full and only one is waiting;
    which images share a batch depends on nothing but the list.
    """
    side_px = embedder.settings.long_side_px
    sizes = {i.image_id: fit_group(i.width, i.height, side_px) for i in images}
    by_size = sorted(images, key=lambda image: (sizes[image.image_id], image.image_id))
    decode = _decode_ahead if decoding.num_threads > 1 else _decode_one_by_one
    found: dict[str, Described] = {}
    with closing(decode(embedder, by_size, decoding, in_flight)) as prepared:
        for _, group in groupby(prepared, key=lambda pair: sizes[pair[0]]):
            found |= _describe_group(embedder, group)
    return [found[image.image_id] for image in images]


def _describe_group(
    embedder: NetworkEmbedder, group: Iterable[tuple[str, Prepared]]
) -> Mapping[str, Described]:
    """Describe images of one size as they come."""
    unreadable: dict[str, Described] = {}
    image_ids: list[str] = []

    def take_tensors() -> Iterator[Tensor]:
        for image_id, prepared in group:
            if isinstance(prepared, Tensor):
                image_ids.append(image_id)
                yield prepared
            else:
                unreadable[image_id] = Described(image_id, None, prepared)

    descriptors = embedder.embed_prepared(take_tensors())
    described = map(describe_result, image_ids, descriptors)
    return unreadable | {image.image_id: image for image in described}


def _decode_one_by_one(
    embedder: NetworkEmbedder,
    images: Sequence[ShardImage],
    decoding: Decoding,
    in_flight: InFlight,
) -> Generator[tuple[str, Prepared], None, None]:
    for image in images:
        if image.image_id in in_flight.crashed:
            yield image.image_id, ImageStatus.DECODER_CRASHED
            continue
        with in_flight.item(image.image_id, decoding.item_timeout_seconds):
            prepared = _prepare(embedder, image)
        yield image.image_id, prepared


def _decode_ahead(
    embedder: NetworkEmbedder,
    images: Sequence[ShardImage],
    decoding: Decoding,
    in_flight: InFlight,
) -> Generator[tuple[str, Prepared], None, None]:
    """Decode in threads, while the network works on earlier images.

    A crash cannot be laid at one image's door here. It is noted against all together, and the next
    attempt at the unit decodes one by one. An image that hangs is decoded once more on this
    thread, alone in the note, for the driver to see.
    """
    calls = work_ahead(
        lambda image: _prepare(embedder, image),
        images,
        lambda image: image.width * image.height,
        num_threads=decoding.num_threads,
        budget=_DECODED_AT_ONCE_PX,
    )
    with closing(calls):
        for image, call in calls:
            with in_flight.item(SEVERAL, decoding.unit_timeout_seconds):
                try:
                    prepared = call.result(decoding.item_timeout_seconds)
                except TimeoutError:
                    alone = _decode_one_by_one(embedder, [image], decoding, in_flight)
                    _, prepared = next(alone)
                yield image.image_id, prepared


def _prepare(embedder: NetworkEmbedder, image: ShardImage) -> Prepared:
    try:
        return embedder.prepare(image.load_image())
    except ImageError as error:
        return error.status


def check_network(settings: NetworkEmbedSettings) -> None:
    """Look whether a job can load its network, before it starts.

    Raises:
        InputError: the checkpoint cannot be used, or there is no such device.
    """
    find_device(settings.device)
    _open_network.__wrapped__(settings, "", torch.device("cpu"))
