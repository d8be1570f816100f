"""Numbers for the classes of a published split, and which of their images validate."""

import hashlib
from collections.abc import Collection, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from manifests.strict_model import StrictModel


class ValSplitSettings(StrictModel):
    """How many images of a class are held out for validation, and which."""

    val_fraction: float = Field(0.2, gt=0, lt=1)
    """Of the images of each class, rounded down; at least one image goes."""
    seed: int = Field(0, ge=0)
    """Another seed holds out other images."""


def index_classes(landmark_ids: Iterable[int]) -> dict[int, int]:
    """Number the classes 0..C-1 by ascending landmark id.

    The ids are compared as integers. As text, 10 would come before 2, and the weights of a
    classifier would belong to other classes than the manifest says.

    Raises:
        TypeError: an id is text.
    """
    unique_ids = set(landmark_ids)
    for landmark_id in unique_ids:
        if isinstance(landmark_id, str):
            raise TypeError(f"landmark_id {landmark_id!r} is text: convert it to int first")
    return {landmark_id: index for index, landmark_id in enumerate(sorted(unique_ids))}


def choose_val_images(image_ids: Collection[str], settings: ValSplitSettings) -> frozenset[str]:
    """Choose the images of one class that are held out for validation.

    As many as GLDv2's official builder of training records takes, `max(1, int(fraction * n))`,
    but chosen by a hash of the id instead of a shuffle: the choice depends on neither the order
    of the images nor a random number generator. A class of one image is all validation.

    Args:
        image_ids: of one class, each once.
        settings: fraction and seed.

    Raises:
        ValueError: an image id occurs twice.
    """
    if not image_ids:
        return frozenset()
    if len(set(image_ids)) != len(image_ids):
        raise ValueError("an image id occurs twice in one class: pass every image once")

    ranked = sorted(image_ids, key=lambda image_id: (_rank(image_id, settings), image_id))
    num_val = max(1, int(settings.val_fraction * len(image_ids)))
    return frozenset(ranked[:num_val])


def mark_val_images(
    image_ids: Sequence[str], class_index: NDArray[np.integer], settings: ValSplitSettings
) -> NDArray[np.bool_]:
    """What `choose_val_images` chooses of every class, for all images of a split at once.

    Args:
        image_ids: n ids, each once, in any order.
        class_index: integer (n,), the class of each.
        settings: fraction and seed.

    Returns:
        bool (n,), whether the image is held out.
    """
    if not len(image_ids):
        return np.zeros(0, np.bool_)
    digests = b"".join(_rank(image_id, settings) for image_id in image_ids)
    words = np.frombuffer(digests, ">u8").reshape(-1, 4)
    order = np.lexsort((*words.T[::-1], class_index))
    in_order = class_index[order]
    starts = np.flatnonzero(np.r_[True, in_order[1:] != in_order[:-1]])
    sizes = np.diff(np.r_[starts, len(in_order)])
    num_val = np.maximum(1, (settings.val_fraction * sizes).astype(np.int64))
    place = np.arange(len(in_order)) - np.repeat(starts, sizes)
    marked = np.empty(len(in_order), np.bool_)
    marked[order] = place < np.repeat(num_val, sizes)
    return marked


def _rank(image_id: str, settings: ValSplitSettings) -> bytes:
    return hashlib.sha256(f"{settings.seed}:{image_id}".encode()).digest()
