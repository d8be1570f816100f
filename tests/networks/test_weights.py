import hashlib
from pathlib import Path

import pytest
import torch

from networks.backbones import build_backbone
from networks.resnet import Bottleneck, ResNet
from networks.vgg import Vgg16
from networks.weights import WeightsError, load_trunk_weights, read_state_dict

_NORM = ("weight", "bias", "running_mean", "running_var")


def torchvision_resnet101():
    """Names and shapes of torchvision's file, from the architecture and not from our layers."""
    shapes = {"conv1.weight": (64, 3, 7, 7)} | norm_shapes("bn1", 64)
    num_inputs = 64
    for stage, count in enumerate((3, 4, 23, 3)):
        width = 64 * 2**stage
        for index in range(count):
            block = f"layer{stage + 1}.{index}"
            sides = ((1, num_inputs, width), (3, width, width), (1, width, 4 * width))
            for number, (side, inputs, outputs) in enumerate(sides, start=1):
                shapes[f"{block}.conv{number}.weight"] = (outputs, inputs, side, side)
                shapes |= norm_shapes(f"{block}.bn{number}", outputs)
            if index == 0:
                shapes[f"{block}.downsample.0.weight"] = (4 * width, num_inputs, 1, 1)
                shapes |= norm_shapes(f"{block}.downsample.1", 4 * width)
            num_inputs = 4 * width
    shapes |= {"fc.weight": (1000, 2048), "fc.bias": (1000,)}
    return {name: filled(name, shape) for name, shape in shapes.items()}


def norm_shapes(name, channels):
    entries = {f"{name}.{kind}": (channels,) for kind in _NORM}
    return entries | {f"{name}.num_batches_tracked": ()}


def filled(name, shape):
    dtype = torch.int64 if name.endswith("tracked") else torch.float32
    # One value, seen through strides of 0: 170 MB of weights would say no more.
    return torch.full((), hash_of(name), dtype=dtype).expand(shape)


def hash_of(name):
    return int(hashlib.sha256(name.encode()).hexdigest()[:4], 16)


@pytest.fixture(scope="module")
def resnet101_file():
    return torchvision_resnet101()


@pytest.fixture(scope="module")
def resnet101():
    return build_backbone("resnet101")


def small_resnet(**options):
    return ResNet(Bottleneck, (2, 1, 1, 1), width=4, **options)


def test_resnet101_takes_torchvisions_626_entries_unchanged(resnet101, resnet101_file):
    assert len(resnet101_file) == 626
    unused = load_trunk_weights(resnet101, resnet101_file, "resnet101.pth")
    assert unused == ("fc.weight", "fc.bias")
    loaded = resnet101.state_dict()
    assert len(loaded) == 624
    assert all((value == hash_of(name)).all() for name, value in loaded.items())


def test_with_its_classifier_the_state_dict_is_the_file_itself(resnet101_file):
    with torch.device("meta"):
        whole = build_backbone("resnet101", num_classes=1000).state_dict()
    given = {name: value.shape for name, value in resnet101_file.items()}
    assert {name: value.shape for name, value in whole.items()} == given


@pytest.mark.parametrize(
    "lacking",
    [
        "conv1.weight",
        "bn1.running_var",
        "layer1.0.downsample.1.num_batches_tracked",
        "layer3.22.conv3.weight",
        "layer4.2.bn3.bias",
        "fc.weight",
        "fc.bias",
    ],
)
def test_a_file_that_lacks_an_entry_is_refused_by_its_name(resnet101, resnet101_file, lacking):
    rest = {name: value for name, value in resnet101_file.items() if name != lacking}
    with pytest.raises(WeightsError, match=rf"cut\.pth: lacks {lacking}; give"):
        load_trunk_weights(resnet101, rest, "cut.pth")


def test_every_single_entry_is_needed():
    trunk = small_resnet(num_classes=3)
    state = trunk.state_dict()
    for lacking in state:
        rest = {name: value for name, value in state.items() if name != lacking}
        with pytest.raises(WeightsError, match=f"lacks {lacking};"):
            load_trunk_weights(trunk, rest, "cut")


