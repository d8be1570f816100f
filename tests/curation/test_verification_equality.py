"""The fast ways to an answer must come to the answer of the slow one."""

import math
from dataclasses import replace

import numpy as np
import pytest
from drawn_places import describe, describe_place, draw_place, halve_picture, turn_picture
from hypothesis import given, settings
from hypothesis import strategies as st
from planted_features import draw_points, make_descriptors, make_features, plant_pair
from slow_verification import estimate_affine_slowly, match_features_slowly

from curation import matchable_features
from curation.copies import CopySettings
from curation.correspondences import match_features
from curation.geometry import GeometrySettings, estimate_affine
from curation.kernels.packed_columns import PackedColumns
from curation.kernels.portable_search import PortableColumns
from curation.kernels.processor import available_kernels
from curation.matchable_features import MatchableFeatures
from curation.sketches import sketch_descriptors
from curation.verification import verify_one_to_many, verify_pair, verify_prepared
from curation.verification_settings import VerificationSettings
from manifests.rows import PairReason, PairVerdict

EXACT = VerificationSettings(cascade={"mode": "exact"})
SMALL_LOOK = {"num_features": 64, "share": 0.0}
CASCADE = VerificationSettings(cascade={"mode": "reject_early", **SMALL_LOOK})
EARLY = VerificationSettings(cascade={"mode": "decide_early", **SMALL_LOOK, "growth": 1.3})


NO_COPIES = CopySettings(max_residual=1e-6)
"""Planted features agree to a fraction of a pixel, as copies do."""


@pytest.fixture(scope="module")
def places():
    """Pictures of which some show the same place: described, not drawn, in the order listed."""
    return [
        describe_place(1),
        describe(turn_picture(draw_place(1), 20)),
        describe_place(2),
        describe(halve_picture(draw_place(2))),
        describe_place(3),
        make_features(draw_points(0, 0)),
    ]


def tell(found):
    """All that an answer says, comparable to the last bit."""
    matrix = None if found.matrix is None else found.matrix.tobytes()
    inliers = (found.inliers.index_a, found.inliers.index_b, found.inliers.ratio)
    return (
        found.verdict,
        found.reason,
        found.num_tentative,
        matrix,
        *(part.tobytes() for part in inliers),
    )


def crowd(seed, count, num_words, num_places):
    """Features whose descriptors and places repeat."""
    rng = np.random.default_rng(seed)
    words = make_descriptors(7, num_words)[rng.integers(0, num_words, count)]
    noise = (rng.uniform(size=words.shape) < 0.02).astype(np.uint8)
    xy = draw_points(7, num_places)[rng.integers(0, num_places, count)]
    return make_features(xy, rng.uniform(4, 20, count), rng.uniform(0, 360, count), words ^ noise)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 1000),
    st.integers(0, 300),
    st.integers(0, 300),
    st.integers(1, 80),
    st.integers(1, 60),
    st.sampled_from([0.7, 0.9, 1.0]),
)
def test_matches_are_those_of_the_slow_search(
    seed, count_a, count_b, num_words, num_places, max_ratio
):
    a = crowd(seed, count_a, num_words, num_places)
    b = crowd(seed + 5000, count_b, num_words, num_places)
    fast, slow = match_features(a, b, max_ratio), match_features_slowly(a, b, max_ratio)
    for name in ("index_a", "index_b", "ratio"):
        assert np.array_equal(getattr(fast, name), getattr(slow, name))


def test_real_descriptors_are_matched_and_explained_as_by_the_slow_search(places):
    geometry = GeometrySettings()
    for a in places:
        for b in places:
            fast, slow = match_features(a, b, 0.9), match_features_slowly(a, b, 0.9)
            assert np.array_equal(fast.index_a, slow.index_a)
            assert np.array_equal(fast.index_b, slow.index_b)
            fits = [f(a, b, fast, geometry) for f in (estimate_affine, estimate_affine_slowly)]
            assert (fits[0] is None) == (fits[1] is None)
            if fits[0] is not None:
                assert np.array_equal(fits[0].inliers, fits[1].inliers)


@pytest.mark.parametrize("settings", [EXACT, CASCADE, EARLY], ids=["exact", "reject", "decide"])
def test_one_to_many_gives_the_answers_of_the_pairs(places, settings):
    for query in places:
        many = list(verify_one_to_many(query, iter(places), settings))
        pairs = [verify_pair(query, candidate, settings) for candidate in places]
        assert [tell(found) for found in many] == [tell(found) for found in pairs]


