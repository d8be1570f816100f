"""Images of a manifest as batches: read from the shards by offset, decoded, augmented."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from curation.images import ImageError, decode_image
from manifests.input_error import InputError
from training.augmentation import AugmentationSettings, augment, resize_only
from training.group_size_sampler import ImageRequest
from training.manifest_images import ManifestImages
from training.shard_files import ShardFiles


@dataclass(frozen=True, eq=False)
class LabelledImage:
    """An image on its way into a batch.

    Attributes:
        pixels: uint8 (height, width, 3), RGB.
        label: class index.
    """

    pixels: NDArray[np.uint8]
    label: int


@dataclass(frozen=True)
class BrokenImage:
    """An image that could not be read; `reason` names image, shard and offset."""

    reason: str


@dataclass(frozen=True, eq=False)
class Batch:
    """Images of one size.

    Attributes:
        images: uint8 (num_images, 3, height, width), in the memory format channels_last.
        labels: int64 (num_images,).
        broken: reasons, one for each image that another of the batch stands in for.
    """

    images: Tensor
    labels: Tensor
    broken: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def pin_memory(self) -> "Batch":
        """Put the images where a GPU can fetch them by itself; called by torch's loader."""
        return Batch(self.images.pin_memory(), self.labels.pin_memory(), self.broken)

    def to(self, device: torch.device) -> "Batch":
        """The batch on a device; the host does not wait for the copy."""
        return Batch(
            self.images.to(device, non_blocking=True),
            self.labels.to(device, non_blocking=True),
            self.broken,
        )


class ManifestDataset(Dataset[LabelledImage | BrokenImage]):
    """A split; indexed by `ImageRequest`.

    What a request gives depends on the seed and on nothing else: not on the worker that serves it,
    nor on what that worker did before.

    Args:
        images: of the split.
        shards: folder that the names of shards count from.
        augmentation: None only resizes.
        seed: another seed gives other augmentations.
    """

    def __init__(
        self,
        images: ManifestImages,
        shards: Path,
        augmentation: AugmentationSettings | None,
        *,
        seed: int = 0,
    ) -> None:
        self.images = images
        self._files = ShardFiles(shards)
        self._augmentation = augmentation
        self._seed = seed

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, request: ImageRequest) -> LabelledImage | BrokenImage:
        """Read one image; an image that cannot be decoded is a value, not an exception.

        An exception would reach the user through torch's loader as a trace of a worker.
        """
        try:
            pixels = decode_image(self._read(request.row)).pixels
        except (ImageError, InputError) as error:
            return BrokenImage(f"{self.images.describe(request.row)}: {error}")
        label = int(self.images.class_index[request.row])
        return LabelledImage(self._shape(pixels, request), label)

    def _read(self, row: int) -> bytes:
        images = self.images
        shard = images.shards[images.shard_numbers[row]]
        return self._files.read(shard, int(images.offsets[row]), int(images.num_bytes[row]))

    def _shape(self, pixels: NDArray[np.uint8], request: ImageRequest) -> NDArray[np.uint8]:
        size = request.width_px, request.height_px
        if self._augmentation is None:
            return resize_only(pixels, size)
        rng = np.random.default_rng((self._seed, request.epoch, request.row, request.copy))
        return augment(pixels, size, rng, self._augmentation)


def collate(samples: Sequence[LabelledImage | BrokenImage]) -> Batch:
    """Make a batch; the place of a broken image, at the end, goes to the first one that is not.

    So all processes keep equally many images, as distributed training needs. If all are broken,
    the batch is empty.
    """
    whole = [sample for sample in samples if isinstance(sample, LabelledImage)]
    broken = tuple(sample.reason for sample in samples if isinstance(sample, BrokenImage))
    if not whole:
        return Batch(torch.empty((0, 3, 0, 0), dtype=torch.uint8), torch.empty(0).long(), broken)
    whole += [whole[0]] * len(broken)
    # Stacked with the channels last, as convolutions on a GPU like them; no copy is needed then.
    images = torch.from_numpy(np.stack([sample.pixels for sample in whole])).permute(0, 3, 1, 2)
    return Batch(images, torch.tensor([sample.label for sample in whole]), broken)


def prepare_worker(_worker: int) -> None:
    """Keep OpenCV and torch to one thread in a loader's worker: there are many workers."""
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
