"""The trainer's loop beside a bare one: same network, same decoder, same batches. JSON out."""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader
from torch.utils.flop_counter import FlopCounterMode

from training.loop.build import build_state
from training.loop.data import open_data
from training.loop.distributed import World, joined_world
from training.loop.loading import make_training_loader
from training.loop.observers import EpochResult, StepReport, TrainingPlan
from training.loop.trainer import train
from training.manifest_dataset import Batch, ManifestDataset, collate, prepare_worker
from training.recipe import Recipe
from training.recipe_file import load_recipe

GOAL = 0.9
WARMUP_STEPS = 3


class StepTimer:
    """Notes when each step of the trainer was over."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.wait_shares: list[float] = []

    def start(self, plan: TrainingPlan) -> None:  # noqa: ARG002  (the protocol's)
        """The first step begins."""
        self.times.append(_now())

    def see_images(self, step: int, images: torch.Tensor) -> None:
        """Not timed."""

    def advance(self, step: int) -> None:  # noqa: ARG002  (the protocol's)
        """A step is over."""
        self.times.append(_now())

    def report(self, report: StepReport) -> None:
        """Some steps are over."""
        self.wait_shares.append(report.wait_share)

    def end_epoch(self, result: EpochResult) -> None:
        """Not timed."""


def main() -> None:
    arguments = _parse_arguments()
    one_epoch = ["epochs=1", "learning_rate.warmup_epochs=0"]
    recipe = load_recipe(arguments.config, [*arguments.overrides, *one_epoch])
    with joined_world(recipe.device) as world:
        summary = measure(recipe, world, arguments.repeats, arguments.peak_tflops)
    json.dump(summary, sys.stdout, indent=2)
    print()


def measure(
    recipe: Recipe, world: World, repeats: int, peak_tflops: float | None
) -> dict[str, Any]:
    """Let both loops take turns on one epoch; compare their images per second."""
    runs: dict[str, list[float]] = {"ours": [], "bare": []}
    timer = StepTimer()
    for _ in range(repeats):
        runs["bare"].append(_time_bare(recipe, world))
        timer = StepTimer()
        runs["ours"].append(_time_ours(recipe, world, timer))
    speed = {name: statistics.median(values) for name, values in runs.items()}
    summary: dict[str, Any] = {
        "device": _name_device(world.device),
        "network": recipe.network_settings.backbone,
        "long_side_px": recipe.batches.long_side_px,
        "batch_size": recipe.batch_size,
        "precision": recipe.precision,
        "num_workers": recipe.data.num_workers,
        "images_per_second": speed,
        "all_runs": runs,
        "share_of_bare_loop": speed["ours"] / speed["bare"],
        "goal": GOAL,
        "share_waiting_for_images": statistics.mean(timer.wait_shares),
    }
    if peak_tflops is not None:
        flops = _count_flops_per_image(recipe, world)
        summary["gflops_per_image"] = flops / 1e9
        summary["share_of_peak"] = speed["ours"] * flops / (peak_tflops * 1e12)
    return summary


def _time_ours(recipe: Recipe, world: World, timer: StepTimer) -> float:
    with tempfile.TemporaryDirectory() as folder:
        train(recipe, Path(folder), world, [timer])
    # The first entry is the start; validation comes after the last step.
    return _images_per_second(timer.times[1:], recipe.batch_size)


def _time_bare(recipe: Recipe, world: World) -> float:
    """Zero gradients, forward, backward, step: what everybody writes first."""
    data = open_data(recipe.data)
    sampler = make_training_loader(data.train, recipe, world).sampler
    state = build_state(recipe, data.num_classes, len(sampler), world)
    dataset = ManifestDataset(data.train, recipe.data.shards, recipe.augmentation, seed=recipe.seed)
    workers = recipe.data.num_workers
    loader = DataLoader(
        dataset,
        batch_sampler=sampler,
        collate_fn=collate,
        num_workers=workers,
        worker_init_fn=prepare_worker,
        multiprocessing_context="spawn" if workers else None,
        prefetch_factor=recipe.data.num_prefetched if workers else None,
        pin_memory=world.device.type == "cuda",
    )
    model, optimiser = state.model, state.stepper.optimiser
    times = []
    dtype = getattr(torch, recipe.precision)
    for batch in _to_device(loader, world.device):
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast(world.device.type, dtype, enabled=dtype is not torch.float32):
            loss = model(batch.images, batch.labels)
        loss.backward()
        optimiser.step()
        times.append(_now())
    return _images_per_second(times, recipe.batch_size)


def _to_device(loader: DataLoader[Batch], device: torch.device) -> Iterator[Batch]:
    return (batch.to(device) for batch in loader)


def _images_per_second(times: list[float], batch_size: int) -> float:
    """From the full batches behind the first few steps; short ones at the end of groups are few."""
    steps = len(times) - 1 - WARMUP_STEPS
    if steps < 1:
        raise SystemExit(f"only {len(times)} steps: lower batch_size with --set")
    return steps * batch_size / (times[-1] - times[WARMUP_STEPS])


def _now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def _count_flops_per_image(recipe: Recipe, world: World) -> float:
    """Operations of forward and backward pass, two for a multiplication with its addition."""
    data = open_data(recipe.data)
    state = build_state(recipe, data.num_classes, 1000, world)
    batch = next(make_training_loader(data.train, recipe, world).iterate(0))
    with FlopCounterMode(display=False) as counter:
        state.model(batch.images, batch.labels).backward()
    return counter.get_total_flops() / len(batch)


def _name_device(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "config", type=Path, nargs="?", default=Path("configs/train/miniature.yaml"), help="recipe"
    )
    parser.add_argument(
        "--set", dest="overrides", action="append", default=[], metavar="KEY.PATH=VALUE"
    )
    parser.add_argument("--repeats", type=int, default=3, help="turns of each loop")
    parser.add_argument("--peak-tflops", type=float, help="of the device in this precision")
    return parser.parse_args()


if __name__ == "__main__":
    main()
