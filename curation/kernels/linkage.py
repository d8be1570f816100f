"""The order of the leaves of a single-linkage tree, compiled; see `curation.linkage`."""

import numpy as np
from numpy.typing import NDArray

from curation.kernels.compilation import compile_on_first_call

Positions = NDArray[np.int32]


@compile_on_first_call
def find_root(parents: Positions, image: int) -> int:
    """The first image of a group; shortens the way to it."""
    while parents[image] != image:
        parents[image] = parents[parents[image]]
        image = int(parents[image])
    return image


@compile_on_first_call
def rank_leaves(first: Positions, second: Positions, num_images: int) -> Positions:
    """Places of images in that order, int32 (n,); pairs (p,) come nearest first."""
    parents = np.arange(num_images).astype(np.int32)
    last, following = parents.copy(), np.full(num_images, -1, np.int32)
    for k in range(len(first)):
        a, b = find_root(parents, first[k]), find_root(parents, second[k])
        if a != b:
            parents[b] = a
            following[last[a]] = b
            last[a] = last[b]
    ranks, rank = np.empty(num_images, np.int32), 0
    for image in range(num_images):
        if parents[image] == image:
            member = image
            while member >= 0:
                ranks[member] = rank
                rank += 1
                member = int(following[member])
    return ranks
