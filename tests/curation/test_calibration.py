import random
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.calibration import (
    CalibrationSettings,
    ControlImage,
    ControlPair,
    calibrate,
    choose_control_images,
    choose_control_pairs,
    estimate_rate,
)
from manifests.rows import PairVerdict

IMAGES = st.lists(st.integers(0, 5), max_size=25).map(
    lambda classes: [
        ControlImage(f"{number:016x}", landmark_id, f"digest-{number // 2}")
        for number, landmark_id in enumerate(classes)
    ]
)


def _pair(number, num_inliers, verdict, classes=None, images=None):
    """A control pair of its own images, in its own pair of classes unless told."""
    images = images or (f"a{number}", f"b{number}")
    return ControlPair(images, classes or (2 * number, 2 * number + 1), num_inliers, verdict)


def _pairs(accepted, rejected):
    counts = [(n, PairVerdict.VERIFIED) for n in accepted]
    counts += [(n, PairVerdict.REJECTED) for n in rejected]
    return [_pair(number, n, verdict) for number, (n, verdict) in enumerate(counts)]


@given(IMAGES, st.randoms(use_true_random=False))
def test_all_pairs_of_different_classes_are_drawn_once_when_there_is_room(images, order):
    pairs = choose_control_pairs(images, CalibrationSettings(num_pairs=10_000))
    wanted = {
        (a.image_id, b.image_id)
        for a, b in combinations(images, 2)
        if a.landmark_id != b.landmark_id and a.sha256 != b.sha256
    }
    drawn = [(a.image_id, b.image_id) for a, b in pairs]
    assert len(drawn) == len(set(drawn))
    assert set(drawn) == wanted
    shuffled = order.sample(images, len(images))
    assert choose_control_pairs(shuffled, CalibrationSettings(num_pairs=10_000)) == pairs


@given(IMAGES, st.integers(0, 30))
def test_fewer_pairs_are_a_prefix(images, num_pairs):
    everything = choose_control_pairs(images, CalibrationSettings(num_pairs=10_000))
    some = choose_control_pairs(images, CalibrationSettings(num_pairs=num_pairs))
    assert some == everything[:num_pairs]


@given(IMAGES, st.integers(0, 12), st.integers(0, 50))
def test_pairs_drawn_from_the_images_that_suffice_are_those_of_all(images, num_pairs, seed):
    settings = CalibrationSettings(num_pairs=num_pairs, seed=seed)
    ids = [image.image_id for image in images]
    some = choose_control_images(ids, images.__getitem__, settings)
    assert choose_control_pairs(some, settings) == choose_control_pairs(images, settings)


def test_of_many_images_few_are_looked_at():
    images = [ControlImage(f"{n:016x}", n % 50, f"d{n}") for n in range(2000)]
    seen = []

    def describe(place):
        seen.append(place)
        return images[place]

    choose_control_images([i.image_id for i in images], describe, CalibrationSettings(num_pairs=20))
    assert len(seen) < 50


def test_every_image_takes_part_about_equally_often():
    images = [ControlImage(f"{n:016x}", n % 50, f"d{n}") for n in range(200)]
    drawn = choose_control_pairs(images, CalibrationSettings(num_pairs=600))
    uses = [sum(image in pair for pair in drawn) for image in images]
    assert min(uses) >= 4
    assert max(uses) <= 8


def test_the_interval_of_no_hits_is_the_rule_of_three():
    low, high = estimate_rate(0, 4000, 0.95)
    assert low == 0
    # Closed form: (1 - p)^n = 0.025.
    assert high == pytest.approx(1 - 0.025 ** (1 / 4000), rel=1e-9)


@pytest.mark.parametrize(
    ("num_hits", "num_trials", "low", "high"),
    [(5, 10, 0.187086, 0.812914), (1, 20, 0.0012651, 0.2487328), (10, 10, 0.6915029, 1.0)],
)
def test_the_interval_agrees_with_published_tables(num_hits, num_trials, low, high):
    assert estimate_rate(num_hits, num_trials, 0.95) == pytest.approx((low, high), abs=1e-5)


def test_no_trials_say_nothing():
    assert estimate_rate(0, 0, 0.95) == (0.0, 1.0)


def test_the_interval_holds_the_rate_as_often_as_it_says():
    generator = random.Random(3)
    rate, inside = 0.03, 0
    for _ in range(400):
        num_hits = sum(generator.random() < rate for _ in range(200))
        low, high = estimate_rate(num_hits, 200, 0.9)
        inside += low <= rate <= high
    assert inside / 400 >= 0.88


def test_a_threshold_that_nothing_passes_is_confirmed():
    found = calibrate(_pairs([], [0, 4, 12] * 1500), 30, CalibrationSettings())
    assert (found.num_accepted, found.max_chance_inliers) == (0, 12)
    assert found.confirmed
    assert found.suggested_threshold == 30


def test_few_pairs_confirm_nothing_and_suggest_nothing():
    found = calibrate(_pairs([], [3] * 100), 30, CalibrationSettings())
    assert not found.confirmed
    assert found.suggested_threshold is None


def test_false_accepts_raise_the_threshold_above_them():
    accepted = [31, 32, 33, 34, 35, 60]
    found = calibrate(_pairs(accepted, [8] * 8000), 30, CalibrationSettings())
    assert not found.confirmed
    # At 35 two are left of 8006: 0.9 in a thousand at most; at 34 there are three: 1.1.
    assert found.suggested_threshold == 35
    assert calibrate(_pairs([35, 60], [8] * 8004), 35, CalibrationSettings()).confirmed


def test_a_copy_across_classes_counts_as_accepted():
    pairs = [_pair(99, 400, PairVerdict.DUPLICATE), *_pairs([], [5] * 10)]
    assert calibrate(pairs, 30, CalibrationSettings()).num_accepted == 1


def test_classes_that_two_separate_pairs_link_seem_to_be_one_place():
    linked = [
        _pair(0, 90, PairVerdict.VERIFIED, (7, 5), ("x", "y")),
        _pair(1, 40, PairVerdict.VERIFIED, (5, 7), ("u", "v")),
        _pair(2, 29, PairVerdict.REJECTED, (5, 7), ("x", "v")),
    ]
    once = [
        _pair(3, 31, PairVerdict.VERIFIED, (5, 9), ("x", "z")),
        _pair(4, 32, PairVerdict.VERIFIED, (9, 5), ("z", "w")),
    ]
    found = calibrate([*linked, *once, *_pairs([], [4] * 50)], 30, CalibrationSettings())
    assert found.one_place == ((5, 7),)
    assert (found.num_pairs, found.num_accepted, found.max_chance_inliers) == (52, 2, 4)
