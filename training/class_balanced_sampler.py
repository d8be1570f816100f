"""Batches of P classes times K images, for losses that compare the images of a batch."""

import logging
import math

import numpy as np
from numpy.typing import NDArray

_LOG = logging.getLogger(__name__)

Indices = NDArray[np.int64]


def draw_batches(
    class_index: NDArray[np.integer],
    group: NDArray[np.integer],
    batch_size: int,
    images_per_class: int,
    seed: int,
    epoch: int,
    min_classes: int = 2,
) -> list[Indices]:
    """Draw the batches of an epoch, each from one aspect group (Hermans et al. 2017).

    In a batch every class has `images_per_class` images. A class with fewer in the group, or with
    a remainder, has some of them twice: augmented differently, they are positives too. Batches of
    a group are nearly equal in size, at most `batch_size`.

    Every image comes at least once in an epoch (more often where a batch would otherwise have fewer
    than `min_classes` classes), with two exceptions. A class with more images than
    fit into the batches of its group, at one share in each, waits with the rest, which is another
    in every epoch. A group with fewer than `min_classes` classes has no negatives and is left out,
    which the log says.

    Args:
        class_index: int (num_images,), class of each image.
        group: int (num_images,), aspect group of each image.
        batch_size: most images of a batch.
        images_per_class: images of a class in a batch, at least 2.
        seed: of the training.
        epoch: counted from 0; other epochs, other batches.
        min_classes: classes that the loss needs in a batch.

    Returns:
        Positions of images, int64 arrays, the images of a class one after the other; in random
        order. Every epoch has the same number of batches.

    Raises:
        ValueError: the sizes leave no room for `min_classes` classes, or no batch can be made.
    """
    _check_sizes(class_index, group, batch_size, images_per_class, min_classes)
    rng = np.random.default_rng([seed, epoch])
    batches: list[Indices] = []
    for number in np.unique(group).tolist():
        members = np.flatnonzero(group == number)
        shares = _share_out(members, class_index, images_per_class, rng)
        if len(shares) >= min_classes:
            most_classes = batch_size // images_per_class
            batches += _deal(shares, most_classes, min_classes)
        else:
            _LOG.warning(
                "aspect group %d has %d images of %d classes, fewer than the %d classes that a "
                "batch needs: they are left out",
                *(number, len(members), len(shares), min_classes),
            )
    if not batches:
        raise ValueError(
            f"no aspect group has {min_classes} classes: join the groups, or choose a loss with "
            "class weights, such as arcface"
        )
    return [batches[position] for position in rng.permutation(len(batches)).tolist()]


def _check_sizes(
    class_index: NDArray[np.integer],
    group: NDArray[np.integer],
    batch_size: int,
    images_per_class: int,
    min_classes: int,
) -> None:
    if class_index.shape != group.shape or class_index.ndim != 1:
        raise ValueError(
            f"{class_index.shape} classes and {group.shape} groups: give one of each per image"
        )
    if images_per_class < 2 or min_classes < 2:
        raise ValueError(
            f"images_per_class {images_per_class} and min_classes {min_classes}: a batch without "
            "positives or without negatives teaches nothing; both must be at least 2"
        )
    if batch_size < images_per_class * min_classes:
        raise ValueError(
            f"a batch of {batch_size} has no room for {min_classes} classes of {images_per_class} "
            f"images: raise it to {images_per_class * min_classes} or more"
        )


def _share_out(
    members: NDArray[np.intp],
    class_index: NDArray[np.integer],
    images_per_class: int,
    rng: np.random.Generator,
) -> list[list[Indices]]:
    """The images of a group in shares of `images_per_class`; a list for each class, shuffled."""
    shuffled = rng.permutation(members)
    by_class = shuffled[np.argsort(class_index[shuffled], kind="stable")]
    starts = np.flatnonzero(np.diff(class_index[by_class])) + 1
    classes = [_cut(images, images_per_class) for images in np.split(by_class, starts)]
    return [classes[position] for position in rng.permutation(len(classes)).tolist()]


def _cut(images: Indices, images_per_class: int) -> list[Indices]:
    """Cut into equal shares; the last is filled up from the front, again and again if need be."""
    num_shares = math.ceil(len(images) / images_per_class)
    filled = np.resize(images, num_shares * images_per_class)
    return list(filled.reshape(num_shares, images_per_class))


def _deal(shares: list[list[Indices]], most_classes: int, min_classes: int) -> list[Indices]:
    """Deal the shares to batches, like cards, one class after the other.

    A class that has no more shares than there are batches never comes twice to the same one.
    """
    num_shares = sum(len(of_class) for of_class in shares)
    num_batches = math.ceil(num_shares / min(most_classes, len(shares)))
    missing = num_batches * min_classes - sum(min(len(s), num_batches) for s in shares)
    dealt: list[Indices] = []
    for of_class in shares:
        num_dealt = min(len(of_class), num_batches)
        num_again = min(max(missing, 0), num_batches - num_dealt)
        missing -= num_again
        dealt += [of_class[i % len(of_class)] for i in range(num_dealt + num_again)]
    return [np.concatenate(dealt[start::num_batches]) for start in range(num_batches)]
