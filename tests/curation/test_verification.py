from dataclasses import replace

import cv2
import numpy as np
import pytest
from drawn_places import (
    add_date_stamp,
    add_frame,
    blank_out,
    describe,
    draw_facade,
    draw_foliage,
    draw_place,
    draw_scene,
    encode_again,
    halve_picture,
    turn_picture,
    view_aslant,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from planted_features import draw_points, make_descriptors, make_features, plant_pair

from curation.geometry import apply_affine, invert_affine
from curation.sift import SiftSettings, extract_sift
from curation.verification import verify_pair
from curation.verification_settings import VerificationSettings
from manifests.features import LocalFeatures
from manifests.rows import PairReason, PairVerdict

SETTINGS = VerificationSettings(cascade={"mode": "reject_early"})
FLAT = np.full((480, 640, 3), 128, np.uint8)


def verify(a, b, **changes):
    return verify_pair(a, b, SETTINGS.model_copy(update=changes))


def judge(picture_a, picture_b):
    """Verify two pictures both ways round, which must come to the same, and return one answer."""
    a, b = describe(picture_a), describe(picture_b)
    found = verify(a, b)
    assert_mirrored(found, verify(b, a))
    return found


def assert_mirrored(found, back):
    """The answer for (b, a) is that for (a, b), turned round."""
    assert (back.verdict, back.reason) == (found.verdict, found.reason)
    assert back.num_tentative == found.num_tentative
    assert back.num_inliers == found.num_inliers
    pairs = zip(found.inliers.index_a, found.inliers.index_b, found.inliers.ratio, strict=True)
    turned = zip(back.inliers.index_b, back.inliers.index_a, back.inliers.ratio, strict=True)
    assert sorted(pairs) == sorted(turned)
    assert (np.diff(back.inliers.index_a) > 0).all()
    if found.matrix is not None and back.matrix is not None:
        xy = draw_points(0, 5)
        there = apply_affine(found.matrix, xy)
        assert np.allclose(apply_affine(back.matrix, there), xy, atol=1e-3)


def test_unrelated_places_share_nothing():
    found = judge(draw_place(1), draw_place(2))
    assert found.verdict is PairVerdict.REJECTED
    assert found.num_inliers < 10


def test_a_true_perspective_view_is_verified():
    found = judge(draw_place(1), view_aslant(draw_place(1)))
    assert found.verdict is PairVerdict.VERIFIED
    assert found.reason is PairReason.ENOUGH_INLIERS
    assert found.num_inliers > 200


def test_the_map_is_the_one_the_picture_was_turned_by():
    found = judge(draw_place(1), turn_picture(draw_place(1), 25))
    truth = cv2.getRotationMatrix2D((320, 240), 25, 1.0)
    corners = np.array([[0.0, 0], [640, 0], [0, 480], [640, 480]])
    error_px = apply_affine(found.matrix, corners) - apply_affine(truth, corners)
    assert np.abs(error_px).max() < 1


@pytest.mark.parametrize("left_px", [12, 60])
def test_the_same_date_stamp_on_two_places_is_a_watermark(left_px):
    found = judge(add_date_stamp(draw_place(1)), add_date_stamp(draw_place(2), left_px))
    assert found.num_inliers >= SETTINGS.min_inliers
    assert (found.verdict, found.reason) == (PairVerdict.REJECTED, PairReason.WATERMARK)


def test_the_same_frame_around_two_places_is_a_frame():
    found = judge(add_frame(draw_place(1)), add_frame(draw_place(2)))
    assert found.num_inliers >= SETTINGS.min_inliers
    assert (found.verdict, found.reason) == (PairVerdict.REJECTED, PairReason.FRAME)


@pytest.mark.parametrize("overlay", [add_date_stamp, add_frame])
def test_a_true_pair_with_an_overlay_is_verified_by_what_remains(overlay):
    """Two views that a strong overlay outvotes: without it the place itself must answer."""
    place = draw_place(1)
    small = blank_out(place, 200, 150, 440, 330)
    a, b = overlay(small), overlay(turn_picture(small, 30))
    found = judge(a, b)
    assert found.verdict is not PairVerdict.REJECTED
    turn_deg = np.rad2deg(np.arctan2(found.matrix[1, 0], found.matrix[0, 0]))
    assert turn_deg == pytest.approx(-30, abs=1)
    # What the overlay explains is left out, and is enough to pass by itself.
    assert found.num_tentative - found.num_inliers >= SETTINGS.min_inliers


@pytest.mark.parametrize(
    ("num_place", "reason"), [(60, PairReason.ENOUGH_INLIERS), (20, PairReason.WATERMARK)]
)
def test_what_remains_without_the_overlay_must_reach_the_threshold_itself(num_place, reason):
    """A caption of 400 points that stays, and a place that turns by 40 degrees."""
    rng = np.random.default_rng(5)
    caption = make_features(rng.uniform([20, 560], [780, 595], (400, 2)))
    place_a, place_b, _ = plant_pair(5, num_place, 0, turn_deg=40)
    found = verify(*(put_together(caption, place) for place in (place_a, place_b)))
    assert found.num_tentative == 400 + num_place
    assert found.reason is reason
    if reason is PairReason.WATERMARK:
        assert found.num_inliers >= 400  # the evidence is still that of the overlay
    else:
        assert found.num_inliers == num_place


def put_together(*parts):
    return LocalFeatures(
        np.concatenate([part.descriptors for part in parts]),
        np.concatenate([part.geometry for part in parts]),
        800,
        600,
    )


@pytest.mark.parametrize("seed", range(4))
def test_the_same_windows_on_two_facades_do_not_verify(seed):
    found = judge(draw_facade(seed), draw_facade(seed + 1))
    assert found.num_tentative >= SETTINGS.min_inliers
    assert found.verdict is PairVerdict.REJECTED
    assert found.num_inliers < SETTINGS.min_inliers


def test_foliage_does_not_verify():
    found = judge(draw_foliage(1), draw_foliage(2))
    assert found.verdict is PairVerdict.REJECTED
    assert found.num_inliers < 15


@pytest.mark.parametrize(
    "copy",
    [encode_again, halve_picture, np.rot90, lambda p: turn_picture(p, 7), lambda p: p[10:, 15:]],
    ids=["encoded again", "half size", "quarter turn", "seven degrees", "cropped"],
)
def test_copies_of_one_photograph_are_duplicates(copy):
    found = judge(draw_place(1), np.ascontiguousarray(copy(draw_place(1))))
    assert (found.verdict, found.reason) == (PairVerdict.DUPLICATE, PairReason.NEAR_DUPLICATE)


@pytest.mark.parametrize("step", [1, 3])
def test_two_shots_from_different_spots_are_no_duplicates(step):
    """Boards at different distances shift against each other, as no copy's do."""
    found = judge(draw_scene(0, 0), draw_scene(0, step))
    assert found.verdict is PairVerdict.VERIFIED
    assert found.num_inliers > 0.25 * len(describe(draw_scene(0, 0)))


def test_a_part_that_agrees_to_the_pixel_is_no_copy_of_the_whole():
    """A poster in two photographs: exact, but a small share of the features."""
    poster = blank_out(draw_place(1), 60, 60, 330, 300)
    elsewhere = draw_place(3)
    elsewhere[60:300, 60:330] = poster[60:300, 60:330]
    found = judge(turn_picture(draw_place(1), 9), elsewhere)
    assert found.verdict is not PairVerdict.REJECTED
    strict = SETTINGS.copies.model_copy(update={"min_inlier_share": 0.6})
    a, b = describe(turn_picture(draw_place(1), 9)), describe(elsewhere)
    assert verify(a, b, copies=strict).verdict is PairVerdict.VERIFIED


def test_blank_images_have_no_features_and_verify_with_nothing():
    for picture in (FLAT, draw_place(1)):
        found = judge(FLAT, picture)
        assert (found.verdict, found.reason) == (PairVerdict.REJECTED, PairReason.NO_FEATURES)
        assert (found.num_tentative, found.num_inliers, found.matrix) == (0, 0, None)


def test_many_features_on_one_spot_are_refused():
    """Two hundred spread points whose partners crowd into twelve pixels."""
    xy = draw_points(0, 200)
    blob = 400 + (xy - [400, 300]) * 12 / 500
    descriptors = make_descriptors(0, 200)
    a = make_features(xy, size=20, descriptors=descriptors)
    b = make_features(blob, size=6, descriptors=descriptors)
    found = verify(a, b)
    assert found.verdict is PairVerdict.REJECTED
    assert found.num_inliers == 200
    assert found.reason in (PairReason.DEGENERATE_MODEL, PairReason.MANY_TO_ONE)


@pytest.mark.parametrize(("num_inliers", "is_verified"), [(29, False), (30, True)])
def test_the_published_threshold_is_inclusive(num_inliers, is_verified):
    a, b, _ = plant_pair(3, num_inliers, 0, 1.0, 30.0)
    loose = SETTINGS.copies.model_copy(update={"max_residual": 1e-9})
    found = verify(a, b, copies=loose)
    assert found.num_inliers == num_inliers
    assert (found.verdict is PairVerdict.VERIFIED) == is_verified


def test_the_repeats_of_a_location_do_not_count():
    """Twenty places described twice are twenty inliers, not forty."""
    a, b, _ = plant_pair(4, 20, 0, 1.0, 25.0)
    twice = [
        replace(
            side,
            descriptors=np.concatenate([side.descriptors, 127 - side.descriptors]),
            geometry=np.concatenate([side.geometry, side.geometry]),
        )
        for side in (a, b)
    ]
    found = verify(*twice)
    assert (found.num_tentative, found.reason) == (20, PairReason.TOO_FEW_TENTATIVE)


def test_too_few_tentative_correspondences_still_report_their_inliers():
    """Reviewers of overlaps look at less than thirty inliers; they must not be lost."""
    a, b, _ = plant_pair(3, 24, 0, 1.0, 30.0)
    found = verify(a, b)
    assert found.reason is PairReason.TOO_FEW_TENTATIVE
    assert found.num_inliers == 24
    assert found.matrix is not None


def test_correspondences_on_a_line_have_no_model():
    line = np.outer(np.arange(40), [15.0, 10.0])
    descriptors = make_descriptors(0, 40)
    a, b = (
        make_features(line, descriptors=descriptors),
        make_features(line + 5, descriptors=descriptors),
    )
    found = verify(a, b)
    assert (found.reason, found.matrix) == (PairReason.NO_MODEL, None)
    assert found.num_tentative == 40


def test_the_order_of_the_features_hardly_matters_and_equal_calls_agree_exactly():
    a, b, _ = plant_pair(6, 60, 60, 1.0, 20.0)
    first, again = verify(a, b), verify(a, b)
    assert first.matrix.tobytes() == again.matrix.tobytes()
    order = np.random.default_rng(0).permutation(len(a))
    shuffled = verify(LocalFeatures(a.descriptors[order], a.geometry[order], 800, 600), b)
    assert shuffled.verdict is first.verdict
    assert abs(shuffled.num_inliers - first.num_inliers) <= 3


@st.composite
def feature_sets(draw):
    """Few features on a coarse grid: repeated places, lines, ties and identical descriptors."""
    count = draw(st.integers(0, 9))
    cells = st.tuples(st.integers(0, 4), st.integers(0, 3))
    xy = [(100.0 * x, 100.0 * y) for x, y in draw(st.lists(cells, min_size=count, max_size=count))]
    sizes = draw(st.lists(st.sampled_from([4.0, 8.0, 30.0]), min_size=count, max_size=count))
    angles = draw(st.lists(st.sampled_from([0.0, 90.0, 200.0]), min_size=count, max_size=count))
    words = draw(st.lists(st.integers(0, 11), min_size=count, max_size=count))
    descriptors = make_descriptors(3, 12)[words]
    return make_features(xy, sizes, angles, descriptors, 500, 400)


@settings(max_examples=200)
@given(feature_sets(), feature_sets(), st.sampled_from([3, 5]))
def test_the_answer_does_not_depend_on_the_order_of_the_pair(a, b, min_inliers):
    found, back = verify(a, b, min_inliers=min_inliers), verify(b, a, min_inliers=min_inliers)
    assert_mirrored(found, back)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 60), st.integers(0, 80), st.floats(0.5, 1.4))
