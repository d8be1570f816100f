"""Checkpoints and runs as describers: sizes, whitening and lineage."""

import numpy as np
import pytest
import torch
from drawn_places import SIFT, draw_place

from curation.sift import SiftSettings, extract_sift
from curation.vlad import VladSettings, learn_vlad, save_vlad
from manifests.input_error import InputError
from networks.checkpoints import Checkpoint, save_checkpoint
from networks.delf import DelfNetwork, DelfSettings
from networks.inference import InferenceSettings
from networks.retrieval_network import NetworkSettings, RetrievalNetwork
from networks.whitening import Whitening
from training.evaluation.describers import make_vlad_describer, open_checkpoint

_INFERENCE = InferenceSettings(long_side_px=64, scales=(1.0,))


def make_whitening(seed):
    generator = np.random.default_rng(seed)
    return Whitening(np.zeros(512), generator.normal(size=(8, 512)))


def write(path, whitening=None):
    torch.manual_seed(0)
    settings = NetworkSettings(backbone="resnet18", dimensions=None)
    state = RetrievalNetwork(settings).state_dict()
    save_checkpoint(path, Checkpoint(settings, state, whitening))
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A network with a whitening, one without, and one with another."""
    folder = tmp_path_factory.mktemp("networks")
    return (
        write(folder / "own.pt", make_whitening(0)),
        write(folder / "plain.pt"),
        write(folder / "other.pt", make_whitening(1)),
    )


def describe(describer):
    pixels = draw_place(3, 96, 80)
    (descriptor,) = describer.embed_prepared([describer.prepare(pixels)])
    return descriptor


def test_the_whitening_is_chosen(files):
    own, plain, other = files
    raw = describe(open_checkpoint(own, _INFERENCE, use_whitening=False))
    assert np.array_equal(raw, describe(open_checkpoint(plain, _INFERENCE)))
    whitened = describe(open_checkpoint(own, _INFERENCE))
    assert np.array_equal(whitened, make_whitening(0).apply(raw))
    borrowed = open_checkpoint(plain, _INFERENCE, whitening=other)
    assert borrowed.dimensions == 8
    assert np.array_equal(describe(borrowed), make_whitening(1).apply(raw))


def test_whatever_changes_descriptors_changes_the_lineage(files):
    own, plain, other = files
    small = _INFERENCE.model_copy(update={"long_side_px": 32})
    lineages = [
        open_checkpoint(own, _INFERENCE).lineage,
        open_checkpoint(own, _INFERENCE, use_whitening=False).lineage,
        open_checkpoint(own, _INFERENCE, whitening=other).lineage,
        open_checkpoint(own, small).lineage,
        open_checkpoint(plain, _INFERENCE).lineage,
    ]
    assert all(a != b for i, a in enumerate(lineages) for b in lineages[:i])
    one_by_one = _INFERENCE.model_copy(update={"batch_size": 1})
    assert open_checkpoint(own, one_by_one).lineage == lineages[0]


def test_a_network_of_local_features_is_refused(tmp_path):
    settings = DelfSettings(backbone="resnet18")
    state = DelfNetwork(settings).state_dict()
    save_checkpoint(tmp_path / "delf.pt", Checkpoint(settings, state))
    with pytest.raises(InputError, match="no global descriptor"):
        open_checkpoint(tmp_path / "delf.pt", _INFERENCE)


def test_a_borrowed_whitening_must_be_there(files):
    own, plain, _ = files
    with pytest.raises(InputError, match="holds no whitening"):
        open_checkpoint(own, _INFERENCE, whitening=plain)


def test_a_codebook_describes_local_features(tmp_path):
    prepared = SiftSettings(long_side_px=SIFT.long_side_px, max_features=200)
    pictures = [draw_place(seed, 160, 120) for seed in range(4)]
    features = [extract_sift(picture, prepared) for picture in pictures]
    vlad = learn_vlad(features, VladSettings(num_words=4, dimensions=3))
    save_vlad(tmp_path / "codebook.vlad", vlad)
    describer = make_vlad_describer(vlad, tmp_path / "codebook.vlad", prepared)
    found = describer.embed_prepared(map(describer.prepare, pictures))
    assert [row.shape for row in found] == [(describer.dimensions,)] * 4
    assert np.array_equal(found[2], vlad.describe(features[2]))
    blank = describer.prepare(np.full((100, 100, 3), 128, np.uint8))
    assert describer.embed_prepared([blank]) == [None]
