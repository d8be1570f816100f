import importlib

import pytest
import torch

from networks import transformers_backbone
from networks.backbones import build_backbone
from networks.retrieval_network import NetworkSettings, RetrievalNetwork


@pytest.fixture
def library():
    return pytest.importorskip("transformers", reason="the optional extra is not installed")


@pytest.fixture
def dinov2_folder(library, tmp_path):
    config = library.Dinov2Config(
        hidden_size=24, num_hidden_layers=2, num_attention_heads=2, image_size=56, patch_size=14
    )
    library.Dinov2Model(config).save_pretrained(tmp_path / "dinov2")
    return tmp_path / "dinov2"


@pytest.fixture
def convnext_folder(library, tmp_path):
    config = library.ConvNextConfig(hidden_sizes=[8, 16, 24, 40], depths=[1, 1, 1, 1])
    library.ConvNextModel(config).save_pretrained(tmp_path / "convnext")
    return tmp_path / "convnext"


def test_patch_tokens_become_a_map_without_the_class_token(dinov2_folder):
    trunk = build_backbone(f"transformers:{dinov2_folder}")
    assert (trunk.num_channels, trunk.stride) == (24, 14)
    images = torch.rand(2, 3, 64, 45)
    with torch.no_grad():
        features = trunk(images)
        tokens = trunk.model(pixel_values=images[..., :56, :42]).last_hidden_state
    assert features.shape == (2, 24, 4, 3)
    for row in range(4):
        for column in range(3):
            assert torch.equal(features[:, :, row, column], tokens[:, 1 + 3 * row + column])


def test_convolutional_models_give_their_map(convnext_folder):
    trunk = build_backbone(f"transformers:{convnext_folder}")
    assert (trunk.num_channels, trunk.stride) == (40, 32)
    assert trunk(torch.rand(1, 3, 96, 64)).shape == (1, 40, 3, 2)


def test_a_network_on_a_folder_trains_and_describes(dinov2_folder):
    settings = NetworkSettings(backbone=f"transformers:{dinov2_folder}", dimensions=6)
    network = RetrievalNetwork(settings)
    described = network(torch.rand(2, 3, 56, 56))
    described[:, 0].sum().backward()
    assert described.shape == (2, 6)
    assert any(parameter.grad is not None for parameter in network.backbone.parameters())


def test_a_model_of_several_token_sizes_is_refused(library, tmp_path):
    config = library.SwinConfig(embed_dim=8, depths=[1, 1], num_heads=[1, 1], image_size=56)
    library.SwinModel(config).save_pretrained(tmp_path / "swin")
    with pytest.raises(ValueError, match="a vision transformer of one patch size"):
        build_backbone(f"transformers:{tmp_path / 'swin'}")


def test_without_the_library_the_error_names_the_extra(monkeypatch):
    def refuse(name):
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(transformers_backbone.importlib, "import_module", refuse)
    with pytest.raises(ImportError, match=r"pip install 'cleanmark\[transformers\]'"):
        build_backbone("transformers:facebook/dinov2-base")


def test_nothing_else_imports_the_library():
    importlib.reload(transformers_backbone)
    assert "transformers" not in vars(transformers_backbone)
