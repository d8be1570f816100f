"""Numbers with an interval, and how intervals add up."""

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from manifests.strict_model import StrictModel

_CONFIDENCE = 0.95


class Amount(StrictModel):
    """An estimate and the interval that should hold the truth 95 times in 100."""

    value: float
    low: float
    high: float

    @classmethod
    def exact(cls, value: float) -> "Amount":
        """A number that is known."""
        return cls(value=value, low=value, high=value)

    @classmethod
    def within(cls, value: float, share: float) -> "Amount":
        """A number that is believed to be right within a share of itself."""
        return cls(value=value, low=value * (1 - share), high=value * (1 + share))

    @classmethod
    def from_replicates(cls, value: float, replicates: NDArray[np.float64]) -> "Amount":
        """An estimate with the percentile interval of its bootstrap replicates (Efron 1979)."""
        tail = 50 * (1 - _CONFIDENCE)
        low, high = np.percentile(replicates, [tail, 100 - tail]).tolist()
        return cls(value=value, low=min(value, low), high=max(value, high))

    def scale(self, factor: float) -> "Amount":
        """The amount times a number that is known, not negative."""
        return Amount(value=self.value * factor, low=self.low * factor, high=self.high * factor)

    def times(self, other: "Amount") -> "Amount":
        """The product of two amounts that err independently."""
        value = self.value * other.value
        below = math.hypot(_relative(self, self.low), _relative(other, other.low))
        above = math.hypot(_relative(self, self.high), _relative(other, other.high))
        return Amount(value=value, low=max(0.0, value * (1 - below)), high=value * (1 + above))


def add_up(amounts: Iterable[Amount]) -> Amount:
    """The sum of amounts that err independently: half-widths add in squares."""
    parts = list(amounts)
    value = math.fsum(part.value for part in parts)
    below = math.hypot(*(part.value - part.low for part in parts))
    above = math.hypot(*(part.high - part.value for part in parts))
    return Amount(value=value, low=value - below, high=value + above)


def _relative(amount: Amount, bound: float) -> float:
    return abs(bound - amount.value) / amount.value if amount.value else 0.0