def test_planted_pairs_are_judged_alike_both_ways(seed, num_inliers, num_outliers, scale):
    a, b, _ = plant_pair(seed, num_inliers, num_outliers, scale, 25.0)
    found, back = verify(a, b), verify(b, a)
    assert_mirrored(found, back)
    if found.matrix is not None:
        assert back.matrix == pytest.approx(invert_affine(found.matrix), rel=1e-6, abs=1e-6)
    if num_inliers >= 30:
        assert found.verdict is not PairVerdict.REJECTED


def test_real_photographs_of_one_place_verify_and_others_do_not(photos_root):
    """The evaluation photographs of the small GLDv2: one church twice, and a street."""
    folder = photos_root / "eval" / "jpg"
    church = sorted(folder.glob("paris_sacrecoeur_*.jpg"))[:4]
    street = sorted(folder.glob("street_db*.jpg"))[:3]
    sift = SiftSettings(long_side_px=480)
    described = {
        path: extract_sift(np.ascontiguousarray(cv2.imread(str(path))[:, :, ::-1]), sift)
        for path in (*church, *street)
    }
    across = [verify(described[a], described[b]).num_inliers for a in church for b in street]
    within = [
        verify(described[a], described[b]).num_inliers for a in church for b in church if a < b
    ]
    assert max(across) < 15
    assert max(within) >= 30


