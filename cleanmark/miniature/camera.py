"""A pinhole camera (Hartley & Zisserman 2004, chapter 6).

World axes: x to the right, y away from the first viewer, z up, in metres. Camera axes: x to the
right, y down, z forward. Pixel (0, 0) is the top left corner of the image; the centre of the
first pixel is (0.5, 0.5).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
NEAR_METRES = 0.3


@dataclass(frozen=True)
class Camera:
    """Where a camera stands, how it is turned, and its lens.

    Attributes:
        position: World coordinates in metres, shape (3,).
        rotation: World to camera, shape (3, 3).
        intrinsics: Camera to pixels, shape (3, 3).
        width_px: Width of the image.
        height_px: Height of the image.
    """

    position: Matrix
    rotation: Matrix
    intrinsics: Matrix
    width_px: int
    height_px: int

    def to_camera(self, points: Matrix) -> Matrix:
        """World points, shape (n, 3), in camera coordinates, same shape."""
        return np.asarray((points - self.position) @ self.rotation.T, np.float64)

    def to_pixels(self, camera_points: Matrix) -> Matrix:
        """Points in front of the camera, shape (n, 3), as pixels, shape (n, 2)."""
        rays = camera_points @ self.intrinsics.T
        return np.asarray(rays[:, :2] / rays[:, 2:], np.float64)

    def map_plane(self, origin: Matrix, step_u: Matrix, step_v: Matrix) -> Matrix:
        """Homography from plane coordinates (u, v) to pixels, shape (3, 3).

        The plane point is `origin + u step_u + v step_v`, all of shape (3,).
        """
        columns = np.stack([step_u, step_v, origin - self.position], axis=1)
        return np.asarray(self.intrinsics @ self.rotation @ columns, np.float64)

    def find_inverse_depth(self, point: Matrix, normal: Matrix) -> Matrix:
        """Coefficients (a, b, c) with 1 / depth = a x + b y + c on the plane, shape (3,)."""
        turned = self.rotation @ normal
        offset = float(turned @ (self.rotation @ (point - self.position)))
        return np.asarray(turned @ np.linalg.inv(self.intrinsics) / offset, np.float64)


def aim_camera(
    position: Matrix,
    target: Matrix,
    *,
    focal_px: float,
    size_px: tuple[int, int],
    roll_radians: float = 0.0,
    shift_px: tuple[float, float] = (0.0, 0.0),
) -> Camera:
    """Return a camera that looks at a point.

    Args:
        position: Where it stands, shape (3,), metres.
        target: What it looks at, shape (3,), metres.
        focal_px: Focal length.
        size_px: Width and height of the image.
        roll_radians: Turn about the optical axis.
        shift_px: Where the target lands, from the middle of the image; not zero means cropped.
    """
    forward = (target - position) / np.linalg.norm(target - position)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    cosine, sine = np.cos(roll_radians), np.sin(roll_radians)
    rotation = np.stack([cosine * right + sine * down, cosine * down - sine * right, forward])
    width, height = size_px
    intrinsics = np.array(
        [
            [focal_px, 0.0, width / 2 + shift_px[0]],
            [0.0, focal_px, height / 2 + shift_px[1]],
            [0.0, 0.0, 1.0],
        ]
    )
    return Camera(np.asarray(position, np.float64), rotation, intrinsics, width, height)


def clip_to_view(camera_points: Matrix, camera: Camera) -> Matrix:
    """Cut a polygon at the near plane and well outside the picture's sides.

    Without it the corners of a large face project to millions of pixels, which overflows the
    fixed-point numbers of polygon fillers.

    Args:
        camera_points: Corners in camera coordinates, shape (n, 3).
        camera: The view.

    Returns:
        Corners of the part in view, shape (m, 3); m is 0 where nothing is in view.
    """
    clipped = _clip(camera_points, np.array([0.0, 0.0, 1.0]), NEAR_METRES)
    width, height = 2.0 * camera.width_px, 2.0 * camera.height_px
    sides = np.array(
        [[1.0, 0.0, width], [-1.0, 0.0, 1.5 * width], [0.0, 1.0, height], [0.0, -1.0, 1.5 * height]]
    )
    for side in sides @ camera.intrinsics:
        clipped = _clip(clipped, side, 0.0)
    return clipped


def _clip(points: Matrix, normal: Matrix, offset: float) -> Matrix:
    """Keep the part with `normal @ point >= offset` (Sutherland & Hodgman 1974)."""
    margins = points @ normal - offset
    if len(points) == 0 or margins.min() >= 0:
        return points
    kept: list[Matrix] = []
    for i in range(len(points)):
        j = (i + 1) % len(points)
        if margins[i] >= 0:
            kept.append(points[i])
        if (margins[i] >= 0) != (margins[j] >= 0):
            share = margins[i] / (margins[i] - margins[j])
            kept.append(points[i] + share * (points[j] - points[i]))
    return np.array(kept).reshape(-1, 3)
