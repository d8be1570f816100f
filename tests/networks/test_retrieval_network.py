import pytest
import torch

from manifests.lineage import digest_file
from networks.backbones import TORCHVISION_WEIGHTS, find_torchvision_weights
from networks.pooling import PoolingSettings
from networks.registry import NETWORKS, build_network
from networks.retrieval_network import NetworkSettings, RetrievalNetwork
from networks.weights import WeightsError
from networks.whitening import learn_pca

_SMALL = {"backbone": "resnet18", "dimensions": 64}


@pytest.fixture(scope="module")
def images():
    return torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))


def make_network(**options):
    torch.manual_seed(0)
    return RetrievalNetwork(NetworkSettings(**(_SMALL | options)))


def make_cider():
    return make_network(neck={})


def snapshot(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"neck": {"num_channels": 64}},
        {"pooling": {"kind": "mac"}},
        {"projection_batch_norm": True},
        {"normalise_before_projection": True},
    ],
)
def test_descriptors_have_unit_length(options, images):
    described = make_network(**options)(images)
    assert described.shape == (2, 64)
    assert described.dtype == torch.float32
    assert torch.allclose(described.norm(dim=1), torch.ones(2), atol=1e-6)


def test_without_a_whitening_layer_the_descriptor_is_the_pooled_map(images):
    network = make_network(dimensions=None, pooling=PoolingSettings(kind="spoc")).eval()
    assert network.dimensions == 512
    standard = (images - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / torch.tensor(
        [0.229, 0.224, 0.225]
    ).view(3, 1, 1)
    pooled = network.backbone(standard).mean(dim=(2, 3))
    assert torch.allclose(network(images), pooled / pooled.norm(dim=1, keepdim=True), atol=1e-6)


def test_cider_trains_end_to_end_and_indexes_without_chance(images):
    network = make_cider()
    network(images)[:, 0].sum().backward()
    for name in ("backbone.conv1.weight", "neck.localization.attention.weight", "pooling.p"):
        assert network.get_parameter(name).grad.abs().sum() > 0, name
    network.eval()
    assert torch.equal(network(images), network(images))


def test_a_frozen_backbone_stays_as_it_is_batch_statistics_included(images):
    network = make_cider()
    network.freeze_backbone()
    network.train()
    assert network.neck.training
    assert not any(module.training for module in network.backbone.modules())
    before, neck_before = snapshot(network.backbone), snapshot(network.neck)
    optimiser = torch.optim.SGD(network.parameters(), lr=1.0, weight_decay=0.1)
    network(images)[:, 0].sum().backward()
    optimiser.step()
    after, neck_after = snapshot(network.backbone), snapshot(network.neck)
    assert all(torch.equal(before[name], after[name]) for name in before)
    for name in ("localization.attention.weight", "context.bn.running_mean"):
        assert not torch.equal(neck_before[name], neck_after[name]), name


def test_pretrained_weights_come_from_a_file(tmp_path):
    other = make_network()
    torch.save(make_network().backbone.state_dict() | {"fc.weight": torch.zeros(1)}, tmp_path / "a")
    with pytest.raises(WeightsError, match=r"lacks fc\.bias"):
        other.load_backbone(tmp_path / "a")
    state = {name: value + 1 for name, value in other.backbone.state_dict().items()}
    torch.save(state, tmp_path / "b")
    assert other.load_backbone(tmp_path / "b") == ()
    assert torch.equal(other.backbone.conv1.weight, state["conv1.weight"])


def test_torchvisions_weights_come_from_their_url(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    network = make_network()
    torch.save(network.backbone.state_dict(), tmp_path / "weights.pth")
    digest = digest_file(tmp_path / "weights.pth")[:8]
    hashed = (tmp_path / "weights.pth").rename(tmp_path / f"resnet18-{digest}.pth")
    monkeypatch.setitem(TORCHVISION_WEIGHTS, "resnet18", hashed.as_uri())
    with torch.no_grad():
        network.backbone.conv1.weight.zero_()
    assert network.load_backbone("torchvision") == ()
    assert network.backbone.conv1.weight.any()


def test_part_of_a_backbone_has_the_weights_of_the_whole():
    assert find_torchvision_weights("resnet50_stage3") == TORCHVISION_WEIGHTS["resnet50"]
    with pytest.raises(ValueError, match="not for 'transformers:x'"):
        find_torchvision_weights("transformers:x")


def test_a_backbone_that_is_not_frozen_drifts(images):
    network = make_network().train()
    before = snapshot(network.backbone)
    network(images)
    after = snapshot(network.backbone)
    assert not torch.equal(before["bn1.running_mean"], after["bn1.running_mean"])


def test_nothing_is_recorded_for_a_frozen_backbone(images):
    network = make_network()
    assert network.compute_map(images).requires_grad
    network.freeze_backbone()
    assert not network.compute_map(images).requires_grad
    assert network(images).requires_grad


def test_localization_covers_the_map(images):
    network = make_cider().eval()
    found = network.localize(images)
    assert found.attention.shape == (2, 2, 3)
    assert found.masks.shape == (2, 2, 2, 3)
    with pytest.raises(ValueError, match="`neck` is null"):
        make_network().localize(images)


def test_the_whitening_layer_can_start_at_a_learned_whitening(images):
    network = make_network(normalise_before_projection=True).eval()
    pooled = make_network(dimensions=None).eval()
    pooled.load_state_dict(network.backbone.state_dict(prefix="backbone."), strict=False)
    vectors = torch.nn.functional.normalize(torch.randn(600, 512)).numpy()
    whitening = learn_pca(vectors, 100)
    network.initialise_projection(whitening)
    with torch.no_grad():
        expected = whitening.truncate(64).apply(pooled(images).numpy())
        assert torch.allclose(network(images), torch.from_numpy(expected), atol=1e-4)


def test_a_whitening_of_another_size_is_refused():
    whitening = learn_pca(torch.randn(50, 8).numpy(), 8)
    with pytest.raises(ValueError, match=r"shape \(8, 8\) for a layer of shape \(64, 512\)"):
        make_network().initialise_projection(whitening)
    with pytest.raises(ValueError, match="for a layer of shape None"):
        make_network(dimensions=None).initialise_projection(whitening)


def test_autocast_keeps_descriptors_in_single_precision(images):
    network = make_cider().eval()
    with torch.no_grad():
        plain = network(images)
        with torch.autocast("cpu", torch.bfloat16):
            half = network(images)
    assert half.dtype == torch.float32
    assert (plain * half).sum(dim=1).min() > 0.99


def test_the_baseline_of_yokoo_has_the_size_that_song_et_al_print():
    with torch.device("meta"):
        network = build_network(NETWORKS["resnet101_gem_512"])
    linear = network.projection[0]
    # 43.91 million: backbone, whitening layer, and the weights of 713 classes.
    total = 42_500_160 + linear.weight.numel() + linear.bias.numel() + 713 * 512
    assert total == 43_914_304