@pytest.mark.parametrize("is_turned", [False, True])
def test_a_look_that_rejects_fits_no_model_but_can_show_what_agreed(is_turned):
    pair = make_features(draw_points(0, 400)), make_features(draw_points(1, 300))
    a, b = pair[::-1] if is_turned else pair
    found = verify_pair(a, b, VerificationSettings(max_ratio=1.0))
    assert found.reason is PairReason.FEW_AMONG_STRONGEST
    assert (found.matrix, found.model, found.transform) == (None, None, None)
    assert len(found.inliers) == found.num_inliers > 0
    assert found.num_tentative > found.num_inliers
    # An index of the other image would be too high for the smaller one.
    assert found.inliers.index_a.max() < len(a)
    assert found.inliers.index_b.max() < len(b)
    assert np.array_equal(np.sort(found.inliers.index_a), found.inliers.index_a)


@pytest.mark.parametrize("mode", ["decide_early", "exact"])
def test_descriptors_of_eight_bits_are_refused_at_a_look_too(mode):
    """Their sketches have seven bits all the same, and would show nothing in common."""
    descriptors = [make_descriptors(seed, 400) for seed in (0, 1)]
    descriptors[0][300, 5] = 128
    sides = [make_features(draw_points(0, 400), descriptors=side) for side in descriptors]
    settings = VerificationSettings(cascade={"mode": mode})
    for pair in (sides, sides[::-1]):
        with pytest.raises(ValueError, match="above 127"):
            verify_pair(*pair, settings)


def test_every_descriptor_must_have_a_key_point():
    a = make_features(draw_points(0, 50))
    with pytest.raises(ValueError, match="50 descriptors but 20 key points"):
        verify_pair(replace(a, geometry=a.geometry[:20]), a, VerificationSettings())
