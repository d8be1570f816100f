import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from networks.whitening import learn_pca, learn_supervised_whitening

_FIXTURE = np.array([[1.0, 0.0, 1.1, 0.3], [0.0, 1.0, 0.2, 0.9]]).T


def random_vectors(seed, count=60, dimensions=5):
    generator = np.random.default_rng(seed)
    mixing = generator.normal(size=(dimensions, dimensions))
    return generator.normal(size=(count, dimensions)) @ mixing + generator.normal(size=dimensions)


def up_to_sign(rows, expected, tolerance):
    for row, wanted in zip(rows, np.asarray(expected), strict=True):
        assert min(np.abs(row - wanted).max(), np.abs(row + wanted).max()) < tolerance


def test_supervised_whitening_of_four_vectors():
    learned = learn_supervised_whitening(_FIXTURE, [0, 1], [2, 3])
    assert learned.mean.tolist() == [0.5, 0.5]
    up_to_sign(learned.projection, [[2.384025, -4.895363], [-3.837263, -4.105088]], 1e-6)
    up_to_sign(learned.apply(_FIXTURE[:1]).T, [[0.999324], [0.036767]], 1e-6)


@given(st.integers(0, 50))
def test_differences_of_pairs_become_white_and_the_scatter_diagonal(seed):
    vectors = random_vectors(seed)
    queries, positives = np.arange(30), np.arange(30, 60)
    learned = learn_supervised_whitening(vectors, queries, positives)
    differences = (vectors[queries] - vectors[positives]) @ learned.projection.T
    assert np.allclose(differences.T @ differences / 30, np.eye(5), atol=1e-8)
    projected = (vectors - learned.mean) @ learned.projection.T
    scatter = projected.T @ projected
    assert np.allclose(scatter, np.diag(np.diag(scatter)), atol=1e-6 * scatter[0, 0])
    assert (np.diff(np.diag(scatter)) <= 1e-9 * scatter[0, 0]).all()


def test_the_mean_is_that_of_the_queries():
    vectors = random_vectors(1)
    learned = learn_supervised_whitening(vectors, [3, 4], [10, 11])
    assert np.allclose(learned.mean, vectors[[3, 4]].mean(axis=0))


def test_fewer_pairs_than_dimensions_still_give_a_whitening():
    learned = learn_supervised_whitening(random_vectors(2), [0, 1], [2, 3])
    assert np.isfinite(learned.projection).all()


@pytest.mark.parametrize(("queries", "positives"), [([], []), ([1, 2], [3])])
def test_no_pairs_or_half_pairs_are_refused(queries, positives):
    with pytest.raises(ValueError, match="needs pairs"):
        learn_supervised_whitening(_FIXTURE, queries, positives)


@given(st.integers(0, 50))
def test_pca_whitening_makes_the_covariance_one(seed):
    vectors = random_vectors(seed)
    learned = learn_pca(vectors, 5)
    projected = (vectors - learned.mean) @ learned.projection.T
    assert np.allclose(np.cov(projected.T, bias=True), np.eye(5), atol=1e-8)


@given(st.integers(0, 50), st.floats(0.0, 1.0))
def test_part_of_the_power_leaves_part_of_the_variance(seed, power):
    vectors = random_vectors(seed)
    variances = np.sort(np.linalg.eigvalsh(np.cov(vectors.T, bias=True)))[::-1]
    learned = learn_pca(vectors, 3, power=power)
    projected = (vectors - learned.mean) @ learned.projection.T
    expected = np.diag(variances[:3] ** (1 - power))
    assert np.allclose(np.cov(projected.T, bias=True), expected, atol=1e-6 * variances[0])


def test_what_is_applied_has_unit_length_and_fewer_dimensions():
    vectors = random_vectors(0)
    learned = learn_pca(vectors, 4)
    applied = learned.truncate(2).apply(vectors)
    assert applied.dtype == np.float32
    assert np.allclose(np.linalg.norm(applied, axis=1), 1, atol=1e-6)
    whole = (vectors - learned.mean) @ learned.projection[:2].T
    assert np.allclose(applied, whole / np.linalg.norm(whole, axis=1, keepdims=True), atol=1e-6)
    assert not learned.apply(learned.mean).any()


def test_signs_do_not_depend_on_chance():
    vectors = random_vectors(0)
    first, second = learn_pca(vectors, 5), learn_pca(vectors[::-1], 5)
    assert np.allclose(first.projection, second.projection)


def test_more_directions_than_there_are_is_refused():
    with pytest.raises(ValueError, match="9 directions of descriptors of 5"):
        learn_pca(random_vectors(0), 9)
    with pytest.raises(ValueError, match="learn from more of them or keep fewer"):
        learn_pca(random_vectors(0, count=3), 5)
    assert learn_pca(random_vectors(0, count=3), 5, power=0.0).projection.shape == (5, 5)
