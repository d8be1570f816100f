"""From the manifest to batches, in worker processes that live as long as the training."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch.utils.data import DataLoader

from manifests.input_error import InputError
from training.group_size_sampler import (
    GroupSizeSampler,
    GroupSizeSettings,
    ImageRequest,
    find_groups,
    group_size_px,
)
from training.loop.distributed import World
from training.manifest_dataset import Batch, ManifestDataset, collate, prepare_worker
from training.manifest_images import ManifestImages
from training.recipe import DataSettings, Recipe


@dataclass
class TrainingLoader:
    """The batches of this process, epoch by epoch.

    Attributes:
        loader: of torch.
        sampler: its sampler.
        device: to which batches go.
        skip_broken: go on without images that cannot be decoded.
        num_broken: images skipped so far.
        wait_seconds: time so far in which the loop had to wait for a batch.
    """

    loader: DataLoader[Batch]
    sampler: GroupSizeSampler
    device: torch.device
    skip_broken: bool
    num_broken: int = 0
    wait_seconds: float = field(default=0.0)

    def iterate(self, epoch: int, first_step: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from some step on, on the device.

        Raises:
            InputError: an image is broken and such images are not skipped, or all of a batch are.
        """
        self.sampler.start_at(epoch, first_step)
        batches = iter(self.loader)
        while True:
            started = time.perf_counter()
            batch = next(batches, None)
            self.wait_seconds += time.perf_counter() - started
            if batch is None:
                return
            self._count_broken(batch)
            yield batch.to(self.device)

    def _count_broken(self, batch: Batch) -> None:
        if batch.broken and not self.skip_broken:
            raise InputError(
                f"{batch.broken[0]}; set data.skip_broken to go on without such images"
            )
        if not len(batch):
            raise InputError(f"every image of a batch is broken, the first: {batch.broken[0]}")
        self.num_broken += len(batch.broken)


def make_training_loader(images: ManifestImages, recipe: Recipe, world: World) -> TrainingLoader:
    """Build the loader of one process.

    Raises:
        ValueError: the processes cannot share a batch evenly.
    """
    sampler = GroupSizeSampler(
        images.widths,
        images.heights,
        images.class_index,
        recipe.batches,
        batch_size=recipe.batch_size,
        seed=recipe.seed,
        rank=world.rank,
        world_size=world.size,
        min_classes=recipe.loss.min_classes_per_batch,
    )
    dataset = ManifestDataset(images, recipe.data.shards, recipe.augmentation, seed=recipe.seed)
    loader = _make_loader(dataset, sampler, recipe.data, world.device)
    return TrainingLoader(loader, sampler, world.device, recipe.data.skip_broken)


def make_validation_loader(
    images: ManifestImages, recipe: Recipe, world: World
) -> DataLoader[Batch]:
    """Build the loader of this process's share of the held-out images."""
    per_process = max(2, recipe.batch_size // world.size)
    batches = plan_in_order(images, recipe.batches, per_process)[world.rank :: world.size]
    dataset = ManifestDataset(images, recipe.data.shards, None)
    return _make_loader(dataset, batches, recipe.data, world.device)


def plan_in_order(
    images: ManifestImages, settings: GroupSizeSettings, batch_size: int
) -> list[list[ImageRequest]]:
    """Every image once, in batches of one size each, always the same ones."""
    groups = find_groups(images.widths, images.heights, settings)
    batches = []
    for group in np.unique(groups).tolist():
        size_px = group_size_px(group, settings)
        rows = np.flatnonzero(groups == group).tolist()
        for first in range(0, len(rows), batch_size):
            some = rows[first : first + batch_size]
            batches.append([ImageRequest(row, 0, *size_px) for row in some])
    return batches


def _make_loader(
    dataset: ManifestDataset,
    batches: GroupSizeSampler | Sequence[list[ImageRequest]],
    settings: DataSettings,
    device: torch.device,
) -> DataLoader[Batch]:
    num_workers = settings.num_workers
    return DataLoader(
        dataset,  # type: ignore[arg-type]
        batch_sampler=batches,
        num_workers=num_workers,
        collate_fn=collate,
        pin_memory=device.type == "cuda",
        worker_init_fn=prepare_worker,
        # A forked worker would inherit the threads and locks of torch and CUDA, half of them.
        multiprocessing_context="spawn" if num_workers else None,
        # Without one of its own the loader would draw from the generator that the network uses.
        generator=torch.Generator().manual_seed(0),
        prefetch_factor=settings.num_prefetched if num_workers else None,
        persistent_workers=num_workers > 0,
    )
