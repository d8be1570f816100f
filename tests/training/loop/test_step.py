"""One step: parts, clipping, precision, and what is frozen."""

import pytest
import torch
from small_networks import SMALL, make_network
from torch import nn

from training.learning_rate import LearningRateSettings, make_scheduler
from training.loop.model import TrainedModel, prepare_model
from training.loop.optimisation import build_optimiser, build_scaler
from training.loop.step import Stepper
from training.losses import LossSettings, make_objective
from training.manifest_dataset import Batch
from training.recipe import OptimiserSettings

CPU = torch.device("cpu")


def make_batch(num_images=6):
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (num_images, 3, 64, 64), generator=generator, dtype=torch.uint8)
    return Batch(images, torch.arange(num_images) % 3)


def make_stepper(
    *, freeze=False, batch_norm="local", precision="float32", optimiser=None, **options
):
    torch.manual_seed(0)
    network = make_network()
    if freeze:
        network.freeze_backbone()
    model = TrainedModel(network, make_objective(LossSettings(), 3, SMALL.dimensions), batch_norm)
    prepare_model(model, batch_norm, CPU)
    built = build_optimiser(model.train(), optimiser or OptimiserSettings(), 0.01)
    schedule = make_scheduler(
        built, LearningRateSettings(warmup_epochs=0), steps_per_epoch=10, num_epochs=1
    )
    scaler = build_scaler(precision, CPU)
    return Stepper(model, built, schedule, scaler, precision=precision, **options)


def snapshot(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def find_changed(before, module):
    after = module.state_dict()
    return {name for name, value in before.items() if not torch.equal(value, after[name])}


def test_a_frozen_backbone_stays_as_it_is_to_the_last_statistic():
    stepper = make_stepper(freeze=True)
    before = snapshot(stepper.model)
    for _ in range(2):
        stepper.take(make_batch())
    changed = find_changed(before, stepper.model)
    assert not any(name.startswith("network.backbone.") for name in changed)
    assert {"network.projection.0.weight", "objective.head.weight"} <= changed


def test_a_backbone_that_is_not_frozen_learns_with_its_statistics():
    stepper = make_stepper()
    before = snapshot(stepper.model)
    stepper.take(make_batch())
    changed = find_changed(before, stepper.model)
    assert {"network.backbone.conv1.weight", "network.backbone.bn1.running_mean"} <= changed


def test_frozen_batch_norm_keeps_its_statistics_and_learns_its_weights():
    stepper = make_stepper(batch_norm="frozen")
    before = snapshot(stepper.model)
    stepper.take(make_batch())
    changed = find_changed(before, stepper.model)
    assert not any("running" in name or "num_batches" in name for name in changed)
    assert "network.backbone.bn1.weight" in changed


@pytest.mark.parametrize("num_parts", [2, 3, 6, 4])
def test_a_batch_in_parts_gives_the_same_step(num_parts):
    # Batch normalisation would see the parts one by one.
    whole = make_stepper(batch_norm="frozen")
    parted = make_stepper(batch_norm="frozen", num_parts=num_parts)
    assert float(whole.take(make_batch())) == pytest.approx(float(parted.take(make_batch())))
    for name, value in whole.model.state_dict().items():
        torch.testing.assert_close(parted.model.state_dict()[name], value, rtol=1e-4, atol=1e-6)


def test_a_long_gradient_is_shortened():
    plain, clipped = make_stepper(), make_stepper(clip_norm=1e-3)
    moved = []
    for stepper in (plain, clipped):
        before = snapshot(stepper.model)
        stepper.take(make_batch())
        weights = [w for group in stepper.optimiser.param_groups for w in group["params"]]
        moved.append(nn.utils.get_total_norm([w.grad for w in weights]).item())
        assert find_changed(before, stepper.model)
    assert moved[0] > 1e-2
    assert moved[1] == pytest.approx(1e-3, rel=1e-2)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_comes_close(precision):
    whole, half = make_stepper(), make_stepper(precision=precision)
    expected = float(whole.take(make_batch()))
    assert float(half.take(make_batch())) == pytest.approx(expected, rel=0.05)
    assert half.scaler.is_enabled() == (precision == "float16")
    assert half.model.network.backbone.conv1.weight.dtype == torch.float32


def test_adamw_is_the_other_optimiser():
    stepper = make_stepper(optimiser=OptimiserSettings(kind="adamw"))
    assert isinstance(stepper.optimiser, torch.optim.AdamW)


def test_synchronised_batch_norm_needs_a_gpu():
    model = TrainedModel(make_network(), make_objective(LossSettings(), 3, SMALL.dimensions))
    with pytest.raises(ValueError, match="GPUs only"):
        prepare_model(model, "synchronised", CPU)