@pytest.mark.parametrize("batch", [1, 2, 3, 7, 16, 64])
def test_the_size_of_a_batch_changes_nothing(places, batch):
    query, many = places[0], [places[number % len(places)] for number in range(64)]
    alone = [tell(verify_pair(query, place, EARLY)) for place in places]
    found = [
        tell(answer)
        for start in range(0, len(many), batch)
        for answer in verify_one_to_many(query, many[start : start + batch], CASCADE)
    ]
    assert found == [alone[number % len(places)] for number in range(64)]


@pytest.mark.parametrize("settings", [EXACT, CASCADE, EARLY], ids=["exact", "reject", "decide"])
@pytest.mark.parametrize("kernel", [*available_kernels(), None], ids=str)
def test_all_processors_come_to_the_same_answer(places, settings, kernel, monkeypatch):
    """None of the kernels: the portable search, as on processors that have none of them."""
    best = [tell(verify_pair(places[0], place, settings)) for place in places]
    if kernel is None:
        monkeypatch.setattr(matchable_features, "available_kernels", tuple)
    query = MatchableFeatures(places[0], kernel)
    for place, expected in zip(places, best, strict=True):
        found = verify_prepared(query, MatchableFeatures(place, kernel), settings)
        assert tell(found) == expected
    expected = PackedColumns if kernel else PortableColumns
    for by_sketches in (False, True):
        descriptors = query.get_sketches(len(query)) if by_sketches else query.descriptors
        assert isinstance(descriptors.index_between(0, 64), expected)


def test_images_that_were_prepared_before_are_judged_as_fresh_ones(places):
    """Also when the weak features were asked for first, and the strong ones are cut from them."""
    prepared = [MatchableFeatures(place) for place in places]
    for mode in (EXACT, EARLY, CASCADE, EXACT, EARLY):
        for a, fresh_a in zip(prepared, places, strict=True):
            for b, fresh_b in zip(prepared, places, strict=True):
                found = verify_prepared(a, b, mode)
                assert tell(found) == tell(verify_pair(fresh_a, fresh_b, mode))


@pytest.mark.parametrize("order", [1, -1])
def test_ten_repetitions_give_the_same_bits(places, order):
    pair = places[:2][::order]
    first = tell(verify_pair(*pair, CASCADE))
    assert all(tell(verify_pair(*pair, CASCADE)) == first for _ in range(10))


def test_nobody_to_compare_with_is_nothing(places):
    assert list(verify_one_to_many(places[0], [], EXACT)) == []


def test_candidates_are_taken_a_batch_at_a_time(places):
    taken = []
    candidates = (taken.append(number) or places[0] for number in range(100))
    next(verify_one_to_many(places[0], candidates, EXACT))
    assert 0 < len(taken) < 50


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 1000),
    st.integers(0, 70),
    st.integers(30, 120),
    st.integers(32, 100),
    st.integers(3, 8),
)
def test_the_cascade_changes_no_answer_but_to_reject_it(
    seed, num_inliers, num_outliers, num_features, min_consistent
):
    a, b, _ = plant_pair(seed, num_inliers, num_outliers, 0.9, 30.0)
    cascade = {
        "mode": "reject_early",
        "num_features": num_features,
        "min_consistent": min_consistent,
        "min_consistent_share": 0.0,
        "share": 0.0,
        "growth": 10.0,
    }
    found = verify_pair(a, b, VerificationSettings(cascade=cascade))
    back = verify_pair(b, a, VerificationSettings(cascade=cascade))
    assert (back.reason, back.num_inliers) == (found.reason, found.num_inliers)
    if found.reason is PairReason.FEW_AMONG_STRONGEST:
        assert found.verdict is PairVerdict.REJECTED
        assert found.num_inliers < min_consistent
        assert (found.inliers.index_a < 64 * math.ceil(num_features / 64)).all()
    else:
        assert tell(found) == tell(verify_pair(a, b, EXACT))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.integers(0, 200), st.integers(0, 120), st.floats(1.1, 3))
def test_an_early_answer_is_the_answer_to_the_strongest_features_alone(
    seed, num_inliers, num_outliers, growth
):
    a, b, _ = plant_pair(seed, num_inliers, num_outliers, 0.9, 30.0)
    cascade = EARLY.cascade.model_copy(update={"growth": growth})
    early = EARLY.model_copy(update={"cascade": cascade, "copies": NO_COPIES})
    found, back = verify_pair(a, b, early), verify_pair(b, a, early)
    assert (back.reason, back.num_inliers) == (found.reason, found.num_inliers)
    exact = verify_pair(a, b, EXACT.model_copy(update={"copies": NO_COPIES}))
    if found.reason is not PairReason.ENOUGH_AMONG_STRONGEST:
        assert found.reason is PairReason.FEW_AMONG_STRONGEST or tell(found) == tell(exact)
        return
    assert found.verdict is exact.verdict is PairVerdict.VERIFIED
    assert found.num_inliers >= 36
    num_strongest = max(found.inliers.index_a.max(), found.inliers.index_b.max()) + 1
    strongest = [sketched(side.take_strongest(int(num_strongest))) for side in (a, b)]
    alone = verify_pair(*strongest, EXACT)
    assert alone.num_inliers >= found.num_inliers


