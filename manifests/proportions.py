"""The interval of a share that was counted in a sample."""

import math
from typing import Final

Z_95: Final = 1.959963984540054
"""Quantile of the standard normal distribution that leaves 2.5 % on either side."""


def estimate_share(num_hits: int, num_trials: int, z: float = Z_95) -> tuple[float, float]:
    """Score interval of a share (Wilson 1927).

    Only sums, products, quotients and a square root occur, which IEEE 754 rounds in one way: the
    bits are the same on every machine.

    Args:
        num_hits: of the trials, 0 to `num_trials`.
        num_trials: any number; none gives the interval 0 to 1.
        z: how many standard deviations the interval reaches to either side.

    Raises:
        ValueError: more hits than trials, or negative numbers.
    """
    if not 0 <= num_hits <= num_trials:
        raise ValueError(f"{num_hits} of {num_trials} is no share; count again")
    if num_trials == 0:
        return 0.0, 1.0
    num_misses = num_trials - num_hits
    width = z * math.sqrt(num_hits * num_misses / num_trials + z * z / 4)
    total = num_trials + z * z
    # At the ends the formula gives 0 and 1 but for rounding.
    low = 0.0 if num_hits == 0 else (num_hits + z * z / 2 - width) / total
    high = 1.0 if num_misses == 0 else (num_hits + z * z / 2 + width) / total
    return low, high