def test_many_missing_names_are_counted():
    trunk = small_resnet()
    with pytest.raises(WeightsError, match=r"lacks conv1.weight, bn1.weight.* and \d+ more"):
        load_trunk_weights(trunk, {"fc.weight": torch.zeros(1), "fc.bias": torch.zeros(1)}, "x")


def test_weights_of_a_deeper_network_are_refused():
    deeper = ResNet(Bottleneck, (2, 2, 1, 1), width=4)
    with pytest.raises(WeightsError, match=r"has unknown layer2\.1\.conv1\.weight"):
        load_trunk_weights(small_resnet(), deeper.state_dict(), "deeper")


def test_a_shape_that_does_not_fit_is_named():
    state = small_resnet().state_dict() | {"bn1.bias": torch.zeros(5)}
    with pytest.raises(WeightsError, match=r"wrong shapes: bn1.bias \(5,\) instead of \(4,\)"):
        load_trunk_weights(small_resnet(), state, "x")


def test_a_refusal_changes_nothing():
    trunk = small_resnet()
    before = {name: value.clone() for name, value in trunk.state_dict().items()}
    other = small_resnet().state_dict()
    del other["layer4.0.bn3.bias"]
    with pytest.raises(WeightsError):
        load_trunk_weights(trunk, other, "x")
    assert all(torch.equal(value, before[name]) for name, value in trunk.state_dict().items())


def test_a_trunk_of_three_stages_leaves_the_fourth():
    whole = small_resnet()
    trunk = ResNet(Bottleneck, (2, 1, 1), width=4)
    unused = load_trunk_weights(trunk, whole.state_dict(), "x")
    assert {name.split(".")[0] for name in unused} == {"layer4"}
    assert torch.equal(trunk.conv1.weight, whole.conv1.weight)


def test_files_from_before_torch_counted_batches_are_taken():
    state = small_resnet().state_dict()
    old = {name: value for name, value in state.items() if not name.endswith("tracked")}
    trunk = small_resnet()
    load_trunk_weights(trunk, old, "old")
    assert torch.equal(trunk.conv1.weight, state["conv1.weight"])


def test_vgg_takes_its_whole_file_and_refuses_half_a_classifier():
    whole = Vgg16(width=2, num_classes=5).state_dict()
    trunk = Vgg16(width=2)
    assert len(load_trunk_weights(trunk, whole, "vgg")) == 6
    assert torch.equal(trunk.features[28].weight, whole["features.28.weight"])
    del whole["classifier.3.bias"]
    with pytest.raises(WeightsError, match=r"lacks classifier\.3\.bias"):
        load_trunk_weights(trunk, whole, "vgg")


def test_a_file_is_read_from_a_path_or_a_url_with_the_hash_in_its_name(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    state = small_resnet().state_dict()
    plain = tmp_path / "plain.pth"
    torch.save(state, plain)
    digest = hashlib.sha256(plain.read_bytes()).hexdigest()[:8]
    hashed = plain.rename(tmp_path / f"small-{digest}.pth")
    for source in (hashed, str(hashed), hashed.as_uri()):
        loaded = read_state_dict(source)
        assert all(torch.equal(loaded[name], value) for name, value in state.items())


def test_a_url_whose_hash_differs_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    path = tmp_path / "small-00000000.pth"
    torch.save(small_resnet().state_dict(), path)
    with pytest.raises(WeightsError, match="00000000"):
        read_state_dict(path.as_uri())


def test_damaged_and_foreign_files_are_refused_by_name(tmp_path):
    page = tmp_path / "page.pth"
    page.write_text("<html>not found</html>")
    empty = tmp_path / "empty.pth"
    empty.touch()
    for path in (page, empty):
        with pytest.raises(WeightsError, match=f"{path.name}: no readable weights"):
            read_state_dict(path)
    numbers = tmp_path / "numbers.pth"
    torch.save([1, 2], numbers)
    with pytest.raises(WeightsError, match=r"numbers\.pth: no tensors by name"):
        read_state_dict(numbers)
    with pytest.raises(FileNotFoundError):
        read_state_dict(Path(tmp_path / "none.pth"))
