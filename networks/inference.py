"""Global descriptors of many images, on a CPU or a GPU."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from manifests.features import EmbeddingInput
from networks.inference_settings import InferenceSettings, Precision
from networks.pixels import fit_group, resize_image, to_float, to_tensor
from networks.retrieval_network import RetrievalNetwork
from networks.scales import describe_at_scales
from networks.whitening import Whitening

__all__ = ["InferenceSettings", "NetworkEmbedder", "Precision", "prepare_image"]

_LOG = logging.getLogger(__name__)


class NetworkEmbedder:
    """A network as an embedder; implements `manifests.features.Embedder`.

    The network is moved to the device and put into evaluation mode.

    The same images in the same order give the same batches and so, on the same machine, the same
    bits, as long as the memory suffices.
    """

    def __init__(
        self,
        network: RetrievalNetwork,
        settings: InferenceSettings | None = None,
        *,
        whitening: Whitening | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        self.settings = settings or InferenceSettings()
        self._whitening = whitening
        self._device = torch.device(device)
        self._network = network.to(self._device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        self._batch_size = self.settings.batch_size

    @property
    def dimensions(self) -> int:
        """Length of a descriptor."""
        if self._whitening is None:
            return int(self._network.dimensions)
        return len(self._whitening.projection)

    def embed(self, images: Sequence[EmbeddingInput]) -> list[NDArray[np.float32] | None]:
        """Describe images; see `manifests.features.Embedder`."""
        return self.embed_prepared(self.prepare(image.load_image()) for image in images)

    def prepare(self, pixels: NDArray[np.uint8]) -> Tensor:
        """Resize an RGB image, uint8 (height, width, 3), to the size of its aspect group.

        Needs no network and no device, so that workers can do it in parallel.

        Returns:
            uint8 (3, height, width), both sides multiples of 32.
        """
        return prepare_image(pixels, self.settings.long_side_px)

    @torch.inference_mode()
    def embed_prepared(self, images: Iterable[Tensor]) -> list[NDArray[np.float32] | None]:
        """Describe images that `prepare` has resized, which may come one by one.

        Returns:
            As `manifests.features.Embedder.embed`.

        Raises:
            FloatingPointError: a descriptor has values that are no numbers.
            torch.OutOfMemoryError: the device has not memory enough for a single image.
        """
        described: list[tuple[list[int], Tensor]] = []
        for indices, batch in self._group(images):
            described.append((indices, self._describe(batch)))
        return self._finish(described)

    def _group(self, images: Iterable[Tensor]) -> Iterator[tuple[list[int], Tensor]]:
        """Batches of images of one size, with their positions in the input."""
        waiting: dict[tuple[int, ...], list[tuple[int, Tensor]]] = {}
        for index, image in enumerate(images):
            group = waiting.setdefault(tuple(image.shape), [])
            group.append((index, image))
            if len(group) >= self._batch_size:
                yield _stack(waiting.pop(tuple(image.shape)))
        for group in waiting.values():
            yield _stack(group)

    def _describe(self, batch: Tensor) -> Tensor:
        """Descriptors of a batch, uint8 (batch, 3, height, width), which stay on the device."""
        parts: list[Tensor] = []
        done = 0
        while done < len(batch):
            part = batch[done : done + self._batch_size]
            described = self._run_if_it_fits(part)
            if described is None:
                self._shrink_batch(len(part))
            else:
                parts.append(described)
                done += len(part)
        return torch.cat(parts)

    def _run_if_it_fits(self, batch: Tensor) -> Tensor | None:
        try:
            return self._run(batch)
        except torch.OutOfMemoryError as error:
            if len(batch) > 1:
                return None
            error.add_note("not even one image fits: lower long_side_px or the largest scale")
            raise

    def _shrink_batch(self, failed_size: int) -> None:
        self._batch_size = failed_size // 2
        _LOG.warning("out of memory at %d images, going on with %d", failed_size, self._batch_size)
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _run(self, batch: Tensor) -> Tensor:
        if self._device.type == "cuda":
            batch = batch.pin_memory()
        images = to_float(batch.to(self._device, non_blocking=True))
        images = images.contiguous(memory_format=torch.channels_last)
        with self._autocast():
            return describe_at_scales(
                self._network, images, self.settings.scales, self.settings.scale_power
            )

    def _autocast(self) -> AbstractContextManager[object]:
        dtype = getattr(torch, self.settings.precision)
        return torch.autocast(self._device.type, dtype, enabled=dtype is not torch.float32)

    def _finish(
        self, described: list[tuple[list[int], Tensor]]
    ) -> list[NDArray[np.float32] | None]:
        results: dict[int, NDArray[np.float32] | None] = {}
        for indices, on_device in described:
            vectors = on_device.cpu().numpy()
            if not np.isfinite(vectors).all():
                raise FloatingPointError(
                    "a descriptor has values that are no numbers: "
                    "use precision bfloat16 or float32, and check the weights"
                )
            if self._whitening is not None:
                vectors = self._whitening.apply(vectors)
            for index, vector in zip(indices, vectors, strict=True):
                results[index] = vector if vector.any() else None
        return [results[index] for index in range(len(results))]


def prepare_image(pixels: NDArray[np.uint8], long_side_px: int) -> Tensor:
    """Resize an RGB image, uint8 (height, width, 3), to the size of its aspect group."""
    height, width = pixels.shape[:2]
    return resize_image(to_tensor(pixels), *fit_group(width, height, long_side_px))


def _stack(group: list[tuple[int, Tensor]]) -> tuple[list[int], Tensor]:
    return [index for index, _ in group], torch.stack([image for _, image in group])
