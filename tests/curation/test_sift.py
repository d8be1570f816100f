import subprocess
import sys

import cv2
import numpy as np
import pytest
from drawn_places import describe, describe_place, draw_place, turn_picture
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from curation.sift import SiftSettings, extract_sift, root_sift

SETTINGS = SiftSettings(long_side_px=320, max_features=300)


def test_a_blank_image_has_no_features_but_a_size():
    features = extract_sift(np.full((480, 640, 3), 128, np.uint8), SETTINGS)
    assert len(features) == 0
    assert features.descriptors.shape == (0, 128)
    assert features.xy.shape == (0, 2)
    assert (features.width, features.height) == (320, 240)


@pytest.mark.parametrize("shape", [(1, 1), (3, 900), (32, 32), (5000, 32)])
def test_tiny_and_thin_images_are_described_as_far_as_they_go(shape):
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    features = extract_sift(pixels, SETTINGS)
    assert features.descriptors.shape == (len(features), 128)
    assert features.long_side <= SETTINGS.long_side_px


def test_geometry_lives_in_the_reduced_image():
    picture = draw_place(3)
    features = extract_sift(picture, SETTINGS)
    assert (features.width, features.height) == (320, 240)
    assert (features.xy >= 0).all()
    assert (features.xy <= [319, 239]).all()
    # The points fill the reduced image; they are not those of some other scale.
    assert (features.xy.max(axis=0) > [280, 210]).all()


def test_small_images_are_not_enlarged():
    features = extract_sift(draw_place(3, 200, 150), SETTINGS)
    assert (features.width, features.height) == (200, 150)


def test_a_disc_is_found_at_its_place_with_its_size():
    picture = np.full((240, 320, 3), 40, np.uint8)
    cv2.circle(picture, (100, 90), 12, (220, 220, 220), -1, cv2.LINE_AA)
    features = extract_sift(picture, SETTINGS)
    distance_px = np.linalg.norm(features.xy - [100, 90], axis=1)
    nearest = distance_px.argmin()
    assert distance_px[nearest] < 1
    # A disc of radius r is an extremum at scale r / sqrt(2); OpenCV's diameter is twice the scale.
    assert features.size[nearest] == pytest.approx(2 * 12 / np.sqrt(2), rel=0.15)


def test_angles_turn_clockwise_with_the_picture():
    """A quarter turn of the picture, clockwise on the screen, adds 90 degrees to every angle."""
    picture = draw_place(4, 320, 240)
    upright = extract_sift(picture, SETTINGS)
    turned = extract_sift(np.ascontiguousarray(np.rot90(picture, -1)), SETTINGS)
    expected_xy = np.stack([239 - upright.xy[:, 1], upright.xy[:, 0]], axis=1)
    gaps_px = np.linalg.norm(expected_xy[:, None] - turned.xy[None], axis=2)
    off = np.rad2deg(turned.angle[None] - upright.angle[:, None]) - 90
    off = np.abs((off + 180) % 360 - 180)
    has_partner = ((gaps_px < 1.0) & (off < 8)).any(axis=1)
    assert has_partner.mean() > 0.7


def test_the_strongest_come_first_so_that_a_prefix_is_a_smaller_budget():
    """Strength is response times diameter, here from OpenCV's own key points."""
    picture = draw_place(5, 320, 240)
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    keypoints = cv2.SIFT.create(nfeatures=SETTINGS.max_features).detect(grey, None)
    strength = sorted((point.response * point.size for point in keypoints), reverse=True)
    places = {
        (round(point.pt[0] * 32), round(point.pt[1] * 32)): point.response * point.size
        for point in sorted(keypoints, key=lambda point: point.response * point.size)
    }
    features = extract_sift(picture, SETTINGS)
    found = [places[x, y] for x, y in features.geometry[["x", "y"]].tolist()]
    assert found[0] == strength[0]
    # Repeats of a location share its response; a little disorder between their sizes is theirs.
    assert np.corrcoef(np.arange(len(found)), np.log(found))[0, 1] < -0.9
    assert min(found[:50]) >= strength[50]


