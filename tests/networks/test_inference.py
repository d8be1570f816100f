import itertools
import logging

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from networks.inference import InferenceSettings, NetworkEmbedder, prepare_image
from networks.retrieval_network import NetworkSettings, RetrievalNetwork
from networks.whitening import learn_pca

_SETTINGS = InferenceSettings(long_side_px=64, scales=(0.7, 1.0), batch_size=3)


class Photograph:
    def __init__(self, seed, width=60, height=45):
        generator = np.random.default_rng(seed)
        self.image_id = f"{seed:016x}"
        self._pixels = generator.integers(0, 256, (height, width, 3), np.uint8)

    def load_image(self):
        return self._pixels

    def load_features(self):
        raise AssertionError("a network reads pixels")


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return RetrievalNetwork(NetworkSettings(backbone="resnet18", dimensions=16)).eval()


@pytest.fixture(scope="module")
def photographs():
    sizes = [(60, 45), (45, 60), (60, 45), (200, 150), (45, 60), (64, 64), (59, 46), (60, 45)]
    return [Photograph(seed, *size) for seed, size in enumerate(sizes)]


def as_matrix(descriptors):
    return np.stack(descriptors)


class LimitedMemory(RetrievalNetwork):
    """Has no memory for more than `most` images, and says so as a GPU does."""

    def __init__(self, most):
        torch.manual_seed(0)
        super().__init__(NetworkSettings(backbone="resnet18", dimensions=16))
        self.most = most
        self.tried = []

    def forward(self, images):
        self.tried.append(len(images))
        if len(images) > self.most:
            raise torch.OutOfMemoryError("tried to allocate")
        return super().forward(images)


def test_descriptors_come_in_the_order_of_the_images(network, photographs):
    embedder = NetworkEmbedder(network, _SETTINGS)
    together = as_matrix(embedder.embed(photographs))
    alone = as_matrix([embedder.embed([photograph])[0] for photograph in photographs])
    assert together.dtype == np.float32
    assert together.shape == (8, embedder.dimensions)
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
    assert np.allclose(together, alone, atol=1e-5)


def test_the_same_call_gives_the_same_bytes(network, photographs):
    first, second = (
        as_matrix(NetworkEmbedder(network, _SETTINGS).embed(photographs)) for _ in range(2)
    )
    assert first.tobytes() == second.tobytes()


def test_batches_hold_one_size_and_at_most_their_number(network, photographs):
    embedder = NetworkEmbedder(network, _SETTINGS)
    prepared = [embedder.prepare(photograph.load_image()) for photograph in photographs]
    batches = list(embedder._group(iter(prepared)))
    assert sorted(itertools.chain(*(indices for indices, _ in batches))) == list(range(8))
    assert max(len(batch) for _, batch in batches) == 3
    for indices, batch in batches:
        assert all(torch.equal(prepared[i], image) for i, image in zip(indices, batch, strict=True))


def test_descriptors_of_scales_are_averaged_then_whitened(network, photographs):
    pixels = prepare_image(photographs[5].load_image(), 64)[None].float() / 255
    smaller = torch.nn.functional.interpolate(pixels, scale_factor=0.7, mode="bilinear")
    with torch.no_grad():
        mean = (network(pixels) + network(smaller)).numpy() / 2
    unit = mean / np.linalg.norm(mean)
    plain = NetworkEmbedder(network, _SETTINGS)
    assert np.allclose(plain.embed(photographs[5:6])[0], unit[0], atol=1e-5)
    whitening = learn_pca(np.random.default_rng(0).normal(size=(99, 16)), 5)
    whitened = NetworkEmbedder(network, _SETTINGS, whitening=whitening)
    assert whitened.dimensions == 5
    expected = whitening.apply(unit)[0]
    assert np.allclose(whitened.embed(photographs[5:6])[0], expected, atol=1e-4)


def test_out_of_memory_halves_the_batch_and_goes_on(network, photographs, caplog):
    limited = LimitedMemory(most=2)
    limited.load_state_dict(network.state_dict())
    settings = _SETTINGS.model_copy(update={"batch_size": 8, "scales": (1.0,)})
    same_size = [Photograph(seed) for seed in range(9)]
    with caplog.at_level(logging.WARNING):
        found = as_matrix(NetworkEmbedder(limited, settings).embed(same_size))
    assert limited.tried[:3] == [8, 4, 2]
    assert max(limited.tried[2:]) == 2
    assert "out of memory at 8 images, going on with 4" in caplog.text
    expected = as_matrix(NetworkEmbedder(network, settings).embed(same_size))
    assert np.allclose(found, expected, atol=1e-5)


def test_when_not_even_one_image_fits_the_error_says_what_to_do(photographs):
    with pytest.raises(torch.OutOfMemoryError) as caught:
        NetworkEmbedder(LimitedMemory(most=0), _SETTINGS).embed(photographs)
    assert "lower long_side_px" in caught.value.__notes__[0]


def test_values_that_are_no_numbers_are_refused(photographs):
    broken = LimitedMemory(most=9)
    torch.nn.init.constant_(broken.projection[0].bias, torch.nan)
    with pytest.raises(FloatingPointError, match="bfloat16"):
        NetworkEmbedder(broken, _SETTINGS).embed(photographs)


def test_a_descriptor_without_direction_is_none_and_never_zero(photographs):
    blind = LimitedMemory(most=9)
    torch.nn.init.zeros_(blind.projection[0].weight)
    torch.nn.init.zeros_(blind.projection[0].bias)
    assert NetworkEmbedder(blind, _SETTINGS).embed(photographs) == [None] * 8


def test_half_precision_stays_close(network, photographs):
    half = _SETTINGS.model_copy(update={"precision": "bfloat16"})
    found = as_matrix(NetworkEmbedder(network, half).embed(photographs))
    expected = as_matrix(NetworkEmbedder(network, _SETTINGS).embed(photographs))
    assert found.dtype == np.float32
    assert (found * expected).sum(axis=1).min() > 0.99


@pytest.mark.parametrize("scales", [(), (1.0, 0.0), (-0.5,), (float("nan"),), (float("inf"),)])
def test_scales_that_leave_no_image_are_refused(scales):
    with pytest.raises(ValidationError, match="scales"):
        InferenceSettings(scales=scales)


def test_nothing_in_nothing_out(network):
    assert NetworkEmbedder(network).embed([]) == []


@pytest.mark.gpu
def test_a_gpu_gives_nearly_the_same(network, photographs):
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    expected = as_matrix(NetworkEmbedder(network, _SETTINGS).embed(photographs))
    for precision in ("float32", "bfloat16", "float16"):
        settings = _SETTINGS.model_copy(update={"precision": precision})
        found = as_matrix(NetworkEmbedder(network, settings, device="cuda").embed(photographs))
        assert (found * expected).sum(axis=1).min() > 0.99
    network.to("cpu")
