"""Local features placed by hand, and pairs of images between which a map is planted."""

import numpy as np

from manifests.features import LocalFeatures, pack_geometry


def make_features(xy, size=8.0, angle_deg=0.0, descriptors=None, width=800, height=600):
    """Features at given places; distinct random descriptors where none are given."""
    xy = np.asarray(xy, np.float64).reshape(-1, 2)
    if descriptors is None:
        descriptors = make_descriptors(0, len(xy))
    sizes = np.broadcast_to(np.asarray(size, np.float64), len(xy))
    angles = np.broadcast_to(np.deg2rad(angle_deg), len(xy))
    return LocalFeatures(descriptors, pack_geometry(xy, sizes, angles), width, height)


def make_descriptors(seed, count):
    """Random descriptors far from each other, uint8 (count, 128), 7 bits."""
    return np.random.default_rng(seed).integers(0, 128, (count, 128), dtype=np.uint8)


def draw_points(seed, count, width=800, height=600, margin_px=150):
    """Points on the 1/32 px grid that geometry is stored on, away from the edges."""
    low, high = [margin_px, margin_px], [width - margin_px, height - margin_px]
    points = np.random.default_rng(seed).uniform(low, high, (count, 2))
    return np.round(points * 32) / 32


def plant_pair(seed, num_inliers, num_outliers, scale=1.0, turn_deg=0.0, shift=(0.0, 0.0)):
    """Two images of which some features agree on one similarity, and the others on nothing.

    Returns:
        Features of both images, and the matrix (2, 3) of the similarity about the centre.
    """
    rng = np.random.default_rng((seed, 1))  # other numbers than those of the points
    turn = np.deg2rad(turn_deg)
    linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    centre = np.array([400.0, 300.0])
    matrix = np.column_stack([linear, centre - linear @ centre + shift])
    count = num_inliers + num_outliers
    xy_a = draw_points(seed, count, margin_px=220)
    xy_b = xy_a @ linear.T + matrix[:, 2]
    xy_b[num_inliers:] = rng.uniform([10, 10], [790, 590], (num_outliers, 2))
    angles = rng.uniform(0, 360, count)
    sizes = rng.uniform(4, 20, count)
    descriptors = make_descriptors(seed, count)
    shuffled = rng.permutation(count)
    a = make_features(xy_a, sizes, angles, descriptors)
    b = make_features(
        np.clip(xy_b, 0, [799, 599])[shuffled],
        (sizes * scale)[shuffled],
        (angles + turn_deg)[shuffled],
        descriptors[shuffled],
    )
    return a, b, matrix
