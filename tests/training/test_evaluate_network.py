"""From pixels to scores, with a real network that was never trained."""

import numpy as np
import pytest
import torch

from manifests.evaluation_sets import EvaluationQuery, EvaluationSet
from networks.inference import InferenceSettings, NetworkEmbedder
from networks.retrieval_network import NetworkSettings, RetrievalNetwork
from training.bootstrap import BootstrapSettings
from training.descriptor_files import describe_images, read_descriptors, write_descriptors
from training.evaluate import EvaluationSettings, evaluate_set
from training.query_crops import reduce_crop

_LONG_SIDE_PX = 64


class Photograph:
    def __init__(self, image_id, pixels):
        self.image_id = image_id
        self._pixels = pixels

    def load_image(self):
        return self._pixels

    def load_features(self):
        raise AssertionError("a network reads pixels")


@pytest.fixture(scope="module")
def embedder():
    torch.manual_seed(0)
    network = RetrievalNetwork(NetworkSettings(backbone="resnet18", dimensions=16))
    return NetworkEmbedder(network, InferenceSettings(long_side_px=_LONG_SIDE_PX, scales=(1.0,)))


def make_photograph(seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (128, 96, 3), np.uint8)
    return Photograph(f"photograph{seed}", pixels)


def test_every_photograph_finds_itself(embedder, tmp_path):
    images = [make_photograph(seed) for seed in range(4)]
    queries = tuple(
        EvaluationQuery(image.image_id, image.image_id, easy=(position,))
        for position, image in enumerate(images)
    )
    evaluation_set = EvaluationSet("own", tuple(image.image_id for image in images), queries)
    reduced = [
        Photograph(image.image_id, reduce_crop(image.load_image(), 128, _LONG_SIDE_PX))
        for image in images
    ]
    write_descriptors(tmp_path / "queries.npz", describe_images(embedder, reduced))
    described = read_descriptors(tmp_path / "queries.npz")
    # In another order, so that only the names can bring both together.
    database = describe_images(embedder, images[::-1])
    result = evaluate_set(
        evaluation_set,
        described.select([query.image_name for query in queries]),
        database.select(evaluation_set.database),
        settings=EvaluationSettings(bootstrap=BootstrapSettings(num_resamples=100)),
    )
    assert result.protocols[0].average_precisions == dict.fromkeys(database.names, 1.0)
