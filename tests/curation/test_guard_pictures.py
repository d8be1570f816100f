"""Two different places under one overlay: each kind ends in its own reason."""

import cv2
import numpy as np
import pytest
from drawn_places import (
    add_date_stamp,
    add_frame,
    draw_facade,
    draw_place,
    turn_picture,
)

from curation.cascade import CascadeSettings
from curation.sift import SiftSettings, extract_sift
from curation.verification import verify_pair
from curation.verification_settings import VerificationSettings
from manifests.rows import PairReason, PairVerdict

SIFT = SiftSettings()
FONT = cv2.FONT_HERSHEY_DUPLEX


def write(picture, text, place, size, colour=(255, 255, 255)):
    cv2.putText(picture, text, place, FONT, size, (20, 20, 30), 5, cv2.LINE_AA)
    cv2.putText(picture, text, place, FONT, size, colour, 2, cv2.LINE_AA)


def add_small_watermark(picture, left_px=20):
    """One line of text along the lower edge, on the picture itself."""
    marked = picture.copy()
    write(marked, "(c) 2009 Valmere Pictures", (left_px, 466), 0.8)
    write(marked, "valmere-pictures.example", (left_px, 440), 0.8)
    return marked


def add_large_watermark(picture, opacity=0.8):
    """A translucent name in large letters across the whole picture."""
    letters = np.zeros(picture.shape, np.uint8)
    for row, text in enumerate(("VALMERE", "PICTURES", "ARCHIVE")):
        place = (25, 150 + 140 * row)
        cv2.putText(letters, text, place, FONT, 3.6, (255, 255, 255), 10, cv2.LINE_AA)
    alpha = opacity * letters / 255.0
    return np.rint(picture * (1 - alpha) + 255 * alpha).astype(np.uint8)


def add_captioned_frame(picture):
    """A printed rim with ornaments, and a line of text under the picture."""
    framed = add_frame(picture)
    framed[380:432, 64:576] = 240
    write(framed, "Gruss aus Valmere", (90, 416), 1.1, colour=(90, 60, 40))
    return framed


def add_emblem(picture, left, top=150):
    """A detailed emblem amid the picture, too large for the guard on spread."""
    marked = picture.copy()
    marked[top : top + 190, left : left + 230] = draw_place(99, 230, 190)
    return marked


def add_badge(picture, left, top=200):
    """The same, a sixth as wide as the picture."""
    marked = picture.copy()
    marked[top : top + 85, left : left + 100] = cv2.resize(
        draw_place(98, 200, 170), (100, 85), interpolation=cv2.INTER_AREA
    )
    return marked


def judge(picture_a, picture_b):
    """Without the first look, which would refuse some of them before any guard is asked."""
    features = [extract_sift(picture, SIFT) for picture in (picture_a, picture_b)]
    return verify_pair(*features, VerificationSettings(cascade=CascadeSettings(mode="exact")))


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        (add_date_stamp, add_date_stamp, PairReason.WATERMARK),
        (add_small_watermark, add_small_watermark, PairReason.WATERMARK),
        (add_small_watermark, lambda p: add_small_watermark(p, 200), PairReason.WATERMARK),
        (add_large_watermark, add_large_watermark, PairReason.STATIC_OVERLAY),
        (add_captioned_frame, add_captioned_frame, PairReason.FRAME),
        (lambda p: add_emblem(p, 200), lambda p: add_emblem(p, 200), PairReason.STATIC_OVERLAY),
        (lambda p: add_emblem(p, 200), lambda p: add_emblem(p, 330), PairReason.STATIC_OVERLAY),
        (lambda p: add_badge(p, 250), lambda p: add_badge(p, 320), PairReason.STATIC_OVERLAY),
    ],
    ids=[
        "date stamp",
        "small watermark",
        "small watermark elsewhere",
        "large watermark",
        "captioned frame",
        "emblem",
        "emblem elsewhere",
        "badge",
    ],
)
def test_two_places_under_one_overlay_are_refused_for_it(first, second, reason):
    found = judge(first(draw_place(1)), second(draw_place(2)))
    assert found.num_inliers >= 30  # without the guard they would pass
    assert (found.verdict, found.reason) == (PairVerdict.REJECTED, reason)


def test_a_small_detail_that_agrees_is_too_concentrated():
    """A poster at a distance, straight in both pictures: all that the two places share."""
    small = cv2.resize(draw_place(97, 180, 150), (72, 60), interpolation=cv2.INTER_AREA)
    shown = []
    for seed, left in ((1, 250), (2, 310)):
        place = draw_place(seed)
        place[200:260, left : left + 72] = small
        shown.append(place)
    features = [extract_sift(picture, SiftSettings(long_side_px=640)) for picture in shown]
    found = verify_pair(*features, VerificationSettings(cascade=CascadeSettings(mode="exact")))
    assert found.num_inliers >= 30
    assert (found.verdict, found.reason) == (PairVerdict.REJECTED, PairReason.TOO_CONCENTRATED)


def test_equal_windows_on_two_facades_agree_on_too_little():
    found = judge(draw_facade(1), draw_facade(2))
    assert (found.verdict, found.reason) == (PairVerdict.REJECTED, PairReason.TOO_FEW_INLIERS)


@pytest.mark.parametrize(
    "overlay",
    [add_date_stamp, add_small_watermark, add_large_watermark, add_captioned_frame],
)
def test_a_place_is_known_under_an_overlay_by_what_it_shows(overlay):
    """The overlay stands still while the place turns."""
    place = draw_place(1)
    found = judge(overlay(place), overlay(turn_picture(place, 12)))
    assert found.verdict is not PairVerdict.REJECTED
    assert np.rad2deg(np.arctan2(found.matrix[1, 0], found.matrix[0, 0])) == pytest.approx(
        -12, abs=1
    )
