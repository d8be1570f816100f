from dataclasses import dataclass, replace

import faiss
import numpy as np
import pytest
from drawn_places import describe, describe_place, draw_place, turn_picture
from hypothesis import given
from hypothesis import strategies as st
from planted_features import make_descriptors, make_features

from curation.vlad import Vlad, VladSettings, aggregate, learn_vlad, load_vlad, save_vlad
from manifests.features import Embedder, LocalFeatures

SETTINGS = VladSettings(num_words=8, dimensions=6, num_training_features=4000)
EMPTY = make_features(np.empty((0, 2)))


@dataclass(frozen=True)
class Input:
    image_id: str
    features: LocalFeatures

    def load_features(self):
        return self.features

    def load_image(self):
        raise AssertionError("VLAD needs no pixels")


@pytest.fixture(scope="module")
def training_images():
    return [describe_place(seed) for seed in range(12)]


@pytest.fixture(scope="module")
def vlad(training_images):
    return learn_vlad(training_images, SETTINGS)


def aggregate_by_hand(features, words):
    """Sum of residuals per word, each made a unit vector, the whole made a unit vector."""
    blocks = [np.zeros(128) for _ in words]
    for descriptor in features.descriptors / 256.0:
        nearest = min(range(len(words)), key=lambda k: ((descriptor - words[k]) ** 2).sum())
        blocks[nearest] += descriptor - words[nearest]
    blocks = [block / np.linalg.norm(block) if block.any() else block for block in blocks]
    whole = np.concatenate(blocks)
    return whole / np.linalg.norm(whole)


def test_aggregation_follows_its_definition(vlad, training_images):
    features = training_images[0]
    few = replace(
        features, descriptors=features.descriptors[:150], geometry=features.geometry[:150]
    )
    assert aggregate(few, vlad.words) == pytest.approx(aggregate_by_hand(few, vlad.words), abs=1e-5)


def test_every_word_that_is_seen_weighs_the_same(vlad, training_images):
    """Intra-normalisation: a wall of one repeated brick must not drown the rest."""
    result = aggregate(training_images[0], vlad.words)
    norms = np.linalg.norm(result.reshape(8, 128), axis=1)
    seen = norms > 0
    assert norms[seen] == pytest.approx(1 / np.sqrt(seen.sum()), abs=1e-5)
    assert np.linalg.norm(result) == pytest.approx(1, abs=1e-5)


@given(st.randoms(use_true_random=False))
def test_the_order_of_the_features_does_not_matter(random):
    words = make_descriptors(7, 4).astype(np.float32) / 256
    features = make_features(np.zeros((30, 2)))
    order = random.sample(range(30), 30)
    shuffled = replace(features, descriptors=features.descriptors[order])
    assert aggregate(shuffled, words) == pytest.approx(aggregate(features, words), abs=1e-5)


def test_a_feature_that_equals_its_word_adds_nothing():
    descriptors = make_descriptors(0, 2)
    features = make_features([[10, 10], [20, 20]], descriptors=descriptors)
    words = descriptors.astype(np.float32) / 256
    assert not aggregate(features, words).any()


def test_descriptors_have_unit_length_and_the_size_asked_for(vlad, training_images):
    assert vlad.dimensions == 6
    for features in training_images:
        descriptor = vlad.describe(features)
        assert descriptor.shape == (6,)
        assert descriptor.dtype == np.float32
        assert np.linalg.norm(descriptor) == pytest.approx(1, abs=1e-5)


def test_another_view_of_a_place_is_nearer_than_other_places(training_images):
    wider = learn_vlad(training_images, VladSettings(num_words=32, dimensions=6))
    view = wider.describe(describe(turn_picture(draw_place(3), 20)))
    similarities = [float(view @ wider.describe(features)) for features in training_images]
    assert np.argmax(similarities) == 3


def test_an_image_without_features_has_no_descriptor(vlad):
    embedder: Embedder = vlad
    results = embedder.embed([Input("a", describe_place(0)), Input("b", EMPTY)])
    assert results[0] is not None
    assert results[1] is None


def test_an_image_that_equals_the_mean_of_all_has_no_direction():
    features = describe_place(0)
    words = make_descriptors(7, 4).astype(np.float32) / 256
    mean = aggregate(features, words)
    vlad = Vlad(words, mean, np.eye(512, 3, dtype=np.float32))
    assert vlad.describe(features) is None
    assert vlad.describe(describe_place(1)) is not None


@pytest.mark.parametrize("threads", [1, 4])
def test_the_same_images_teach_the_same_whatever_the_threads(vlad, training_images, threads):
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(threads)
    try:
        again = learn_vlad(training_images, SETTINGS)
    finally:
        faiss.omp_set_num_threads(before)
    assert again.words.tobytes() == vlad.words.tobytes()
    assert again.projection.tobytes() == vlad.projection.tobytes()


