import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from curation.linkage import group_by_query, rank_by_linkage


@st.composite
def drawn_pairs(draw):
    """Numbers of images, and distinct pairs of them in any order."""
    num_images = draw(st.integers(1, 30))
    images = st.integers(0, num_images - 1)
    pairs = draw(st.lists(st.tuples(images, images).filter(lambda p: p[0] != p[1]), unique=True))
    first, second = np.array(pairs, np.int32).reshape(-1, 2).T
    return first, second, num_images


def rank_slowly(first, second, num_images):
    """Groups as lists, joined one pair after the other."""
    groups = [[image] for image in range(num_images)]
    for a, b in zip(first.tolist(), second.tolist(), strict=True):
        one, other = (next(group for group in groups if image in group) for image in (a, b))
        if one is not other:
            one.extend(other)
            groups.remove(other)
    groups.sort(key=lambda group: group[0])
    return np.argsort([image for group in groups for image in group])


@given(drawn_pairs())
def test_images_are_ordered_as_groups_that_are_joined_pair_by_pair(pairs):
    assert rank_by_linkage(*pairs).tolist() == rank_slowly(*pairs).tolist()


def test_the_images_of_a_place_follow_each_other():
    """Places of ten images each, whose numbers are shuffled; pairs within a place come first."""
    rng = np.random.default_rng(0)
    places = rng.permutation(np.repeat(np.arange(8), 10))
    first, second = np.triu_indices(80, 1)
    order = np.lexsort((rng.random(len(first)), places[first] != places[second]))
    ranks = rank_by_linkage(first[order], second[order], 80)
    assert (np.diff(places[np.argsort(ranks)]) != 0).sum() == 7


@given(drawn_pairs())
def test_every_pair_is_in_one_group_and_knows_its_direction(pairs):
    first, second, num_images = pairs
    seen = []
    ranks = rank_by_linkage(first, second, num_images)
    for query, rows, others, is_first in group_by_query(first, second, num_images):
        assert (ranks[query] <= ranks[others]).all()
        assert (np.diff(ranks[others]) >= 0).all()
        assert (np.where(is_first, query, others) == first[rows]).all()
        assert (np.where(is_first, others, query) == second[rows]).all()
        seen += rows.tolist()
    assert sorted(seen) == list(range(len(first)))


@given(drawn_pairs())
def test_an_image_is_asked_for_as_a_query_once(pairs):
    queries = [comparison.query for comparison in group_by_query(*pairs)]
    assert len(queries) == len(set(queries))
