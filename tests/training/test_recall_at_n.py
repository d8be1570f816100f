import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.recall_at_n import (
    NO_IMAGE,
    compute_recall,
    find_positives_by_distance,
    find_positives_by_frame,
    find_positives_by_heading,
    keep_first_views,
)

_COORDINATES = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=8)
_RANKINGS = np.array([[5, 4, 2, 0, 1], [5, 3, 4, 0, 1], [0, 1, 2, 3, 4]])


def on_a_line(*east_m):
    return np.array([[east, 0.0] for east in east_m])


def to_lists(positives):
    return [truth.tolist() for truth in positives]


@pytest.fixture
def toy_positives():
    return find_positives_by_distance(on_a_line(0, 50, 1000), on_a_line(0, 10, 24.9, 25, 25.1, 100))


def test_twenty_five_metres_count(toy_positives):
    # From 50 m, the images at 25 and at 25.1 m are 25 and 24.9 m away.
    assert to_lists(toy_positives) == [[0, 1, 2, 3], [3, 4], []]


@pytest.mark.parametrize(
    ("skip_empty", "shares"), [(False, [0, 1 / 3, 2 / 3, 2 / 3]), (True, [0, 0.5, 1, 1])]
)
def test_recall_of_the_toy(toy_positives, skip_empty, shares):
    recall = compute_recall(_RANKINGS, toy_positives, (1, 2, 3, 5), skip_empty=skip_empty)
    assert list(recall.recall_at) == [1, 2, 3, 5]
    assert list(recall.recall_at.values()) == pytest.approx(shares)
    assert (recall.num_queries, recall.num_without_positives) == (3, 1)
    assert recall.skipped_empty is skip_empty


@given(_COORDINATES, _COORDINATES, st.integers(0, 12))
def test_distance_is_pythagoras(queries, database, radius_m):
    found = find_positives_by_distance(
        np.array(queries, float), np.array(database, float), radius_m
    )
    expected = [
        [i for i, xy in enumerate(database) if math.dist(xy, query) <= radius_m]
        for query in queries
    ]
    assert to_lists(found) == expected


@given(st.lists(st.integers(0, 40), max_size=9), st.lists(st.integers(0, 40), max_size=9))
def test_frames_are_counted_either_way(queries, database):
    # Unsigned numbers, as files hold them.
    found = find_positives_by_frame(
        np.array(queries, np.uint32), np.array(database, np.uint32), max_frames=10
    )
    expected = [
        [i for i, frame in enumerate(database) if query - 10 <= frame <= query + 10]
        for query in queries
    ]
    assert to_lists(found) == expected


def test_headings_are_compared_the_short_way_round():
    found = find_positives_by_heading(
        on_a_line(0.0, 0.0),
        on_a_line(0, 25, 26, 1, 2, 3),
        np.array([350.0, 350.0 - 720.0]),
        np.array([30.0, 30.0, 30.0, 31.0, 310.0, 170.0]),
    )
    assert to_lists(found) == [[0, 1, 4], [0, 1, 4]]


def test_fill_up_is_not_the_last_image():
    rankings = np.array([[0, NO_IMAGE, NO_IMAGE]])
    # Position 2 is a positive; -1 must not be taken for it.
    recall = compute_recall(rankings, [np.array([2])], (1, 3))
    assert recall.recall_at == {1: 0.0, 3: 0.0}


def test_views_of_one_panorama_count_once():
    rankings = np.array([[3, 0, 2, 25, 14, 13], [24, 25, 26, 27, 28, NO_IMAGE]])
    expected = [[3, 25, 14, -1, -1, -1], [24, -1, -1, -1, -1, -1]]
    assert keep_first_views(rankings).tolist() == expected


@given(
    st.lists(st.permutations(range(6)), min_size=1, max_size=6),
    st.lists(st.sets(st.integers(0, 5)), min_size=6, max_size=6),
    st.integers(1, 6),
)
def test_recall_is_its_definition_and_grows(rankings, truths, cutoff):
    truths = truths[: len(rankings)]
    recall = compute_recall(
        np.array(rankings), [np.array(sorted(truth), int) for truth in truths], (cutoff, 6)
    )
    pairs = list(zip(rankings, truths, strict=True))
    expected = sum(bool(truth & set(ranking[:cutoff])) for ranking, truth in pairs) / len(pairs)
    assert recall.recall_at[cutoff] == pytest.approx(expected)
    assert recall.recall_at[6] == pytest.approx(sum(map(bool, truths)) / len(truths))


@pytest.mark.parametrize(
    ("num_positives", "cutoffs", "message"),
    [(2, (1,), "one row each"), (3, (6,), "search deeper"), (3, (0,), "search deeper")],
)
def test_what_does_not_fit_is_refused(num_positives, cutoffs, message):
    with pytest.raises(ValueError, match=message):
        compute_recall(_RANKINGS, [np.array([0])] * num_positives, cutoffs)


def test_negative_positives_are_refused():
    with pytest.raises(ValueError, match="negative"):
        compute_recall(_RANKINGS, [np.array([-1])] * 3, (1,))


def test_nothing_to_count_is_refused():
    with pytest.raises(ValueError, match="no query has a positive"):
        compute_recall(_RANKINGS, [np.array([], int)] * 3, (1,), skip_empty=True)
