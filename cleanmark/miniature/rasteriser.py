"""From lit faces to pixels: homographies, a depth buffer, cast shadows, haze."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cleanmark.miniature.camera import Camera, Matrix, clip_to_view
from cleanmark.miniature.canvas import SUBPIXEL_BITS
from cleanmark.miniature.light import Light, shade_surface
from cleanmark.miniature.materials import Floats
from cleanmark.miniature.solids import Face

EDGE_OVERLAP_PX = 0.4  # neighbouring faces overlap by this much, or the sky shows in the seams
FARTHEST_SHADOW_METRES = 60.0


@dataclass(frozen=True)
class Frame:
    """A picture in the making.

    Attributes:
        colour: RGB, 1 being white, shape (height, width, 3), float32.
        inverse_depth: 1 / metres to the camera, 0 for the sky, shape (height, width), float32.
    """

    colour: Floats
    inverse_depth: Floats


@dataclass(frozen=True)
class _Patch:
    """The part of the image that a projected polygon covers."""

    rows: slice
    columns: slice
    coverage: Floats


def rasterise(faces: list[Face], camera: Camera, light: Light, sky: Floats) -> Frame:
    """Draw faces from far to near over a sky.

    Args:
        faces: In any order.
        camera: The view.
        light: What lights them.
        sky: Background of the camera's size, shape (height, width, 3), float32.
    """
    frame = Frame(sky.copy(), np.zeros(sky.shape[:2], np.float32))
    for face in (face for face in faces if face.is_ground):
        _draw_in_bands(frame, face, camera, light)
    _darken_shadows(frame, faces, camera, light)
    standing = [face for face in faces if not face.is_ground]
    distances = [np.linalg.norm(face.corners.mean(axis=0) - camera.position) for face in standing]
    for index in np.argsort(distances)[::-1]:
        _draw_face(frame, standing[index], camera, light)
    _add_haze(frame, light)
    return frame


def _draw_face(frame: Frame, face: Face, camera: Camera, light: Light) -> None:
    if not face.two_sided and face.normal @ (camera.position - face.corners[0]) <= 0:
        return
    patch = _project(face.corners, camera)
    if patch is not None:
        _paint(frame, face, patch, camera, light)


def _draw_in_bands(frame: Frame, face: Face, camera: Camera, light: Light) -> None:
    """Draw a receding plane row band by row band, each from its own resolution."""
    patch = _project(face.corners, camera)
    if patch is None:
        return
    top, bottom = patch.rows.start, patch.rows.stop
    while bottom > top:
        middle = max(top, bottom - max(6, (bottom - top) // 3))
        rows = slice(middle - patch.rows.start, bottom - patch.rows.start)
        band = _Patch(slice(middle, bottom), patch.columns, patch.coverage[rows])
        _paint(frame, face, band, camera, light)
        bottom = middle


def _project(corners: Matrix, camera: Camera) -> _Patch | None:
    visible = clip_to_view(camera.to_camera(corners), camera)
    if len(visible) < 3:
        return None
    outline = camera.to_pixels(visible)
    low = np.maximum(np.floor(outline.min(axis=0)).astype(int), 0)
    size = [camera.width_px, camera.height_px]
    high = np.minimum(np.ceil(outline.max(axis=0)).astype(int) + 1, size)
    if np.any(high - low < 1):
        return None
    coverage = np.zeros((int(high[1] - low[1]), int(high[0] - low[0])), np.uint8)
    grown = _grow(outline, EDGE_OVERLAP_PX) - low - 0.5
    fixed = np.round(grown * 2**SUBPIXEL_BITS).astype(np.int32)
    cv2.fillPoly(coverage, [fixed], 255, cv2.LINE_AA, SUBPIXEL_BITS)
    rows, columns = slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))
    return _Patch(rows, columns, np.asarray(coverage, np.float32) * np.float32(1 / 255))


def _grow(outline: NDArray[np.float64], by_px: float) -> NDArray[np.float64]:
    outwards = outline - outline.mean(axis=0)
    length = np.maximum(np.linalg.norm(outwards, axis=1, keepdims=True), 1e-6)
    return np.asarray(outline + outwards / length * by_px, np.float64)


def _paint(frame: Frame, face: Face, patch: _Patch, camera: Camera, light: Light) -> None:
    step = 1 / face.texels_per_metre
    texels_to_pixels = camera.map_plane(face.origin, face.axis_u * step, face.axis_v * step)
    number, level = face.material.find_level(_measure_texels_per_pixel(texels_to_pixels, patch))
    seen_from_behind = face.normal @ (camera.position - face.corners[0]) < 0
    normal = -face.normal if seen_from_behind else face.normal
    lit = shade_surface(level, light, face.axis_u, face.axis_v, normal)
    warped = _warp(lit, texels_to_pixels, number, patch)
    depths = _measure_inverse_depths(face, patch, camera)
    _composite(frame, patch, warped, depths)


def _measure_texels_per_pixel(texels_to_pixels: Matrix, patch: _Patch) -> float:
    """Square root of the texel area under the patch's middle pixel."""
    to_texels = np.linalg.inv(texels_to_pixels)
    x = (patch.columns.start + patch.columns.stop) / 2
    y = (patch.rows.start + patch.rows.stop) / 2
    scale = to_texels @ [x, y, 1.0]
    area = abs(np.linalg.det(to_texels)) / max(abs(float(scale[2])) ** 3, 1e-12)
    return float(np.sqrt(area))


