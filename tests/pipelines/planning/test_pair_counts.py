import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.neighbours import propose_pairs
from curation.schedule import expected_pairs
from pipelines.planning.pair_counts import bound_pairs, count_pairs, estimate_mutual


def _propose(size, k, seed):
    """Distinct pairs that a class of random descriptors really proposes."""
    rng = np.random.default_rng((seed, size))
    descriptors = rng.normal(size=(size, 12)).astype(np.float32)
    descriptors /= np.linalg.norm(descriptors, axis=1, keepdims=True)
    return len(propose_pairs([f"{n:05d}" for n in range(size)], descriptors, k))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=6), st.integers(1, 40), st.integers(0, 99))
def test_bounds_hold_and_small_classes_are_exact_whatever_the_sizes(sizes, k, seed):
    found = np.array([_propose(size, k, seed) for size in sizes])
    low, high = bound_pairs(sizes, k)
    assert (low <= found).all()
    assert (found <= high).all()
    assert high.tolist() == [expected_pairs(size, k) for size in sizes]
    small = np.array(sizes) <= k + 1
    for mutual in (0.0, 0.5, 1.0):
        counted = count_pairs(sizes, k, mutual)
        assert counted[small] == pytest.approx(found[small])
        assert (counted <= high + 1e-9).all()


@pytest.mark.parametrize("k", [5, 20])
def test_the_mutual_share_of_some_classes_tells_the_pairs_of_others(k):
    known, asked = [2 * k, 4 * k, 10 * k], [3 * k, 6 * k, 8 * k]
    mutual = estimate_mutual(known, [k] * 3, [_propose(size, k, 1) for size in known])
    found = sum(_propose(size, k, 2) for size in asked)
    assert count_pairs(asked, k, mutual).sum() == pytest.approx(found, rel=0.05)


def test_a_thinned_class_has_the_mutual_share_of_the_whole_class():
    rng = np.random.default_rng(3)
    descriptors = rng.normal(size=(400, 12)).astype(np.float32)
    descriptors /= np.linalg.norm(descriptors, axis=1, keepdims=True)
    ids = [f"{n:05d}" for n in range(400)]
    whole = len(propose_pairs(ids, descriptors, 100))
    thinned = len(propose_pairs(ids[:80], descriptors[:80], 20))
    mutual = estimate_mutual([80], [20], [thinned])
    assert count_pairs([400], 100, mutual)[0] == pytest.approx(whole, rel=0.05)


def test_nothing_is_said_of_mutual_neighbours_where_every_pair_is_proposed():
    assert estimate_mutual([5, 9], [10, 10], [10, 36]) is None


def test_pairs_of_small_classes_fall_with_the_square_of_what_is_left():
    whole, half = count_pairs([10, 20], 100, 0.5), count_pairs([10, 20], 100, 0.5, kept_share=0.5)
    assert half == pytest.approx(whole / 4)


@given(st.integers(2, 10_000), st.integers(1, 200), st.floats(0, 1))
def test_more_images_never_give_fewer_pairs(size, k, mutual):
    fewer, more = count_pairs([size, size + 1], k, mutual)
    assert fewer <= more + 1e-6