def test_another_seed_teaches_other_words(vlad, training_images):
    other = learn_vlad(training_images, SETTINGS.model_copy(update={"seed": 1}))
    assert not np.array_equal(other.words, vlad.words)


def test_whitened_training_images_are_uncorrelated_and_equally_spread(training_images):
    """Without shrinkage, PCA whitening makes the covariance the identity (Jégou and Chum 2012)."""
    plain = SETTINGS.model_copy(update={"whitening_shrinkage": 0.0})
    vlad = learn_vlad(training_images, plain)
    aggregates = np.stack([aggregate(features, vlad.words) for features in training_images])
    projected = (aggregates - vlad.mean) @ vlad.projection
    assert np.cov(projected, rowvar=False, bias=True) == pytest.approx(np.eye(6), abs=1e-3)


def test_axes_point_where_their_largest_entry_is_positive(vlad):
    """An eigenvector may as well be its opposite; another library might return that one."""
    largest = np.abs(vlad.projection).argmax(axis=0)
    assert (vlad.projection[largest, np.arange(6)] > 0).all()


def test_shrinkage_damps_weak_directions_more_than_strong_ones(vlad, training_images):
    plain = learn_vlad(training_images, SETTINGS.model_copy(update={"whitening_shrinkage": 0.0}))
    ratio = np.linalg.norm(vlad.projection, axis=0) / np.linalg.norm(plain.projection, axis=0)
    assert (ratio < 1).all()
    assert (np.diff(ratio) < 0).all()


def test_dimensions_are_at_most_half_the_number_of_images(training_images):
    settings = VladSettings(num_words=4, dimensions=256)
    assert learn_vlad(training_images[:7], settings).dimensions == 3
    assert learn_vlad(training_images[:2], settings).dimensions == 1


def test_images_without_features_do_not_teach(training_images):
    mixed = learn_vlad([EMPTY, *training_images[:4], EMPTY], SETTINGS)
    assert mixed.words.tobytes() == learn_vlad(training_images[:4], SETTINGS).words.tobytes()


@pytest.mark.parametrize("num_described", [0, 1])
def test_fewer_than_two_images_cannot_teach(num_described):
    images = [EMPTY, EMPTY, *[describe_place(0)] * num_described]
    with pytest.raises(ValueError, match=f"only {num_described} of {len(images)} have local"):
        learn_vlad(images, SETTINGS)


def test_copies_of_one_image_cannot_teach():
    """Their differences have no direction to whiten; not-a-numbers must not pass for one."""
    with pytest.raises(ValueError, match="all 3 have the same local features"):
        learn_vlad([describe_place(0)] * 3, SETTINGS)


def test_a_handful_of_features_teaches_half_as_many_words():
    """With a word per feature every residual, and so every descriptor, would be zero."""
    images = [make_features(np.zeros((3, 2)), descriptors=make_descriptors(s, 3)) for s in (1, 2)]
    vlad = learn_vlad(images, VladSettings(num_words=64))
    assert len(vlad.words) == 3
    assert all(vlad.describe(features) is not None for features in images)


def test_a_stored_embedder_gives_the_same_answers_and_the_same_bytes(vlad, tmp_path):
    first, second = tmp_path / "a.vlad", tmp_path / "b.vlad"
    save_vlad(first, vlad)
    loaded = load_vlad(first)
    save_vlad(second, loaded)
    assert first.read_bytes() == second.read_bytes()
    features = describe_place(5)
    assert loaded.describe(features).tobytes() == vlad.describe(features).tobytes()


def test_a_missing_embedder_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_vlad(tmp_path / "none.vlad")


@pytest.mark.parametrize("num_kept_bytes", [0, 10, 200, -1])
def test_a_damaged_embedder_is_named(vlad, tmp_path, num_kept_bytes):
    path = tmp_path / "codebook.vlad"
    save_vlad(path, vlad)
    path.write_bytes(path.read_bytes()[:num_kept_bytes])
    with pytest.raises(ValueError, match=r"codebook\.vlad: not a VLAD codebook .*embed stage"):
        load_vlad(path)


@pytest.mark.parametrize("damage", ["words", "mean", "projection"])
def test_arrays_that_do_not_fit_together_are_refused(vlad, tmp_path, damage):
    path = tmp_path / "codebook.vlad"
    save_vlad(path, replace(vlad, **{damage: getattr(vlad, damage)[1:]}))
    with pytest.raises(ValueError, match="not a VLAD codebook"):
        load_vlad(path)
