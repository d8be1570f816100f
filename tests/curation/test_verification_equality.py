"""The fast ways to an answer must come to the answer of the slow one."""

import numpy as np
import pytest
from drawn_places import describe, describe_place, draw_place, halve_picture, turn_picture
from hypothesis import given, settings
from hypothesis import strategies as st
from planted_features import draw_points, make_descriptors, make_features, plant_pair
from slow_verification import estimate_affine_slowly, match_features_slowly

from curation import correspondences
from curation.correspondences import MatchableFeatures, match_features
from curation.geometry import GeometrySettings, estimate_affine
from curation.kernels.packed_columns import PackedColumns
from curation.kernels.portable_search import PortableColumns
from curation.kernels.processor import available_kernels
from curation.verification import (
    VerificationSettings,
    verify_one_to_many,
    verify_pair,
    verify_prepared,
)
from manifests.rows import PairReason, PairVerdict

EXACT = VerificationSettings(cascade={"mode": "exact"})
CASCADE = VerificationSettings(cascade={"mode": "reject_early", "num_features": 40, "share": 0.0})


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


@pytest.mark.parametrize("settings", [EXACT, CASCADE], ids=["exact", "cascade"])
def test_one_to_many_gives_the_answers_of_the_pairs(places, settings):
    for query in places:
        many = list(verify_one_to_many(query, iter(places), settings))
        pairs = [verify_pair(query, candidate, settings) for candidate in places]
        assert [tell(found) for found in many] == [tell(found) for found in pairs]


@pytest.mark.parametrize("batch", [1, 2, 3, 7, 16, 64])
def test_the_size_of_a_batch_changes_nothing(places, batch):
    query, many = places[0], [places[number % len(places)] for number in range(64)]
    alone = [tell(verify_pair(query, place, CASCADE)) for place in places]
    found = [
        tell(answer)
        for start in range(0, len(many), batch)
        for answer in verify_one_to_many(query, many[start : start + batch], CASCADE)
    ]
    assert found == [alone[number % len(places)] for number in range(64)]


@pytest.mark.parametrize("settings", [EXACT, CASCADE], ids=["exact", "cascade"])
@pytest.mark.parametrize("kernel", [*available_kernels(), None], ids=str)
def test_all_processors_come_to_the_same_answer(places, settings, kernel, monkeypatch):
    """None of the kernels: the portable search, as on processors that have none of them."""
    best = [tell(verify_pair(places[0], place, settings)) for place in places]
    if kernel is None:
        monkeypatch.setattr(correspondences, "available_kernels", tuple)
    query = MatchableFeatures(places[0], kernel)
    for place, expected in zip(places, best, strict=True):
        found = verify_prepared(query, MatchableFeatures(place, kernel), settings)
        assert tell(found) == expected
    assert isinstance(query.index_strongest(40), PackedColumns if kernel else PortableColumns)


def test_images_that_were_prepared_before_are_judged_as_fresh_ones(places):
    """Also when the weak features were asked for first, and the strong ones are cut from them."""
    prepared = [MatchableFeatures(place) for place in places]
    for mode in (EXACT, CASCADE, EXACT, CASCADE):
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


def test_candidates_are_taken_one_at_a_time(places):
    taken = []
    candidates = (taken.append(number) or place for number, place in enumerate(places))
    next(verify_one_to_many(places[0], candidates, EXACT))
    assert taken == [0]


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
    cascade = {"num_features": num_features, "min_consistent": min_consistent, "share": 0.0}
    found = verify_pair(a, b, VerificationSettings(cascade=cascade))
    back = verify_pair(b, a, VerificationSettings(cascade=cascade))
    assert (back.reason, back.num_inliers) == (found.reason, found.num_inliers)
    if found.reason is PairReason.FEW_AMONG_STRONGEST:
        assert found.verdict is PairVerdict.REJECTED
        assert found.num_inliers < min_consistent
        assert (found.inliers.index_a < num_features).all()
    else:
        assert tell(found) == tell(verify_pair(a, b, EXACT))


def test_pairs_that_agree_only_among_their_weak_features_are_lost_by_the_cascade_alone():
    a, b, _ = plant_pair(2, 60, 0, 1.0, 30.0)
    strong = make_features(draw_points(3, 60), descriptors=make_descriptors(3, 60))
    other = make_features(draw_points(4, 60), descriptors=make_descriptors(4, 60))
    joined = [put_first(strong, a), put_first(other, b)]
    settings = CASCADE.cascade.model_copy(update={"num_features": 60})
    cascade = CASCADE.model_copy(update={"cascade": settings})
    assert verify_pair(*joined, cascade).reason is PairReason.FEW_AMONG_STRONGEST
    assert verify_pair(*joined, EXACT).num_inliers >= 60


def put_first(first, second):
    return type(first)(
        np.concatenate([first.descriptors, second.descriptors]),
        np.concatenate([first.geometry, second.geometry]),
        first.width,
        first.height,
    )


def test_there_is_no_first_look_where_it_would_save_little():
    a, b, _ = plant_pair(3, 0, 50)
    assert verify_pair(a, b, CASCADE).reason is not PairReason.FEW_AMONG_STRONGEST
    a, b, _ = plant_pair(3, 0, 60)
    assert verify_pair(a, b, CASCADE).reason is PairReason.FEW_AMONG_STRONGEST


@pytest.mark.parametrize(
    ("count", "num_strongest"), [(100, 100), (1000, 384), (1280, 384), (1300, 448), (2000, 640)]
)
def test_the_first_look_grows_with_the_number_of_features(count, num_strongest):
    """Two unlike images: what the first look matched all lies among their strongest."""
    rng = np.random.default_rng(count)
    sides = [
        make_features(
            rng.uniform(0, 599, (count, 2)), descriptors=make_descriptors(seed + count, count)
        )
        for seed in (1, 2)
    ]
    query = MatchableFeatures(sides[0])
    found = verify_prepared(query, MatchableFeatures(sides[1]), VerificationSettings())
    is_early = found.reason is PairReason.FEW_AMONG_STRONGEST
    assert is_early == (2 * num_strongest**2 <= count**2)
    if is_early:
        ordered = match_features(*(side.take_strongest(num_strongest) for side in sides), 0.9)
        back = match_features(*(side.take_strongest(num_strongest) for side in sides[::-1]), 0.9)
        assert found.num_tentative in (len(ordered), len(back))
