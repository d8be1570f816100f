"""Independent random streams, named by what they are for.

Every picture draws from a stream of its own, so that its pixels depend neither on the order in
which pictures are made nor on the number of processes that make them.
"""

import hashlib

import numpy as np


def make_generator(seed: int, *names: str | int) -> np.random.Generator:
    """Return the generator of the stream with this name.

    Args:
        seed: The seed of the whole data set.
        names: The path of the stream, e.g. `("place", "old_mill", "front wall")`.
    """
    path = "\x1f".join([str(seed), *map(str, names)])
    return np.random.default_rng(np.frombuffer(hashlib.sha256(path.encode()).digest(), np.uint32))