def _warp(lit: Floats, texels_to_pixels: Matrix, level: int, patch: _Patch) -> Floats:
    scale = float(2**level)
    # OpenCV counts from pixel centres, the camera from pixel corners.
    centres = np.array([[scale, 0, 0.5 * scale], [0, scale, 0.5 * scale], [0, 0, 1.0]])
    left, top = patch.columns.start, patch.rows.start
    into_patch = np.array([[1, 0, -0.5 - left], [0, 1, -0.5 - top], [0, 0, 1.0]])
    size = (patch.coverage.shape[1], patch.coverage.shape[0])
    mapping = into_patch @ texels_to_pixels @ centres
    has_alpha = lit.shape[2] == 4
    border = cv2.BORDER_CONSTANT if has_alpha else cv2.BORDER_REFLECT
    warped = cv2.warpPerspective(lit, mapping, size, flags=cv2.INTER_LINEAR, borderMode=border)
    return np.asarray(warped, np.float32)


def _measure_inverse_depths(face: Face, patch: _Patch, camera: Camera) -> Floats:
    a, b, c = camera.find_inverse_depth(face.corners[0], face.normal)
    x = np.arange(patch.columns.start, patch.columns.stop) + 0.5
    y = np.arange(patch.rows.start, patch.rows.stop) + 0.5
    return np.asarray(a * x[None] + (b * y + c)[:, None], np.float32)


def _composite(frame: Frame, patch: _Patch, warped: Floats, depths: Floats) -> None:
    nearest = frame.inverse_depth[patch.rows, patch.columns]
    opacity = patch.coverage * (depths > nearest * np.float32(0.999))
    if warped.shape[2] == 4:
        opacity = opacity * warped[..., 3]
    colour = frame.colour[patch.rows, patch.columns]
    colour += opacity[..., None] * (warped[..., :3] - colour)
    np.copyto(nearest, depths, where=opacity > np.float32(0.5))


def _darken_shadows(frame: Frame, faces: list[Face], camera: Camera, light: Light) -> None:
    """Throw every face's shadow along the sun's rays onto the ground at height 0."""
    mask = np.zeros(frame.inverse_depth.shape, np.uint8)
    if light.to_sun[2] <= 0.05 or light.shadow >= 1:
        return
    for face in faces:
        if not face.casts_shadow:
            continue
        heights = np.maximum(face.corners[:, 2:], 0)
        reach = np.minimum(heights / light.to_sun[2], FARTHEST_SHADOW_METRES)
        fallen = face.corners - reach * light.to_sun
        fallen[:, 2] = 0
        patch = _project(fallen, camera)
        if patch is not None:
            shadow = mask[patch.rows, patch.columns]
            np.maximum(shadow, np.asarray(patch.coverage * 255, np.uint8), out=shadow)
    soft = cv2.GaussianBlur(mask, (0, 0), max(0.6, camera.height_px / 300))
    ground = (frame.inverse_depth > 0).astype(np.float32)
    share = np.asarray(soft, np.float32) * ground * np.float32((1 - light.shadow) / 255)
    np.multiply(frame.colour, (1 - share)[..., None], out=frame.colour)


def _add_haze(frame: Frame, light: Light) -> None:
    """Blend with the colour of the air by distance (Koschmieder's law)."""
    depth = 1 / np.maximum(frame.inverse_depth, np.float32(1e-4))
    share = 1 - np.exp(-np.float32(light.haze_per_metre) * depth)
    share *= frame.inverse_depth > 0
    frame.colour[:] += share[..., None] * (np.array(light.haze, np.float32) - frame.colour)
