"""A small GLDv2 in which photographs stand in two classes, and what was planted.

Classes come in twos. The first holds views of a wall of its own. The second holds copies of two of
these views, so that they verify each other and the cleaning keeps them.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from gldv2_layout import write_classes
from tiny_run import draw_wall, encode_jpeg

from pipelines.run_config import RunConfig

_SHARE_CUT = 0.05
_TILT = 0.09


@dataclass(frozen=True)
class Crossed:
    """The data set: its root, its images by class, and pairs of one photograph, smaller id first.

    `views` are pairs of different photographs of one wall in two classes.
    """

    root: Path
    exact: set[tuple[str, str]]
    near: set[tuple[str, str]]
    views: set[tuple[str, str]]


def recompress(pixels: np.ndarray) -> bytes:
    return encode_jpeg(pixels, quality=40)


def crop(pixels: np.ndarray) -> bytes:
    """A tenth of the width and of the height less, half of it on each side."""
    height, width = pixels.shape[:2]
    top, left = round(_SHARE_CUT * height), round(_SHARE_CUT * width)
    return encode_jpeg(pixels[top : height - top, left : width - left])


def write_crossed_gldv2(
    root: Path, num_walls: int, copiers: tuple, *, with_exact: bool = False
) -> Crossed:
    """Write classes 2n with two views of wall n, and 2n + 1 with a copy of each.

    Args:
        root: folder.
        num_walls: half the number of classes.
        copiers: take turns in copying.
        with_exact: the first copy of the first wall has the bytes of its original.
    """
    classes: dict[int, list[bytes]] = {}
    for wall in range(num_walls):
        front = draw_front(wall)
        views = [front, tilt(front)]
        classes[2 * wall] = [encode_jpeg(view) for view in views]
        classes[2 * wall + 1] = [
            copiers[(2 * wall + number) % len(copiers)](view) for number, view in enumerate(views)
        ]
    if with_exact:
        classes[1][0] = classes[0][0]
    ids = write_classes(root, classes, "images_000")
    # A list that names none of so many classes would be taken for one of another split.
    (root / "metadata/train_label_to_category.csv").unlink()
    truth = Crossed(root, set(), set(), set())
    for first in range(0, len(ids), 4):
        a, b, copy_of_a, copy_of_b = ids[first : first + 4]
        is_exact = with_exact and first == 0
        (truth.exact if is_exact else truth.near).add((a, copy_of_a))
        truth.near.add((b, copy_of_b))
        truth.views.update({(a, copy_of_b), (b, copy_of_a)})
    return truth


def crossed_config(root: Path, **sections: object) -> RunConfig:
    """A job on it; one verified neighbour is enough to stay.

    So are few inliers: the pictures are small, and two views of a wall differ.
    """
    content = {
        "source": {"root": root},
        "describe": {"long_side_px": 420, "max_features": 500},
        "embed": {"num_words": 16, "dimensions": 64},
        "verify": {
            "schedule": {"min_units": 1},
            "calibration": {"num_pairs": 0},
            "min_inliers": 15,
        },
        "clean": {"min_verified_neighbours": 1, "min_inliers": 15},
        "runner": {"workers": 1},
    }
    return RunConfig.model_validate(content | sections)


def draw_front(wall: int) -> np.ndarray:
    """A wall as a lens sees it: edges as sharp as drawn ones wander under compression."""
    return np.asarray(cv2.GaussianBlur(draw_wall(wall), (0, 0), 0.8))


def tilt(pixels: np.ndarray) -> np.ndarray:
    """The wall seen from the left: too much of a change for a copy, whatever the wall."""
    height, width = pixels.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    down = np.float32(_TILT * height)
    seen = corners + np.array([[0, 0], [0, down], [0, -down], [0, 0]], np.float32)
    matrix = cv2.getPerspectiveTransform(corners, seen)
    tilted = cv2.warpPerspective(pixels, matrix, (width, height), borderMode=cv2.BORDER_REFLECT)
    return np.asarray(tilted)
