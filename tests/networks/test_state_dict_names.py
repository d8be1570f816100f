import pytest
import torch

from networks.resnet import Bottleneck, ResNet
from networks.state_dict_names import rename_resnet, unwrap_state
from networks.weights import load_trunk_weights

# The other way round from the code under test: torchvision's name to the others'.
_CIRTORCH = {"conv1": 0, "bn1": 1, "layer1": 4, "layer2": 5, "layer3": 6, "layer4": 7}
_PYCLS = {
    "conv1": "f.a",
    "bn1": "f.a_bn",
    "conv2": "f.b",
    "bn2": "f.b_bn",
    "conv3": "f.c",
    "bn3": "f.c_bn",
    "downsample.0": "proj",
    "downsample.1": "bn",
}


def make_trunk():
    return ResNet(Bottleneck, (2, 1, 2, 1), width=4, num_classes=3).eval()


def to_cirtorch(name):
    child, rest = name.split(".", 1)
    return f"features.{_CIRTORCH[child]}.{rest}" if child in _CIRTORCH else name


def to_pycls(name, stem, first_stage):
    parts = name.split(".")
    if parts[0] in ("conv1", "bn1"):
        return f"{stem}.{parts[0][:-1]}.{parts[1]}"
    if parts[0] == "fc":
        return f"head.{name}"
    stage, block = int(parts[0][-1]) - 1 + first_stage, int(parts[1]) + 1
    return f"s{stage}.b{block}.{_PYCLS['.'.join(parts[2:-1])]}.{parts[-1]}"


def test_torchvisions_own_names_stay():
    state = make_trunk().state_dict()
    assert list(rename_resnet(state)) == list(state)


def test_cirtorch_numbers_become_names():
    state = make_trunk().state_dict()
    numbered = {to_cirtorch(name): value for name, value in state.items()}
    assert "features.6.1.conv2.weight" in numbered
    renamed = rename_resnet(numbered)
    assert all(renamed[name] is value for name, value in state.items())


@pytest.mark.parametrize(("stem", "first_stage"), [("stem", 1), ("s1", 2)])
def test_pycls_names_become_names_and_blue_green_red_becomes_rgb(stem, first_stage):
    original, copy = make_trunk(), make_trunk()
    bgr = {
        to_pycls(name, stem, first_stage): value for name, value in original.state_dict().items()
    }
    load_trunk_weights(copy, bgr, "pycls")
    image = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        assert torch.allclose(copy(image), original(image.flip(1)), atol=1e-6)
        assert not torch.allclose(copy(image), original(image), atol=1e-6)


def test_wrappers_and_prefixes_are_taken_off():
    weight = torch.zeros(1)
    bare = {"conv1.weight": weight}
    assert unwrap_state(bare) == bare
    assert unwrap_state({"state_dict": bare, "epoch": 3}) == bare
    assert unwrap_state({"model_state": {"module.conv1.weight": weight}}) == bare
    own = {"state": {"backbone.conv1.weight": weight, "projection.0.bias": weight}}
    assert unwrap_state(own) == {"conv1.weight": weight, "projection.0.bias": weight}
