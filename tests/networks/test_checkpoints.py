import numpy as np
import pytest
import torch

from networks.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from networks.delf import DelfNetwork, DelfSettings
from networks.retrieval_network import NetworkSettings, RetrievalNetwork
from networks.weights import WeightsError, load_trunk_weights, read_state_dict
from networks.whitening import learn_pca

_SETTINGS = NetworkSettings(backbone="resnet18", dimensions=8, neck={"num_channels": 32})


@pytest.fixture(scope="module")
def checkpoint():
    torch.manual_seed(0)
    network = RetrievalNetwork(_SETTINGS)
    whitening = learn_pca(np.random.default_rng(0).normal(size=(50, 8)), 4)
    training = {"step": 7, "rng": torch.get_rng_state(), "optimiser": {"lr": [0.1, 0.2]}}
    return Checkpoint(_SETTINGS, network.state_dict(), whitening, training)


@pytest.fixture(scope="module")
def path(checkpoint, tmp_path_factory):
    path = tmp_path_factory.mktemp("checkpoints") / "step_7.pth"
    save_checkpoint(path, checkpoint)
    return path


def test_what_is_saved_comes_back(checkpoint, path):
    loaded = load_checkpoint(path)
    assert loaded.network == checkpoint.network
    assert loaded.training["step"] == 7
    assert torch.equal(loaded.training["rng"], checkpoint.training["rng"])
    assert np.array_equal(loaded.whitening.projection, checkpoint.whitening.projection)
    assert np.array_equal(loaded.whitening.mean, checkpoint.whitening.mean)
    images = torch.rand(1, 3, 64, 64)
    assert torch.equal(loaded.build()(images), checkpoint.build()(images))


def test_equal_contents_give_equal_bytes(checkpoint, path, tmp_path):
    other = tmp_path / "of_another_name.pth"
    save_checkpoint(other, checkpoint)
    assert other.read_bytes() == path.read_bytes()
    assert [entry.name for entry in tmp_path.iterdir()] == [other.name]


def test_a_failed_save_leaves_the_old_file(checkpoint, tmp_path):
    path = tmp_path / "last.pth"
    path.write_bytes(b"old")
    unsaveable = Checkpoint(_SETTINGS, checkpoint.state, None, {"lock": (i for i in range(3))})
    with pytest.raises(TypeError):
        save_checkpoint(path, unsaveable)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_backbone_of_a_checkpoint_starts_another_network(checkpoint, path):
    other = RetrievalNetwork(NetworkSettings(backbone="resnet18", dimensions=16))
    unused = load_trunk_weights(other.backbone, read_state_dict(path), path)
    assert {name.split(".")[0] for name in unused} == {"neck", "pooling", "projection"}
    assert torch.equal(other.backbone.conv1.weight, checkpoint.state["backbone.conv1.weight"])


def test_weights_of_another_network_are_refused(checkpoint):
    narrow = _SETTINGS.model_copy(update={"dimensions": 4})
    with pytest.raises(WeightsError, match=r"another network(.|\n)*projection\.0\.weight"):
        Checkpoint(narrow, checkpoint.state).build()


def test_other_files_are_refused_by_name(path, tmp_path):
    bare = tmp_path / "bare.pth"
    torch.save({"conv1.weight": torch.zeros(1)}, bare)
    with pytest.raises(WeightsError, match=r"bare\.pth: not a cleanmark\.checkpoint/1 file"):
        load_checkpoint(bare)
    cut = tmp_path / "cut.pth"
    for num_bytes in (0, 1000, 5000, -1):
        cut.write_bytes(path.read_bytes()[:num_bytes])
        with pytest.raises(WeightsError, match=r"cut\.pth: no readable weights"):
            load_checkpoint(cut)
    with pytest.raises(FileNotFoundError):
        load_checkpoint(tmp_path / "none.pth")


def test_a_delf_network_is_known_by_its_kind(tmp_path):
    settings = DelfSettings(attention_width=4)
    network = DelfNetwork(settings)
    save_checkpoint(tmp_path / "delf.pth", Checkpoint(settings, network.state_dict()))
    loaded = load_checkpoint(tmp_path / "delf.pth")
    assert loaded.network == settings
    assert isinstance(loaded.build(), DelfNetwork)
    assert loaded.whitening is None
