"""Pictures of surfaces drawn by the tests: places, overlays on them, and other views of them."""

from functools import lru_cache

import cv2
import numpy as np

from curation.sift import SiftSettings, extract_sift

WIDTH_PX, HEIGHT_PX = 640, 480
SIFT = SiftSettings(long_side_px=640, max_features=2000, contrast_threshold=0.04)


def draw_place(seed, width=WIDTH_PX, height=HEIGHT_PX):
    """A surface like no other: rough ground under overlapping shapes of random colour."""
    rng = np.random.default_rng(seed)
    picture = _draw_rough_ground(rng, width, height)
    for _ in range(260):
        colour = tuple(int(value) for value in rng.integers(0, 256, 3))
        centre = np.array([rng.uniform(0, width), rng.uniform(0, height)])
        angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 8)))
        rays = np.stack([np.cos(angles), np.sin(angles)], 1) * rng.uniform(5, 32)
        cv2.fillPoly(picture, [np.rint(centre + rays).astype(np.int32)], colour, cv2.LINE_AA)
    return cv2.GaussianBlur(picture, (0, 0), 0.8)


def draw_facade(seed):
    """A wall of equal windows, as any builder would make it, before a sky of its own."""
    rng = np.random.default_rng(seed)
    tile = np.full((56, 48, 3), (190, 170, 140), np.uint8)
    cv2.rectangle(tile, (12, 12), (36, 46), (60, 50, 40), -1)
    cv2.line(tile, (24, 12), (24, 46), (220, 220, 220), 2)
    cv2.line(tile, (12, 27), (36, 27), (220, 220, 220), 2)
    cv2.ellipse(tile, (24, 10), (14, 6), 0, 180, 360, (120, 90, 70), 2)
    picture = _draw_rough_ground(rng, WIDTH_PX, HEIGHT_PX)
    rows, columns = int(rng.integers(4, 7)), int(rng.integers(7, 11))
    wall = np.tile(tile, (rows, columns, 1))
    top, left = int(rng.integers(20, 60)), int(rng.integers(20, 80))
    picture[top : top + wall.shape[0], left : left + wall.shape[1]] = wall
    noise = rng.normal(0, 4, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def draw_foliage(seed):
    """Thousands of small leaves: much texture, none of it repeated."""
    rng = np.random.default_rng(seed)
    picture = np.full((HEIGHT_PX, WIDTH_PX, 3), (30, 60, 25), np.uint8)
    for x, y, turn, shade in rng.uniform(0, 1, (5000, 4)).tolist():
        centre = (round(x * WIDTH_PX), round(y * HEIGHT_PX))
        colour = (20 + round(60 * shade), 60 + round(150 * shade), 20 + round(50 * shade))
        cv2.ellipse(picture, centre, (6, 2), 360 * turn, 0, 360, colour, -1, cv2.LINE_AA)
    return picture


def draw_scene(seed, step):
    """Boards at many distances before a wall, seen from `step` paces aside."""
    rng = np.random.default_rng(seed)
    view = shift_picture(draw_place(seed, WIDTH_PX + 80), -4 * step)[:, :WIDTH_PX]
    for number in range(12):
        board = draw_place((seed, number), 130, 150)
        left = int(rng.integers(20, WIDTH_PX - 190)) - step * int(rng.integers(6, 22))
        top = int(rng.integers(0, HEIGHT_PX - 150))
        left = max(left, 0)
        view[top : top + 150, left : left + 130] = board
    return view


def add_date_stamp(picture, left_px=12):
    """The same burnt-in text at the bottom of any picture."""
    stamped = picture.copy()
    stamped[-46:] = (25, 30, 35)
    text, place = "2007.08.14 16:32  Photo Agency", (left_px, stamped.shape[0] - 14)
    font, white = cv2.FONT_HERSHEY_DUPLEX, (255, 250, 245)
    cv2.putText(stamped, text, place, font, 0.9, white, 2, cv2.LINE_AA)
    return stamped


def add_frame(picture, seed=77):
    """The same ornamented passe-partout around any picture, a tenth of its width and height."""
    height, width = picture.shape[:2]
    framed = draw_place(seed, width, height)
    rim_y, rim_x = height // 10, width // 10
    inside = (slice(rim_y, height - rim_y), slice(rim_x, width - rim_x))
    framed[inside] = picture[inside]
    return framed


def blank_out(picture, left, top, right, bottom):
    """Paint an even sky over the outside of a box."""
    blanked = np.full_like(picture, 235)
    blanked[top:bottom, left:right] = picture[top:bottom, left:right]
    return blanked


def view_aslant(picture, strength=0.18):
    """A true perspective view of a flat picture: its right side further away."""
    height, width = picture.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    moved = corners.copy()
    moved[1] += (-0.12 * width, strength * height)
    moved[2] += (-0.12 * width, -strength * height)
    matrix = cv2.getPerspectiveTransform(corners, moved)
    return cv2.warpPerspective(picture, matrix, (width, height), borderMode=cv2.BORDER_REFLECT)


def turn_picture(picture, degrees):
    """Turn about the centre, at the same size; the corners are cut off and left black."""
    height, width = picture.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    return cv2.warpAffine(picture, matrix, (width, height), flags=cv2.INTER_CUBIC)


def shift_picture(picture, right_px):
    return np.roll(picture, right_px, axis=1)


def encode_again(picture, quality=60):
    """What is left after saving as JPEG."""
    data = cv2.imencode(".jpg", picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[:, :, ::-1])


def halve_picture(picture):
    height, width = picture.shape[:2]
    return cv2.resize(picture, (width // 2, height // 2), interpolation=cv2.INTER_AREA)


def describe(picture):
    return extract_sift(picture, SIFT)


@lru_cache(maxsize=16)
def describe_place(seed):
    """Features of `draw_place(seed)`; shared, so nobody may change them."""
    return describe(draw_place(seed))


def _draw_rough_ground(rng, width, height):
    ground = np.zeros((height, width, 3), np.float32)
    for cells in (4, 12, 40, 120):
        coarse = rng.uniform(0, 1, (cells, cells, 3)).astype(np.float32)
        ground += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(ground * 63, 0, 255).astype(np.uint8)
