"""Ranges of whole numbers, for histograms."""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Bins:
    """Ranges of whole numbers; `lower` holds the first number of each, the last has no end."""

    lower: tuple[int, ...]

    def count(self, values: Mapping[int, int]) -> list[int]:
        """Sort a tally (value -> how often) into the bins; values below the first are an error.

        Raises:
            ValueError: a value lies below the first bin.
        """
        counts = [0] * len(self.lower)
        for value, number in values.items():
            position = bisect_right(self.lower, value) - 1
            if position < 0:
                raise ValueError(f"value {value} lies below the first bin, {self.lower[0]}")
            counts[position] += number
        return counts

    @property
    def labels(self) -> list[str]:
        """Each range in words, such as `15–20` or `480+`."""
        ends = [following - 1 for following in self.lower[1:]]
        inner = [
            str(first) if first == last else f"{first:,}–{last:,}"
            for first, last in zip(self.lower, ends, strict=False)
        ]
        return [*inner, f"{self.lower[-1]:,}+"]


def bins_around(threshold: int, largest: int) -> Bins:
    """Bins that grow by half octaves and of which one begins at `threshold`; the first is 0."""
    edges = {0, 1, threshold}
    for sign in (-1, 1):
        step = 1
        while 1 <= (edge := round(threshold * 2 ** (sign * step / 2))) <= largest:
            edges.add(edge)
            step += 1
    return Bins(tuple(sorted(edges)))


def bins_by_doubling(largest: int) -> Bins:
    """The bins 0, 1, 2, 3-4, 5-8, 9-16 and so on, as far as `largest`."""
    edges = [0, 1, 2]
    power = 2
    while power < largest:
        edges.append(power + 1)
        power *= 2
    return Bins(tuple(edges))
