import numpy as np
import pytest
import torch

from curation.correspondences import match_features
from manifests.feature_store import FeatureStore, write_features
from networks.delf import DelfNetwork, DelfSettings
from networks.delf_features import (
    DelfExtractionSettings,
    detect_delf,
    encode_delf,
    learn_delf_pca,
    locate_cells,
)
from networks.scales import resize_by

_FEW = DelfExtractionSettings(scales=(0.5, 1.0), max_features=30, long_side_px=128)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    network = DelfNetwork(DelfSettings()).eval()
    # Untrained scores are nearly equal; a spread makes their order mean something.
    torch.nn.init.normal_(network.attention[3].weight)
    return network


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)


@pytest.fixture(scope="module")
def detected(network, pixels):
    return detect_delf(pixels, network, _FEW)


def test_a_cell_lies_at_stride_times_index_over_scale():
    found = locate_cells(np.array([3]), np.array([5]), stride=32, scale=0.5)
    assert found.tolist() == [[320.0, 192.0]]


def test_features_are_the_best_of_all_scales(network, pixels, detected):
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
    expected = []
    for scale in _FEW.scales:
        features, scores = network.describe(resize_by(image, scale))
        for row in range(scores.shape[1]):
            for column in range(scores.shape[2]):
                descriptor = features[0, :, row, column]
                place = (16 * column / scale, 16 * row / scale, 267 / scale)
                expected.append((scores[0, row, column].item(), place, descriptor))
    assert len(expected) == 3 * 4 + 6 * 8
    expected.sort(key=lambda entry: -entry[0])
    assert detected.scores.tolist() == pytest.approx([s for s, _, _ in expected[:30]], rel=1e-4)
    places = np.column_stack([detected.xy, detected.size])
    assert np.allclose(places, [place for _, place, _ in expected[:30]])
    for found, (_, _, descriptor) in zip(detected.descriptors, expected[:30], strict=True):
        assert np.allclose(found, (descriptor / descriptor.norm()).numpy(), atol=1e-5)


def test_a_lowest_score_leaves_features_out(network, pixels, detected):
    limit = float(detected.scores[10])
    settings = _FEW.model_copy(update={"min_score": limit})
    kept = detect_delf(pixels, network, settings)
    assert kept.scores.min() >= limit
    assert len(kept.scores) == 11


def test_large_images_are_reduced_and_small_scales_left_out(network):
    pixels = np.random.default_rng(1).integers(0, 256, (40, 200, 3), np.uint8)
    settings = DelfExtractionSettings(scales=(0.25, 1.5), long_side_px=100)
    found = detect_delf(pixels, network, settings)
    assert (found.width, found.height) == (100, 20)
    assert len(found.scores) == 0
    settings = settings.model_copy(update={"long_side_px": 170})
    assert set(detect_delf(pixels, network, settings).size) == {267 / 1.5}


def test_the_record_holds_40_reduced_dimensions_and_the_geometry(detected):
    pca = learn_delf_pca(np.random.default_rng(0).normal(size=(200, 1024)).astype(np.float32))
    features = encode_delf(detected, pca)
    assert (len(features), features.width, features.height) == (30, 128, 96)
    assert np.allclose(features.xy, detected.xy, atol=1 / 64)
    assert np.allclose(features.size / detected.size, 1, atol=1e-3)
    assert not features.angle.any()
    assert not features.descriptors[:, 40:].any()
    coded = (features.descriptors[:, :40].astype(np.float64) - 64) / 63
    assert np.allclose(coded, pca.apply(detected.descriptors), atol=0.5 / 63 + 1e-6)


def test_the_record_is_stored_and_matched_like_sift(network, pixels, tmp_path):
    settings = _FEW.model_copy(update={"scales": (1.0,)})
    # Cells are 16 pixels apart: moved by two of them, the inner part looks the same.
    wide = (
        np.random.default_rng(3).integers(0, 256, (32, 48, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    )
    settings = settings.model_copy(update={"long_side_px": 384, "max_features": 1000})
    pair = [detect_delf(view, network, settings) for view in (wide[:, :352], wide[:, 32:])]
    pca = learn_delf_pca(np.concatenate([view.descriptors for view in pair]))
    index_path = tmp_path / "delf.parquet"
    write_features(
        index_path, [(name, encode_delf(v, pca), "ok") for name, v in zip("ab", pair, strict=True)]
    )
    store = FeatureStore([index_path])
    matches = match_features(store.load("a"), store.load("b"), max_ratio=0.9)
    moved = store.load("a").xy[matches.index_a] - store.load("b").xy[matches.index_b]
    right = (moved == [32, 0]).all(axis=1)
    assert right.sum() > 30
    assert right.mean() > 0.8


def test_the_reduction_keeps_variances_as_they_are():
    vectors = np.random.default_rng(0).normal(size=(300, 64)) * np.linspace(1, 3, 64)
    pca = learn_delf_pca(vectors.astype(np.float32), 8)
    assert np.allclose(pca.projection @ pca.projection.T, np.eye(8), atol=1e-8)


def test_an_image_without_features_has_an_empty_record(network):
    found = detect_delf(np.zeros((20, 20, 3), np.uint8), network, _FEW)
    features = encode_delf(found, learn_delf_pca(np.eye(1024, dtype=np.float32)))
    assert len(features) == 0
    assert features.descriptors.shape == (0, 128)


def test_the_same_image_gives_the_same_bytes(network, pixels, detected):
    again = detect_delf(pixels, network, _FEW)
    assert again.descriptors.tobytes() == detected.descriptors.tobytes()
    assert again.xy.tobytes() == detected.xy.tobytes()
