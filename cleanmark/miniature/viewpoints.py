"""Where photographers stand, and what gets in their way."""

import numpy as np

from cleanmark.miniature.camera import Camera, Matrix, aim_camera
from cleanmark.miniature.place import Place
from cleanmark.miniature.solids import UP, Face, make_point, make_wall
from cleanmark.miniature.sprites import Sprite, draw_car, draw_lamp_post, draw_person, draw_tree

Rng = np.random.Generator
VIEW_KINDS = ("ordinary", "night", "far zoom", "extreme angle")


def choose_camera(rng: Rng, place: Place, kind: str, long_side_px: int) -> Camera:
    """Stand somewhere in front of a place and aim at it.

    Args:
        rng: The stream of this picture.
        place: What to photograph.
        kind: One of `VIEW_KINDS`.
        long_side_px: Longer side of the picture; small prints and portraits vary below it.
    """
    subject = place.subject
    yaw = place.main_direction + float(np.clip(np.radians(rng.normal(0, 11)), -0.42, 0.42))
    if kind == "extreme angle":
        yaw = place.main_direction + float(np.radians(rng.choice([-1, 1]) * rng.uniform(58, 68)))
    long_px = int(long_side_px * rng.choice([1.0, 1.0, 1.0, 0.8]))
    short_px = int(long_px * rng.choice([0.75, 0.75, 2 / 3, 0.5625]))
    is_portrait = subject.height > 1.15 * subject.width or rng.random() < 0.08
    size = (short_px, long_px) if is_portrait else (long_px, short_px)
    focal = long_px * float(rng.uniform(0.85, 1.5))
    fill = float(rng.uniform(0.8, 1.25))
    extent = max(subject.width / size[0], 1.1 * subject.height / size[1])
    distance = max(focal * extent / fill, 0.8 * subject.height) + subject.depth / 2
    if kind == "far zoom":
        focal, distance = focal * 3.2, distance * 1.1
    eye = rng.uniform(1.5, 1.8) if rng.random() < 0.8 else rng.uniform(3, 9)
    position = make_point(distance * np.sin(yaw), -distance * np.cos(yaw), float(eye))
    aim = rng.normal(0, 0.05, 2) * [subject.width, subject.height]
    target = make_point(float(aim[0]), 0.0, float(0.46 * subject.height + aim[1]))
    shift = rng.uniform(-0.06, 0.06, 2) * size
    return aim_camera(
        position,
        target,
        focal_px=focal,
        size_px=size,
        roll_radians=float(np.radians(rng.normal(0, 1.2))),
        shift_px=(float(shift[0]), float(shift[1])),
    )


def find_subject_box(camera: Camera, place: Place) -> tuple[float, float, float, float]:
    """Bounding box of the subject in the picture: left, top, right, bottom in pixels."""
    points = np.vstack([face.corners for face in place.subject.faces])
    inside = camera.to_camera(points)
    pixels = camera.to_pixels(inside[inside[:, 2] > 0.5])
    limits = [camera.width_px, camera.height_px]
    left, top = np.clip(pixels.min(axis=0), 0, limits)
    right, bottom = np.clip(pixels.max(axis=0), 0, limits)
    return float(left), float(top), float(right), float(bottom)


def stand_sprite(sprite: Sprite, foot: Matrix, camera: Camera) -> Face:
    """Set up a cut-out that faces the camera."""
    away = foot - camera.position
    across = np.cross(away, UP)
    across /= np.linalg.norm(across)
    left, right = foot - across * sprite.width / 2, foot + across * sprite.width / 2
    return make_wall(left, right, sprite.height, sprite.material, two_sided=True)


def plant_trees(place: Place, camera: Camera, season: str) -> list[Face]:
    """The trees that belong to the place, turned to the camera."""
    trees = zip(place.grow_trees(season), place.tree_spots, strict=True)
    return [stand_sprite(tree, make_point(x, y, 0), camera) for tree, (x, y) in trees]


def draw_passers_by(rng: Rng, camera: Camera, place: Place, season: str) -> list[Face]:
    """People, cars, lamps and trees that happen to stand between camera and subject."""
    if place.ground_kind == "water":
        return []
    sprites = [draw_person(rng) for _ in range(int(rng.choice([0, 1, 2, 3, 5, 8])))]
    faces = [_stand_between(rng, sprite, camera, (0.3, 0.9), 1.0) for sprite in sprites]
    if rng.random() < 0.22 and place.spec.kind != "courtyard":
        faces.append(_stand_between(rng, draw_car(rng), camera, (0.45, 0.8), 0.9))
    if rng.random() < 0.2:
        faces.append(_stand_between(rng, draw_lamp_post(rng), camera, (0.35, 0.8), 1.0))
    if rng.random() < 0.12 and place.spec.kind != "courtyard":
        faces.append(_stand_between(rng, draw_tree(rng, season), camera, (0.5, 0.75), 1.3))
    return faces


def _stand_between(
    rng: Rng, sprite: Sprite, camera: Camera, depths: tuple[float, float], spread: float
) -> Face:
    """Put a sprite on the ground at a share of the way to the subject, anywhere across."""
    way = float(np.hypot(camera.position[0], camera.position[1]))
    depth = max(rng.uniform(*depths) * (way - 5), 4.5)
    half_view = 0.5 * camera.width_px / camera.intrinsics[0, 0]
    across = rng.uniform(-1, 1) * spread * half_view * depth
    forward = camera.rotation[2] * [1, 1, 0]
    forward /= np.linalg.norm(forward)
    foot = camera.position + depth * forward + across * np.cross(forward, UP)
    return stand_sprite(sprite, make_point(float(foot[0]), float(foot[1]), 0.0), camera)
