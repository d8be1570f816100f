import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from networks.backbones import build_backbone
from networks.resnet import BasicBlock, Bottleneck, ResNet
from networks.trunk import count_parameters


@pytest.mark.parametrize(
    ("name", "whole", "trunk", "num_entries"),
    [
        ("resnet18", 11_689_512, 11_176_512, 122),
        ("resnet50", 25_557_032, 23_508_032, 320),
        ("resnet101", 44_549_160, 42_500_160, 626),
        ("vgg16", 138_357_544, 14_714_688, 32),
    ],
)
def test_sizes_are_torchvisions(name, whole, trunk, num_entries):
    with torch.device("meta"):
        classifier = build_backbone(name, num_classes=1000)
        assert count_parameters(classifier) == whole
        assert len(classifier.state_dict()) == num_entries
        assert count_parameters(build_backbone(name)) == trunk


def test_work_of_resnet101_at_224_px():
    with torch.device("meta"):
        trunk = build_backbone("resnet101")
        counter = FlopCounterMode(display=False)
        with counter:
            features = trunk(torch.empty(1, 3, 224, 224))
    assert features.shape == (1, 2048, 7, 7)
    # The table of Song et al. prints 7.86, which counts normalisation and ReLU too.
    assert counter.get_total_flops() / 2 / 1e9 == pytest.approx(7.799, abs=5e-4)


@pytest.mark.parametrize(
    ("name", "channels", "stride"),
    [("resnet18", 512, 32), ("resnet50_stage3", 1024, 16), ("vgg16", 512, 16)],
)
def test_the_map_has_the_stated_channels_and_stride(name, channels, stride):
    with torch.device("meta"):
        trunk = build_backbone(name)
        features = trunk(torch.empty(2, 3, 64, 96))
    assert (trunk.num_channels, trunk.stride) == (channels, stride)
    assert features.shape == (2, channels, 64 // stride, 96 // stride)


def test_the_stride_of_a_bottleneck_is_on_its_3x3_convolution():
    block = ResNet(Bottleneck, (1, 1), width=4).get_submodule("layer2.0")
    assert block.conv1.stride == (1, 1)
    assert block.conv2.stride == (2, 2)


@pytest.mark.parametrize("block", [BasicBlock, Bottleneck])
def test_a_cell_sees_its_receptive_field_around_stride_times_its_index(block):
    trunk = ResNet(block, (2, 1, 1), width=2).eval()
    # Averages in place of maxima and positive weights: every path carries gradient.
    trunk.maxpool = nn.AvgPool2d(3, 2, 1)
    with torch.no_grad():
        for parameter in trunk.parameters():
            parameter.abs_()
    side = trunk.receptive_field_px + 2 * trunk.stride
    image = torch.ones(1, 3, side, side, requires_grad=True)
    index = round(side / 2 / trunk.stride)
    trunk(image)[0, 0, index, index].backward()
    seen = image.grad[0, 0].abs().sum(dim=1).nonzero().flatten()
    assert len(seen) == trunk.receptive_field_px
    assert (seen.min() + seen.max()) / 2 == index * trunk.stride


def test_receptive_fields_of_the_stage_that_delf_reads():
    # 35 after the first stage, 91 after the second, then 16 for the first block and 32 for each
    # of the other five.
    with torch.device("meta"):
        assert build_backbone("resnet50_stage3").receptive_field_px == 91 + 16 + 5 * 32


def test_an_unknown_backbone_is_refused_with_the_known_names():
    with pytest.raises(ValueError, match=r"no backbone 'resnet99'.*resnet101.*vgg16"):
        build_backbone("resnet99")
