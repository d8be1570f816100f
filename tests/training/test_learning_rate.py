import pytest
import torch
from torch import nn

from networks.pooling import GeM
from networks.registry import find_network
from networks.retrieval_network import RetrievalNetwork
from training.learning_rate import (
    LearningRateSettings,
    ParameterGroupSettings,
    compute_factor,
    group_parameters,
    make_scheduler,
)

STEPS = {"steps_per_epoch": 100, "num_epochs": 50}


@pytest.mark.parametrize(
    ("step", "rate"),
    [(0, 3.3333e-6), (149, 5e-4), (299, 1e-3), (300, 1e-3), (2650, 5e-4), (4999, 1.1e-10)],
)
def test_numbers_worked_out_by_hand(step, rate):
    assert 1e-3 * compute_factor(step, **STEPS) == pytest.approx(rate, rel=2e-2, abs=1e-12)


def test_it_rises_then_falls_and_stays_at_the_floor():
    factors = [compute_factor(step, **STEPS, final_factor=0.1) for step in range(5200)]
    assert factors[:300] == sorted(factors[:300])
    assert factors[299:] == sorted(factors[299:], reverse=True)
    assert max(factors) == 1.0
    assert factors[5000:] == [pytest.approx(0.1)] * 200


def test_without_warm_up_it_starts_at_the_peak():
    assert compute_factor(0, **STEPS, warmup_epochs=0) == 1.0


def test_warm_up_may_end_inside_an_epoch():
    factors = [
        compute_factor(s, steps_per_epoch=3, num_epochs=4, warmup_epochs=0.5) for s in (0, 1)
    ]
    assert factors == [pytest.approx(1 / 1.5), 1.0]


def optimise(num_epochs=4, **options):
    groups = [
        {"params": [nn.Parameter(torch.zeros(1))], "lr": 1e-3},
        {"params": [nn.Parameter(torch.zeros(1))], "lr": 1e-2},
    ]
    optimiser = torch.optim.SGD(groups)
    settings = LearningRateSettings(**{"warmup_epochs": 1, **options})
    return optimiser, make_scheduler(optimiser, settings, steps_per_epoch=5, num_epochs=num_epochs)


def run_steps(optimiser, scheduler, num_steps):
    rates = []
    for _ in range(num_steps):
        rates.append([group["lr"] for group in optimiser.param_groups])
        optimiser.step()
        scheduler.step()
    return rates


def test_each_group_follows_from_its_own_peak():
    rates = run_steps(*optimise(), 20)
    for step, (first, second) in enumerate(rates):
        factor = compute_factor(step, steps_per_epoch=5, num_epochs=4, warmup_epochs=1)
        assert first == pytest.approx(1e-3 * factor)
        assert second == pytest.approx(1e-2 * factor)


def test_a_resumed_schedule_goes_on_where_it_stopped():
    through = run_steps(*optimise(), 20)
    optimiser, scheduler = optimise()
    run_steps(optimiser, scheduler, 7)
    resumed_optimiser, resumed_scheduler = optimise()
    resumed_optimiser.load_state_dict(optimiser.state_dict())
    resumed_scheduler.load_state_dict(scheduler.state_dict())
    assert run_steps(resumed_optimiser, resumed_scheduler, 13) == through[7:]


def test_a_training_that_is_all_warm_up_is_refused():
    with pytest.raises(ValueError, match="lower warmup_epochs"):
        optimise(num_epochs=2, warmup_epochs=2)


def test_an_epoch_without_steps_is_refused():
    optimiser, _ = optimise()
    with pytest.raises(ValueError, match="lower the batch size"):
        make_scheduler(optimiser, LearningRateSettings(), steps_per_epoch=0, num_epochs=9)


def by_name(groups):
    return {group["name"]: group for group in groups}


@pytest.mark.parametrize("decay", [True, False])
def test_every_weight_of_a_network_is_in_one_group(decay):
    network = RetrievalNetwork(find_network("resnet18_cider"))
    groups = group_parameters(network, 1e-3, ParameterGroupSettings(decay_norms_and_biases=decay))
    grouped = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(grouped) == sorted(map(id, network.parameters()))


def test_the_exponent_of_gem_learns_faster_and_does_not_decay():
    network = RetrievalNetwork(find_network("resnet18_gem"))
    gem = by_name(group_parameters(network, 1e-3))["gem"]
    assert [id(parameter) for parameter in gem["params"]] == [id(network.pooling.p)]
    assert (gem["lr"], gem["weight_decay"]) == (pytest.approx(1e-2), 0.0)


def test_norms_and_biases_need_not_decay():
    module = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.LayerNorm(4), nn.Linear(4, 2))
    groups = by_name(group_parameters(module, 1.0, ParameterGroupSettings(weight_decay=0.1)))
    assert set(groups) == {"weights"}
    apart = ParameterGroupSettings(weight_decay=0.1, decay_norms_and_biases=False)
    groups = by_name(group_parameters(module, 1.0, apart))
    decayed = [id(parameter) for parameter in groups["weights"]["params"]]
    assert decayed == [id(module[0].weight), id(module[3].weight)]
    assert groups["weights"]["weight_decay"] == 0.1
    assert groups["norms_and_biases"]["weight_decay"] == 0.0
    assert len(groups["norms_and_biases"]["params"]) == 6


def test_what_is_frozen_is_in_no_group_and_what_is_shared_in_one():
    layer, frozen = nn.Linear(2, 2, bias=False), nn.Linear(2, 2).requires_grad_(False)
    groups = group_parameters(nn.ModuleList([layer, nn.ModuleList([layer]), frozen]), 1.0)
    assert [len(group["params"]) for group in groups] == [1]


def test_a_module_with_nothing_to_train_is_refused():
    with pytest.raises(ValueError, match="unfreeze"):
        group_parameters(GeM().requires_grad_(False), 1.0)