def test_what_a_guard_doubts_at_a_look_all_descriptors_decide():
    """The strongest features agree in one corner alone, the others everywhere."""
    rng = np.random.default_rng(0)
    xy = np.concatenate([rng.uniform(300, 340, (70, 2)), draw_points(1, 130)])
    turned = (xy - [400, 300]) @ np.array([[0.94, 0.34], [-0.34, 0.94]]) + [400, 300]
    descriptors = make_descriptors(5, 200)
    a = make_features(xy, descriptors=descriptors)
    b = make_features(turned + rng.normal(0, 3, xy.shape), 8.0, 20.0, descriptors)
    exact = verify_pair(a, b, EXACT)
    assert exact.reason is PairReason.ENOUGH_INLIERS
    assert tell(verify_pair(a, b, EARLY)) == tell(exact)
    strongest = [side.take_strongest(64) for side in (a, b)]
    assert verify_pair(*strongest, EXACT).reason is PairReason.TOO_CONCENTRATED


def test_ranks_are_made_of_all_inliers():
    a, b, _ = plant_pair(1, 200, 50, 0.9, 30.0)
    early, exact = (mode.model_copy(update={"copies": NO_COPIES}) for mode in (EARLY, EXACT))
    assert verify_pair(a, b, early).reason is PairReason.ENOUGH_AMONG_STRONGEST
    assert tell(verify_pair(a, b, early.count_all_inliers())) == tell(verify_pair(a, b, exact))
    assert EXACT.count_all_inliers() is EXACT


def test_pairs_that_agree_only_among_their_weak_features_are_lost_by_the_cascade_alone():
    a, b, _ = plant_pair(2, 60, 0, 1.0, 30.0)
    strong = make_features(draw_points(3, 64), descriptors=make_descriptors(3, 64))
    other = make_features(draw_points(4, 64), descriptors=make_descriptors(4, 64))
    joined = [put_first(strong, a), put_first(other, b)]
    assert verify_pair(*joined, CASCADE).reason is PairReason.FEW_AMONG_STRONGEST
    assert verify_pair(*joined, EXACT).num_inliers >= 60


def put_first(first, second):
    return type(first)(
        np.concatenate([first.descriptors, second.descriptors]),
        np.concatenate([first.geometry, second.geometry]),
        first.width,
        first.height,
    )


def test_the_last_look_sees_the_sketches_of_all():
    """Ten correspondences agree, enough among 64 features of each but not among all 110."""
    a, b, _ = plant_pair(3, 10, 100, 0.9, 30.0)
    cascade = {"mode": "reject_early", **SMALL_LOOK, "growth": 10.0}
    found = verify_pair(a, b, VerificationSettings(cascade=cascade))
    sides = [sketched(features) for features in (a, b)]
    numbers = [len(match_features(*pair, 0.9)) for pair in (sides, sides[::-1])]
    assert found.reason is PairReason.FEW_AMONG_STRONGEST
    assert found.num_tentative in numbers


@pytest.mark.parametrize(
    ("count", "num_strongest"), [(100, 100), (1000, 384), (1280, 448), (1300, 512), (2000, 704)]
)
def test_the_first_look_grows_with_the_number_of_features(count, num_strongest):
    """Two unlike images: what the first look matched are the sketches of their strongest."""
    rng = np.random.default_rng(count)
    sides = [
        make_features(
            rng.uniform(0, 599, (count, 2)), descriptors=make_descriptors(seed + count, count)
        )
        for seed in (1, 2)
    ]
    # Every mutual neighbour counts, and none of them agree.
    strict = VerificationSettings(max_ratio=1.0, cascade={"min_consistent": 60})
    found = verify_pair(*sides, strict)
    assert found.reason is PairReason.FEW_AMONG_STRONGEST
    strongest = [sketched(side.take_strongest(num_strongest)) for side in sides]
    numbers = [len(match_features(*pair, 1.0)) for pair in (strongest, strongest[::-1])]
    assert found.num_tentative in numbers
    assert min(numbers) > 20


def sketched(features):
    """Features described by their sketches alone; as in all short descriptors, zeros follow."""
    sketches = sketch_descriptors(features.descriptors, are_short=False)
    return replace(features, descriptors=np.pad(sketches, ((0, 0), (0, 96))))
