"""The loop on drawn pictures: learning, stopping and going on, broken images, what is written."""

import os
import signal

import numpy as np
import pytest
import torch
from drawn_manifest import write_drawn_split
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from manifests.input_error import InputError
from networks.checkpoints import load_checkpoint
from training.loop.distributed import World
from training.loop.tensorboard import TensorBoardWriter
from training.loop.trainer import train

ALONE = World(0, 1, torch.device("cpu"))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return write_drawn_split(tmp_path_factory.mktemp("drawn"))


class Watcher:
    """Keeps what it is told, and sends this process a signal after some step."""

    def __init__(self, stop_after=None, number=signal.SIGTERM):
        self.stop_after, self.number = stop_after, number
        self.plan, self.reports, self.results, self.images = None, [], [], []

    def start(self, plan):
        self.plan = plan

    def see_images(self, step, images):
        self.images.append((step, images))

    def advance(self, step):
        if step == self.stop_after:
            os.kill(os.getpid(), self.number)

    def report(self, report):
        self.reports.append(report)

    def end_epoch(self, result):
        self.results.append(result)


def run(recipe, out, **options):
    watcher = Watcher(**options)
    return train(recipe, out, ALONE, [watcher]), watcher


def assert_same_training(first, second):
    """Same bits everywhere: weights, momenta, schedule, averages, generators, history."""
    for name in ("network.pt", "last.pt"):
        states = [torch.load(out / name, weights_only=True) for out in (first, second)]
        assert list(find_differences(*states)) == []


def find_differences(first, second, name=""):
    if isinstance(first, dict) and isinstance(second, dict):
        for key in first.keys() | second.keys():
            yield from find_differences(first.get(key), second.get(key), f"{name}.{key}")
    elif isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        for number, pair in enumerate(zip(first, second, strict=True)):
            yield from find_differences(*pair, f"{name}.{number}")
    elif isinstance(first, torch.Tensor) and isinstance(second, torch.Tensor):
        if not torch.equal(first, second):
            yield name
    elif first != second:
        yield name


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {
            "weight_average": {"decay": 0.9},
            "network": {"backbone": "resnet18", "dimensions": 8, "neck": {"num_channels": 32}},
            "precision": "float16",
        },
    ],
    ids=["plain", "random_layers_average_scaler"],
)
def test_stopped_and_gone_on_is_never_stopped_bit_for_bit(drawn, tmp_path, settings):
    recipe = drawn.recipe(**settings)
    whole, _ = run(recipe, tmp_path / "whole")
    first, watcher = run(recipe, tmp_path / "parted", stop_after=4)
    assert (first.step, first.is_finished) == (4, False)
    second, _ = run(recipe, tmp_path / "parted")
    assert watcher.plan.num_steps == whole.step == second.step == 6
    assert second.history == whole.history
    assert_same_training(tmp_path / "parted", tmp_path / "whole")


def test_a_killed_training_goes_on_from_its_last_checkpoint(drawn, tmp_path):
    class KilledError(Exception):
        pass

    class Killer(Watcher):
        def advance(self, step):
            if step == 3:
                raise KilledError

    recipe = drawn.recipe(checkpoints={"every_steps": 2})
    with pytest.raises(KilledError):
        train(recipe, tmp_path / "parted", ALONE, [Killer()])
    _, watcher = run(recipe, tmp_path / "parted")
    assert watcher.plan.first_step == 2
    run(recipe, tmp_path / "whole")
    assert_same_training(tmp_path / "parted", tmp_path / "whole")


def test_workers_give_the_same_bits(drawn, tmp_path):
    run(drawn.recipe(epochs=1), tmp_path / "without")
    with_workers = drawn.recipe(
        epochs=1, data={"manifest": drawn.manifest, "shards": drawn.shards, "num_workers": 1}
    )
    run(with_workers, tmp_path / "with")
    assert_same_training(tmp_path / "with", tmp_path / "without")


def test_a_finished_training_is_not_done_again(drawn, tmp_path):
    recipe = drawn.recipe(epochs=1)
    first, _ = run(recipe, tmp_path)
    before = (tmp_path / "last.pt").stat().st_mtime_ns
    second, watcher = run(recipe, tmp_path)
    assert second == first
    assert watcher.reports == []
    assert (tmp_path / "last.pt").stat().st_mtime_ns == before


