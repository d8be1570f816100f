import pytest
import torch
from torch import nn

from networks.pooling import l2_normalise
from networks.scales import average_scales, describe_at_scales, resize_by

_TWO = [torch.tensor([[0.6, 0.8]]), torch.tensor([[1.0, 0.0]])]


class MeanAndSize(nn.Module):
    """Describes an image by its size, and remembers the sizes it saw."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, images):
        height, width = images.shape[-2:]
        self.seen.append((height, width))
        return l2_normalise(torch.tensor([[float(height), float(width), 50.0]] * len(images)))


@pytest.mark.parametrize(
    ("power", "expected"), [(1.0, [0.894427, 0.447214]), (3.0, [0.800187, 0.599750])]
)
def test_the_mean_of_two_scales(power, expected):
    assert average_scales(_TWO, power)[0].tolist() == pytest.approx(expected, abs=1e-6)


def test_one_scale_stays_as_it_is():
    assert torch.allclose(average_scales(_TWO[:1]), _TWO[0])


def test_scales_that_make_the_image_too_small_are_left_out():
    network = MeanAndSize()
    described = describe_at_scales(network, torch.zeros(2, 3, 64, 96), (0.4, 0.5, 1.0, 1.4))
    assert network.seen == [(32, 48), (64, 96), (89, 134)]
    each = [l2_normalise(torch.tensor([h, w, 50.0])) for h, w in network.seen]
    mean = sum(each) / 3
    assert torch.allclose(described[1], mean / mean.norm(), atol=1e-6)


def test_a_tiny_image_is_described_at_the_largest_scale():
    network = MeanAndSize()
    describe_at_scales(network, torch.zeros(1, 3, 16, 20), (0.5, 1.0, 1.5))
    assert network.seen == [(24, 30)]


def test_resizing_keeps_a_constant_and_scale_one_costs_nothing():
    images = torch.full((1, 3, 40, 60), 0.25)
    assert resize_by(images, 1.0) is images
    assert torch.allclose(resize_by(images, 0.7071), torch.tensor(0.25))
