import copy

import pytest
import torch
from torch import nn

from training.weight_average import WeightAverageSettings, make_weight_average


def make_network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))


def walk(network, average, num_steps, seed=1):
    """Train at random: the weights and statistics move somewhere in each step."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(num_steps):
        with torch.no_grad():
            for weight in network.parameters():
                weight.add_(torch.randn(weight.shape, generator=generator))
        network(torch.randn(8, 3, generator=generator))
        average.update_parameters(network)


def test_the_mean_follows_its_recursion():
    network = make_network()
    average = make_weight_average(network, WeightAverageSettings(decay=0.5))
    expected = None
    for step in range(30):
        walk(network, average, 1, seed=step)
        weight = network[0].weight.detach()
        if expected is None:
            expected = weight.clone()
        else:
            kept = min(0.5, (1 + step) / (10 + step))
            expected = kept * expected + (1 - kept) * weight
        assert torch.allclose(average.module[0].weight, expected, atol=1e-5)


def test_statistics_are_those_of_the_latest_step():
    network = make_network()
    average = make_weight_average(network, WeightAverageSettings())
    walk(network, average, 5)
    assert torch.equal(average.module[1].running_mean, network[1].running_mean)
    assert average.module[1].num_batches_tracked == 5


def test_the_network_itself_is_left_alone():
    alone, averaged = make_network(), make_network()
    average = make_weight_average(averaged, WeightAverageSettings())
    walk(averaged, average, 5)
    walk(alone, make_weight_average(make_network(), WeightAverageSettings()), 5)
    for left, right in zip(alone.parameters(), averaged.parameters(), strict=True):
        assert torch.equal(left, right)
    assert not torch.equal(average.module[0].weight, averaged[0].weight)


def test_a_resumed_mean_equals_one_that_never_stopped():
    network, settings = make_network(), WeightAverageSettings(decay=0.9)
    through = make_weight_average(network, settings)
    walk(network, through, 4)
    saved = copy.deepcopy((network.state_dict(), through.state_dict()))
    walk(network, through, 4, seed=2)
    other = make_network()
    resumed = make_weight_average(other, settings)
    other.load_state_dict(saved[0])
    resumed.load_state_dict(saved[1])
    walk(other, resumed, 4, seed=2)
    states = through.state_dict(), resumed.state_dict()
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


@pytest.mark.parametrize("decay", [-0.1, 1.0])
def test_a_decay_that_averages_nothing_is_refused(decay):
    with pytest.raises(ValueError, match="decay"):
        WeightAverageSettings(decay=decay)
