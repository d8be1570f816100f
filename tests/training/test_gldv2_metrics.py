import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.gldv2_metrics import (
    Recognition,
    compute_average_precisions,
    compute_global_average_precision,
    compute_mean_average_precision,
    compute_mean_precisions,
    compute_top1_accuracy,
    find_first_positions,
)

_SOLUTION = {"0123": {0, 12}, "0223": {100, 200, 300}, "0323": {1}, "0423": set(), "0523": set()}
_ANSWERS = {"0223": (0, 0.01), "0323": (1, 10.0), "0423": (150, 15.0)}
_RETRIEVAL = {"a": {"f10", "f20"}, "b": {"f10"}, "c": {"f30", "f40", "f50"}, "d": {"f30"}}
_RETRIEVED = {"b": ["f00", "f10"], "c": ["f40"], "d": ["f30", "f40"]}

_IMAGES = st.sampled_from(["a", "b", "c", "d", "e"])
_CLASSES = st.integers(0, 3)
_INDEX = [f"i{number}" for number in range(8)]


def answer(pairs):
    return {image: Recognition(*pair) for image, pair in pairs.items()}


def test_recognition_as_in_the_official_test():
    answers = answer(_ANSWERS)
    assert compute_global_average_precision(answers, _SOLUTION) == pytest.approx(1 / 6)
    only_landmarks = compute_global_average_precision(
        answers, _SOLUTION, ignore_images_without_landmark=True
    )
    assert only_landmarks == pytest.approx(1 / 3)
    assert compute_top1_accuracy(answers, _SOLUTION) == pytest.approx(1 / 3)


def test_retrieval_as_in_the_official_test():
    assert compute_mean_average_precision(_RETRIEVED, _RETRIEVAL) == pytest.approx(0.4583333)
    assert compute_mean_average_precision(_RETRIEVED, _RETRIEVAL, 1) == 0.5
    assert compute_mean_precisions(_RETRIEVED, _RETRIEVAL, 2).tolist() == [0.5, 0.375]
    positions = find_first_positions(_RETRIEVED, _RETRIEVAL)
    assert positions.tolist() == [101, 2, 1, 1]
    assert (positions.mean(), np.median(positions)) == (26.25, 1.5)


def test_answers_for_images_without_landmark_count_as_wrong():
    solution = {"q1": {5}, "q2": {7, 8}, "q3": set(), "q4": {9}, "q5": set()}
    answers = answer(
        {"q1": (5, 0.9), "q2": (8, 0.8), "q3": (1, 0.85), "q4": (2, 0.95), "q5": (3, 0.1)}
    )
    assert compute_global_average_precision(answers, solution) == pytest.approx(1 / 3)
    only_landmarks = compute_global_average_precision(
        answers, solution, ignore_images_without_landmark=True
    )
    assert only_landmarks == pytest.approx(0.3888889)


def test_equal_scores_are_ordered_by_image():
    solution = {"q1": {5}, "q2": {7, 8}, "q3": set(), "q4": {9}, "q5": set()}
    answers = answer({"q4": (9, 0.5), "q3": (1, 0.5), "q2": (8, 0.5), "q1": (5, 0.5)})
    assert compute_global_average_precision(answers, solution) == pytest.approx(0.9166667)


@pytest.mark.parametrize(
    ("right", "retrieved", "expected"),
    [
        ({"a", "b"}, ["a", "a", "b", "c"], 0.8333333),
        ({"a", "b"}, [*(f"w{i}" for i in range(99)), "a", "b"], 0.005),
        ({f"g{i}" for i in range(150)}, [f"g{i}" for i in range(100)], 1.0),
        ({f"g{i}" for i in range(150)}, [f"g{i}" for i in range(50)], 0.5),
        ({"a"}, [], 0.0),
    ],
)
def test_average_precision_at_a_hundred(right, retrieved, expected):
    assert compute_mean_average_precision({"q": retrieved}, {"q": right}) == pytest.approx(
        expected, abs=1e-7
    )


def add_up_gap(answers, solution, ignore):
    """The definition, read literally: for each right answer, its precision within the list."""
    listed = [
        (-prediction.score, image, prediction.landmark_id in solution[image])
        for image, prediction in answers.items()
        if solution[image] or not ignore
    ]
    total = 0.0
    for score, image, right in listed:
        before = [other for other in listed if other[:2] <= (score, image)]
        total += right * sum(other[2] for other in before) / len(before)
    return total / sum(1 for landmarks in solution.values() if landmarks)


@given(
    st.dictionaries(_IMAGES, st.builds(Recognition, _CLASSES, st.sampled_from([0.1, 0.5, 2.0]))),
    st.fixed_dictionaries(dict.fromkeys("abcd", st.sets(_CLASSES)) | {"e": st.just({1})}),
    st.booleans(),
)
def test_gap_is_its_definition(answers, solution, ignore):
    found = compute_global_average_precision(
        answers, solution, ignore_images_without_landmark=ignore
    )
    assert found == pytest.approx(add_up_gap(answers, solution, ignore))


def add_up_average_precision(right, retrieved, k):
    total = 0.0
    for place, image in enumerate(retrieved[:k], start=1):
        if image in right and image not in retrieved[: place - 1]:
            total += len(right & set(retrieved[:place])) / place
    return total / min(len(right), k)


@given(
    st.sets(st.sampled_from(_INDEX), min_size=1),
    st.lists(st.sampled_from(_INDEX), max_size=12),
    st.integers(1, 10),
)
def test_retrieval_is_its_definition(right, retrieved, k):
    predictions, solution = {"q": retrieved}, {"q": right, "unanswered": {"i0"}}
    found = compute_average_precisions(predictions, solution, k)
    assert found == pytest.approx([add_up_average_precision(right, retrieved, k), 0])
    precisions = compute_mean_precisions(predictions, solution, k)
    expected = [len(right & set(retrieved[:n])) / n / 2 for n in range(1, k + 1)]
    assert precisions == pytest.approx(expected)
    hits = (n for n, image in enumerate(retrieved[:k], start=1) if image in right)
    assert find_first_positions(predictions, solution, k).tolist() == [next(hits, k + 1), k + 1]


def test_infinite_scores_have_a_place():
    answers = answer({"a": (1, math.inf), "b": (1, -math.inf)})
    assert compute_global_average_precision(answers, {"a": {1}, "b": {2}}) == 0.5


def test_predictions_for_other_images_are_refused():
    with pytest.raises(ValueError, match="'zz'"):
        compute_global_average_precision(answer({"zz": (1, 1.0)}), _SOLUTION)
    with pytest.raises(ValueError, match="'zz'"):
        compute_mean_average_precision({"zz": []}, _RETRIEVAL)


def test_what_cannot_be_scored_is_refused():
    with pytest.raises(ValueError, match="no image of the solution"):
        compute_top1_accuracy({}, {"a": set()})
    with pytest.raises(ValueError, match="no index image is right"):
        compute_mean_average_precision({}, {"a": set()})
    with pytest.raises(ValueError, match="no queries"):
        compute_mean_average_precision({}, {})
