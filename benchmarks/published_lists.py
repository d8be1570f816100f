"""A list with the sizes of the published GLDv2-clean; ids and all other classes are made up."""

from pathlib import Path

import numpy as np

from manifests.reference.published_removal import GLDV2_CLEAN, read_published_classes

_SMALLEST_CLASS = 2


def draw_class_sizes() -> dict[int, int]:
    """landmark_id -> number of images, with the published totals and the published classes."""
    published = {c.landmark_id: c.images for c in read_published_classes()}
    rng = np.random.default_rng(0)
    others = np.setdiff1d(np.arange(203_094), list(published))
    num_others = GLDV2_CLEAN.classes - len(published)
    landmark_ids = np.sort(rng.choice(others, num_others, replace=False))
    spare = GLDV2_CLEAN.images - sum(published.values()) - _SMALLEST_CLASS * num_others
    sizes = _SMALLEST_CLASS + rng.multinomial(spare, rng.dirichlet(np.full(num_others, 0.5)))
    return published | dict(zip(landmark_ids.tolist(), sizes.tolist(), strict=True))


def write_published_list(path: Path, sizes: dict[int, int]) -> Path:
    """Write a train_clean.csv with classes of these sizes, images in no order."""
    total = sum(sizes.values())
    # An odd multiplier permutes the 64-bit integers: distinct ids without a look-up.
    numbers = np.arange(1, total + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    ids = [f"{number:016x}" for number in numbers.tolist()]
    start = 0
    with path.open("w", encoding="utf-8") as stream:
        stream.write("landmark_id,images\n")
        for landmark_id, size in sizes.items():
            stream.write(f"{landmark_id},{' '.join(ids[start : start + size])}\n")
            start += size
    return path
