import pytest

from curation.calibration import ControlPair
from curation.uncertain_pairs import UncertainBand, find_band
from manifests.rows import PairReason, PairVerdict


def _control(number, num_inliers, verdict=PairVerdict.REJECTED, classes=None):
    return ControlPair(
        (f"a{number}", f"b{number}"), classes or (2 * number, 2 * number + 1), num_inliers, verdict
    )


def test_without_controls_the_band_is_the_width_both_ways():
    assert find_band([], 30, None, 0.25) == UncertainBand(23, 37)
    assert find_band([], 20, None, 0.1) == UncertainBand(18, 22)


@pytest.mark.parametrize(("chance", "lowest"), [(5, 23), (22, 23), (23, 24), (29, 30)])
def test_what_chance_reaches_is_not_uncertain(chance, lowest):
    controls = [_control(0, 3), _control(1, chance)]
    assert find_band(controls, 30, 30, 0.25) == UncertainBand(lowest, 37)


def test_a_control_pair_that_a_guard_rejected_says_nothing_of_chance():
    assert find_band([_control(0, 80)], 30, 30, 0.25) == UncertainBand(23, 37)


def test_control_pairs_of_one_place_say_nothing_of_chance():
    controls = [
        _control(0, 60, PairVerdict.VERIFIED, (1, 2)),
        _control(1, 70, PairVerdict.VERIFIED, (1, 2)),
        _control(2, 29, PairVerdict.REJECTED, (2, 1)),
    ]
    assert find_band(controls, 30, 30, 0.25) == UncertainBand(23, 37)


def test_pairs_below_the_suggested_threshold_are_uncertain():
    assert find_band([], 30, 45, 0.25) == UncertainBand(23, 44)
    assert find_band([], 30, 33, 0.25) == UncertainBand(23, 37)


@pytest.mark.parametrize("reason", list(PairReason))
def test_only_verdicts_that_rest_on_inliers_are_uncertain(reason):
    rests_on_inliers = {"enough_inliers", "too_few_inliers", "too_few_tentative"}
    assert UncertainBand(23, 37).holds(30, reason) is (reason in rests_on_inliers)


@pytest.mark.parametrize(("count", "inside"), [(22, False), (23, True), (37, True), (38, False)])
def test_both_ends_belong_to_the_band(count, inside):
    assert UncertainBand(23, 37).holds(count, PairReason.TOO_FEW_INLIERS) is inside
