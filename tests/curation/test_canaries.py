import cv2
import numpy as np
import pytest
from drawn_places import draw_place

from curation.canaries import SAME_LANDMARK, SCRAMBLED, TRANSFORMED, WORDS, CanaryKind, render_view
from curation.images import decode_image
from curation.sift import SiftSettings, extract_sift
from curation.verification import verify_pair
from curation.verification_settings import VerificationSettings
from manifests.rows import PairVerdict

SIFT = SiftSettings(long_side_px=640, max_features=1000)
STRICT = VerificationSettings(min_inliers=20)


@pytest.fixture(scope="module")
def place():
    return draw_place(5)


@pytest.fixture(scope="module")
def features(place):
    return extract_sift(place, SIFT)


def _view(place, kind, key="a"):
    return decode_image(render_view(place, kind, key)).pixels


def _verdict(features, pixels):
    return verify_pair(features, extract_sift(pixels, SIFT), STRICT).verdict


@pytest.mark.parametrize("kind", TRANSFORMED)
def test_a_transformed_view_is_still_the_same_place(place, features, kind):
    assert _verdict(features, _view(place, kind)) is not PairVerdict.REJECTED


@pytest.mark.parametrize("kind", SCRAMBLED)
def test_a_scrambled_view_is_not(place, features, kind):
    assert _verdict(features, _view(place, kind)) is PairVerdict.REJECTED


@pytest.mark.parametrize("kind", [*TRANSFORMED, *SCRAMBLED])
def test_a_view_depends_on_its_key_alone(place, kind):
    assert render_view(place, kind, "a") == render_view(place.copy(), kind, "a")
    if kind is not CanaryKind.HALF_SIZE:
        assert render_view(place, kind, "a") != render_view(place, kind, "b")


def test_a_scrambled_view_has_the_patches_of_the_photograph(place):
    scrambled = _view(place, CanaryKind.SCRAMBLED)
    height, width = scrambled.shape[:2]
    assert (height, width) == (480 // 28 * 28, 640 // 28 * 28)
    pictures = place[:height, :width], scrambled
    means = [cv2.resize(p, (28, 28), interpolation=cv2.INTER_AREA) for p in pictures]
    in_order = [np.sort(mean.reshape(-1, 3).sum(axis=1)) for mean in means]
    # Other than the JPEG makes them: a few grey values, three colours.
    assert np.abs(in_order[0].astype(int) - in_order[1]).max() < 12
    assert np.abs(means[0].astype(int) - means[1]).max() > 40


def test_half_size_is_half(place):
    assert _view(place, CanaryKind.HALF_SIZE).shape == (240, 320, 3)


def test_a_crop_keeps_its_share(place):
    sizes = [_view(place, CanaryKind.CROPPED, str(key)).shape for key in range(20)]
    shares = [height * width / place[:, :, 0].size for height, width, _ in sizes]
    assert 0.59 < min(shares) < max(shares) < 0.81


def test_photographs_too_small_to_cut_are_no_trouble():
    small = np.zeros((33, 40, 3), np.uint8)
    for kind in (*TRANSFORMED, *SCRAMBLED):
        assert render_view(small, kind, "a").startswith(b"\xff\xd8")


def test_a_large_photograph_is_reduced_first():
    large = np.zeros((200, 4000, 3), np.uint8)
    assert _view(large, CanaryKind.ROTATED).shape == (80, 1600, 3)


def test_every_kind_is_explained_and_has_one_role():
    assert set(WORDS) == set(CanaryKind)
    assert sorted([*TRANSFORMED, *SAME_LANDMARK, *SCRAMBLED]) == sorted(CanaryKind)
