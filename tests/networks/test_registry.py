import pytest
import torch

from manifests.input_error import InputError
from networks.delf import DelfNetwork, DelfSettings
from networks.registry import NETWORKS, build_network, find_network, read_network
from networks.retrieval_network import NetworkSettings


@pytest.mark.parametrize("name", [n for n in NETWORKS if not NETWORKS[n].backbone.count(":")])
def test_every_network_of_the_registry_can_be_built(name):
    with torch.device("meta"):
        network = build_network(find_network(name))
        described = network.eval()(torch.empty(1, 3, 64, 64))
    assert described.shape == (1, network.dimensions)


def test_a_network_is_one_small_file(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "backbone: vgg16\nneck: {context: null}\npooling: {kind: mac}\ndimensions: 64\n"
    )
    settings = find_network(str(path))
    assert settings == NetworkSettings(
        backbone="vgg16", neck={"context": None}, pooling={"kind": "mac"}, dimensions=64
    )
    with torch.device("meta"):
        assert build_network(settings).dimensions == 64


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("backbone: resnet18\ndimension: 8", "dimension\n"),
        ("dimensions: -1", "dimensions"),
        ("kind: delf", "kind"),
        ("a: [", "no network is described there"),
        ("", "no network is described there"),
    ],
)
def test_a_file_with_a_mistake_is_refused_by_its_name(tmp_path, text, message):
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=rf"wrong\.yaml: .*(.|\n)*{message}"):
        read_network(path)


@pytest.mark.parametrize("name", ["x", "none.yaml"])
def test_an_unknown_network_is_refused_with_the_known_names(name):
    with pytest.raises(InputError, match=rf"no network '{name}'; there are .*resnet101_cider"):
        find_network(name)


def test_a_network_of_local_features_is_built_by_its_settings():
    with torch.device("meta"):
        assert isinstance(build_network(DelfSettings()), DelfNetwork)