def test_the_budget_holds_where_every_response_is_equal():
    """OpenCV keeps all key points that tie with the last; a regular pattern ties in thousands."""
    tile = np.zeros((16, 16, 3), np.uint8)
    tile[4:12, 4:12] = 255
    features = extract_sift(np.tile(tile, (20, 20, 1)), SETTINGS)
    assert len(features) == SETTINGS.max_features
    assert len(features.geometry) == SETTINGS.max_features


def test_the_number_of_threads_does_not_show():
    picture = draw_place(6)
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        alone = describe(picture)
        cv2.setNumThreads(4)
        together = describe(picture)
    finally:
        cv2.setNumThreads(before)
    assert np.array_equal(alone.descriptors, together.descriptors)
    assert np.array_equal(alone.geometry, together.geometry)


def test_a_location_occurs_once_per_orientation():
    """What `match_features` has to collapse does occur; otherwise its test would prove nothing."""
    features = describe_place(1)
    places = np.unique(features.geometry[["x", "y"]])
    assert len(places) < 0.95 * len(features)


@given(arrays(np.float32, (5, 128), elements=st.integers(0, 255)))
def test_quantised_descriptors_have_seven_bits_and_unit_length_unless_capped(descriptors):
    result = root_sift(descriptors)
    assert result.dtype == np.uint8
    assert result.max() <= 127
    exact = np.sqrt(descriptors.astype(np.float64) / np.maximum(descriptors.sum(1)[:, None], 1e-9))
    for row, quantised in zip(exact, result, strict=True):
        if row.sum() > 0 and row.max() * 256 <= 127:
            assert np.linalg.norm(quantised / 256.0) == pytest.approx(1, abs=0.03)
        assert np.abs(quantised / 256.0 - np.minimum(row, 127 / 256)).max() <= 0.5 / 256 + 1e-6


def test_a_descriptor_of_zeros_stays_zero():
    assert not root_sift(np.zeros((2, 128))).any()


def test_the_distance_of_root_descriptors_is_that_of_their_histograms():
    """Squared distance is 2 - 2 x Bhattacharyya coefficient (Arandjelovic and Zisserman 2012)."""
    a, b = np.random.default_rng(0).uniform(0, 60, (2, 128))
    coefficient = np.sqrt(a / a.sum() * b / b.sum()).sum()
    first, second = root_sift(np.stack([a, b])).astype(np.float64) / 256
    assert ((first - second) ** 2).sum() == pytest.approx(2 - 2 * coefficient, abs=0.005)


def test_real_descriptors_have_unit_length():
    norms = np.linalg.norm(describe_place(1).descriptors / 256.0, axis=1)
    assert np.median(norms) == pytest.approx(1, abs=0.01)
    assert norms.max() < 1.02


def test_another_process_counts_the_same_features_and_inliers():
    """Golden guard: what one machine computes twice it must find twice."""
    program = (
        "from drawn_places import describe, draw_place, turn_picture\n"
        "from curation.verification import verify_pair\n"
        "from curation.verification_settings import VerificationSettings\n"
        "a, b = describe(draw_place(8)), describe(turn_picture(draw_place(8), 20))\n"
        "found = verify_pair(a, b, VerificationSettings())\n"
        "print(len(a), len(b), found.num_tentative, found.num_inliers, found.verdict)\n"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONPATH": ":".join(sys.path), "OMP_NUM_THREADS": threads},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for threads in ("1", "2")
    ]
    assert runs[0] == runs[1]
    here = describe(draw_place(8)), describe(turn_picture(draw_place(8), 20))
    assert runs[0][:2] == [str(len(here[0])), str(len(here[1]))]
    assert int(runs[0][3]) > 300