def test_another_recipe_or_manifest_does_not_go_on(drawn, tmp_path):
    run(drawn.recipe(epochs=1), tmp_path / "out")
    with pytest.raises(InputError, match=r"other settings of epochs, seed; .*another --out"):
        run(drawn.recipe(epochs=2, seed=1), tmp_path / "out")
    other = write_drawn_split(tmp_path / "other", num_train=7)
    with pytest.raises(InputError, match=r"begun on another manifest"):
        run(other.recipe(epochs=1), tmp_path / "out")


def test_drawn_classes_are_learned(drawn, tmp_path):
    recipe = drawn.recipe(
        epochs=6,
        batch_norm="local",
        optimiser={"kind": "adamw"},
        learning_rate={"peak": 0.001, "warmup_epochs": 1},
    )
    _, watcher = run(recipe, tmp_path)
    first, last = watcher.results[0], watcher.results[-1]
    assert last.loss < first.loss
    assert last.accuracy >= 5 / 6  # chance: 1/3
    assert last.mean_average_precision > 0.8


def test_the_network_alone_is_a_checkpoint_that_describes(drawn, tmp_path):
    run(drawn.recipe(epochs=1, checkpoints={"keep_every_epochs": 1}), tmp_path)
    network = load_checkpoint(tmp_path / "network.pt").build()
    kept = load_checkpoint(tmp_path / "networks" / "epoch_001.pt").build()
    images = torch.rand(2, 3, 64, 64)
    descriptors = network(images)
    torch.testing.assert_close(descriptors.norm(dim=1), torch.ones(2))
    assert torch.equal(kept(images), descriptors)


def test_the_second_stage_starts_at_the_backbone_of_the_first(drawn, tmp_path):
    run(drawn.recipe(epochs=1), tmp_path / "first")
    stage_two = drawn.recipe(
        epochs=1,
        network={"backbone": "resnet18", "dimensions": 8, "neck": {"num_channels": 32}},
        weights=str(tmp_path / "first" / "network.pt"),
        freeze_backbone=True,
    )
    run(stage_two, tmp_path / "second")
    first, second = (
        load_checkpoint(tmp_path / n / "network.pt").state for n in ("first", "second")
    )
    backbone = [name for name in second if name.startswith("backbone.")]
    assert backbone
    assert all(torch.equal(first[name], second[name]) for name in backbone)


def test_a_loss_of_pairs_gets_batches_of_classes(drawn, tmp_path):
    recipe = drawn.recipe(
        epochs=1, loss={"name": "triplet"}, batches={"long_side_px": 64, "images_per_class": 2}
    )
    _, watcher = run(recipe, tmp_path)
    assert np.isfinite([report.loss for report in watcher.reports]).all()
    assert watcher.results[0].accuracy is None
    with pytest.raises(ValueError, match="images_per_class"):
        run(drawn.recipe(loss={"name": "triplet"}), tmp_path / "other")


@pytest.fixture
def broken_split(tmp_path):
    split = write_drawn_split(tmp_path / "broken")
    with (split.shards / "train" / "images_000.tar").open("r+b") as stream:
        stream.seek(split.rows()[3]["offset"])
        stream.write(b"no image any more")
    return split


def test_a_broken_image_ends_the_training_by_name(broken_split, tmp_path):
    data = {"manifest": broken_split.manifest, "shards": broken_split.shards, "num_workers": 0}
    recipe = broken_split.recipe(epochs=1, data=data | {"num_checked_images": 0})
    message = r"image 0{15}3 in train/images_000.tar at offset \d+: .*data.skip_broken"
    with pytest.raises(InputError, match=message):
        run(recipe, tmp_path / "out")
    skipping = broken_split.recipe(
        epochs=1, data=data | {"num_checked_images": 0, "skip_broken": True}
    )
    result, watcher = run(skipping, tmp_path / "skipping")
    assert result.is_finished
    assert watcher.reports[-1].num_broken >= 1


def test_a_loss_that_explodes_is_noticed(drawn, tmp_path):
    recipe = drawn.recipe(learning_rate={"peak": 1e30, "warmup_epochs": 0})
    with pytest.raises(FloatingPointError, match=r"at step \d+: lower learning_rate.peak"):
        run(recipe, tmp_path)


def test_curves_and_images_are_written(drawn, tmp_path):
    with TensorBoardWriter(tmp_path / "curves") as writer:
        train(drawn.recipe(epochs=1), tmp_path, ALONE, [writer])
    events = EventAccumulator(str(tmp_path / "curves"))
    events.Reload()
    tags = events.Tags()
    assert "train/images" in tags["images"]
    assert {"train/loss", "val/accuracy", "speed/images_per_second"} <= set(tags["scalars"])
    assert [event.step for event in events.Scalars("train/loss")] == [1, 2, 3]
