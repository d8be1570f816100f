"""The statistics of the leak experiment, on outcomes made up here."""

import numpy as np
import pytest

from benchmarks.leak_statistics import COMPARISONS, bootstrap_crossed, compare_all

NUM_SEEDS, NUM_LANDMARKS = 5, 14
SETS = ("with_leak", "without_leak", "without_random_classes", "with_other_classes")


def make_outcome(leak, seed=0):
    """Scores of four training sets in which a leak is worth so much to overlapping landmarks."""
    rng = np.random.default_rng(seed)
    hardness = {kind: rng.uniform(0.3, 0.7, NUM_LANDMARKS) for kind in ("overlapping", "other")}
    scores = {}
    for name in SETS:
        luck = rng.normal(0, 0.02, (NUM_SEEDS, 1))
        scores[name] = {
            kind: hard + luck + rng.normal(0, 0.04, (NUM_SEEDS, NUM_LANDMARKS))
            for kind, hard in hardness.items()
        }
        if name in ("with_leak", "without_random_classes"):
            scores[name]["overlapping"] = scores[name]["overlapping"] + leak
    return scores


def find_rows(scores):
    return {(row["name"], row["queries"]): row for row in compare_all(scores)}


def test_a_planted_leak_is_found_and_only_where_it_is():
    rows = find_rows(make_outcome(leak=0.2))
    assert len(rows) == 2 * len(COMPARISONS)
    assert all(row["as_expected"] for row in rows.values())
    found = rows["leak_removed", "overlapping"]
    assert found["excludes_zero"]
    assert found["low"] < -20 < found["high"] < 0
    assert found["change"] == pytest.approx(found["map_after"] - found["map_before"], abs=0.02)


def test_without_a_leak_nothing_is_found():
    rows = find_rows(make_outcome(leak=0.0))
    assert not any(row["excludes_zero"] for row in rows.values())
    # The leak that was to be found is missing, and the report says so.
    assert not rows["leak_removed", "overlapping"]["as_expected"]


def test_intervals_hold_the_truth_about_as_often_as_they_promise():
    held = 0
    for seed in range(100):
        scores = make_outcome(leak=0.0, seed=seed)
        interval = bootstrap_crossed(scores["with_leak"]["other"], scores["without_leak"]["other"])
        held += interval.low <= 0 <= interval.high
    assert held >= 90


def test_a_training_that_went_well_is_no_finding():
    # Every landmark gains in one seed and loses in the other: nothing follows for other seeds,
    # although an interval over landmarks alone would be as narrow as can be.
    before = np.full((2, 30), 0.5)
    after = before + np.array([[0.1], [-0.08]])
    interval = bootstrap_crossed(before, after)
    assert not interval.excludes_zero
    assert (interval.low, interval.high) == (pytest.approx(-0.08), pytest.approx(0.1))


def test_one_lucky_landmark_is_no_finding():
    before = np.full((4, 12), 0.5)
    after = before.copy()
    after[:, 3] += 0.4
    interval = bootstrap_crossed(before, after)
    assert interval.mean > 0
    assert not interval.excludes_zero


def test_a_constant_change_has_an_interval_of_no_width():
    before = np.random.default_rng(0).uniform(0, 1, (3, 7))
    interval = bootstrap_crossed(before, before - 0.25)
    assert (interval.low, interval.mean, interval.high) == (pytest.approx(-0.25),) * 3


@pytest.mark.parametrize("shape", [(1, 5), (5, 1), (5,)])
def test_too_little_to_resample_is_refused(shape):
    with pytest.raises(ValueError, match="at least two seeds"):
        bootstrap_crossed(np.zeros(shape), np.zeros(shape))
