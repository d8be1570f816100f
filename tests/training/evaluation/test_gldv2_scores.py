import numpy as np
import pytest

from training.bootstrap import BootstrapSettings
from training.evaluation.gldv2_scores import (
    name_results,
    score_recognition,
    score_retrieval,
    vote_for_landmarks,
)
from training.gldv2_metrics import Recognition
from training.gldv2_submissions import (
    Solution,
    Submission,
    read_recognition_solution,
    read_recognition_submission,
    read_retrieval_solution,
    read_retrieval_submission,
    write_recognition_submission,
    write_retrieval_submission,
)
from training.recall_at_n import NO_IMAGE
from training.search import Neighbours

_BOOTSTRAP = BootstrapSettings(num_resamples=100)


def make_id(number):
    return f"{number:016x}"


def test_both_parts_are_scored_apart():
    solution = Solution({"a": frozenset({"x"})}, {"b": frozenset({"y"})}, frozenset())
    submission = Submission({"a": ("x",)}, {"b": ("z", "y")})
    scores = score_retrieval(solution, submission, _BOOTSTRAP)
    assert scores.public_retrieval.mean_average_precision_at_100 == 1.0
    assert scores.private_retrieval.mean_average_precision_at_100 == 0.5
    assert scores.private_retrieval.median_first_position == 2.0
    assert scores.private_retrieval.mean_precisions[1] == 0.0
    assert scores.public_recognition is None


def test_a_part_without_images_has_no_score():
    solution = Solution({}, {"b": frozenset({"y"})}, frozenset())
    assert score_retrieval(solution, Submission({}, {}), _BOOTSTRAP).public_retrieval is None
    nothing = Solution({"a": frozenset()}, {}, frozenset())
    assert score_recognition(nothing, Submission({}, {})).public_recognition is None


def test_recognition_of_known_cases():
    solution = Solution(
        {
            "q1": frozenset({5}),
            "q2": frozenset({7, 8}),
            "q3": frozenset(),
            "q4": frozenset({9}),
            "q5": frozenset(),
        },
        {},
        frozenset(),
    )
    answers = {
        "q1": Recognition(5, 0.9),
        "q2": Recognition(8, 0.8),
        "q3": Recognition(1, 0.85),
        "q4": Recognition(2, 0.95),
        "q5": Recognition(3, 0.1),
    }
    scores = score_recognition(solution, Submission(answers, {})).public_recognition
    assert scores.global_average_precision == pytest.approx(1 / 3)
    assert scores.without_images_of_no_landmark == pytest.approx(0.3888889)
    assert scores.top1_accuracy == pytest.approx(2 / 3)
    assert (scores.num_images, scores.num_with_landmark, scores.num_answered) == (5, 3, 5)


def test_results_are_named_and_empty_ones_absent():
    positions = np.array([[2, 0, NO_IMAGE], [NO_IMAGE] * 3])
    assert name_results(["a", "b"], positions, ["x", "y", "z"]) == {"a": ("z", "x")}


def test_the_class_with_the_greatest_sum_of_similarities_wins():
    neighbours = Neighbours(
        np.array([[0, 1, 2], [0, 1, 3], [NO_IMAGE] * 3]),
        np.array([[0.9, 0.5, 0.45], [0.5, 0.5, -np.inf], [-np.inf] * 3], np.float32),
    )
    answers = vote_for_landmarks(["a", "b", "c"], neighbours, np.array([7, 4, 4, 1]))
    # One neighbour of class 7 is nearest, two of class 4 outweigh it; a tie goes to the smaller.
    assert answers["a"].landmark_id == 4
    assert answers["a"].score == pytest.approx(0.95)
    assert answers["b"] == Recognition(4, 0.5)
    assert "c" not in answers


def test_submissions_are_read_back_as_they_were_written(tmp_path):
    ids = [make_id(number) for number in range(4)]
    (tmp_path / "retrieval.csv").write_text(
        f"id,images,Usage\n{ids[0]},{ids[2]} {ids[3]},Public\n{ids[1]},{ids[2]},Private\n"
    )
    write_retrieval_submission(tmp_path / "r.csv", {ids[0]: ids[2:], ids[1]: ids[3:]})
    solution = read_retrieval_solution(tmp_path / "retrieval.csv")
    found = read_retrieval_submission(tmp_path / "r.csv", solution)
    assert found == Submission({ids[0]: tuple(ids[2:])}, {ids[1]: tuple(ids[3:])})

    (tmp_path / "recognition.csv").write_text(
        f"id,landmarks,Usage\n{ids[0]},5,Public\n{ids[1]},,Private\n"
    )
    answers = {ids[0]: Recognition(5, 0.1 + 0.2), ids[1]: Recognition(-1, 1e-300)}
    write_recognition_submission(tmp_path / "c.csv", answers)
    truth = read_recognition_solution(tmp_path / "recognition.csv")
    again = read_recognition_submission(tmp_path / "c.csv", truth)
    assert again == Submission({ids[0]: answers[ids[0]]}, {ids[1]: answers[ids[1]]})
