"""What work, disk and traffic cost: prices are the user's, none is built in."""

from dataclasses import dataclass

from pydantic import Field

from manifests.strict_model import StrictModel

_BYTES_PER_GB = 1e9


class PriceSettings(StrictModel):
    """What things cost. A plan counts no money for what has no price."""

    currency: str = Field("EUR", min_length=1, max_length=12)
    """What amounts are called."""
    core_hour: float | None = Field(None, ge=0)
    """One core for an hour, such as 0.04."""
    gpu_hour: float | None = Field(None, ge=0)
    """One GPU for an hour, such as 2.5."""
    gb_month: float | None = Field(None, ge=0)
    """10^9 bytes of disk for a month, such as 0.02."""
    gb_egress: float | None = Field(None, ge=0)
    """10^9 bytes that leave the place where shards are fetched from, such as 0.09."""
    months_kept: float = Field(1.0, ge=0)
    """How long what is written and fetched stays on disk."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing has a price."""
        prices = (self.core_hour, self.gpu_hour, self.gb_month, self.gb_egress)
        return all(price is None for price in prices)


@dataclass(frozen=True)
class Consumption:
    """What a step takes.

    Attributes:
        core_hours: processor hours.
        gpu_hours: hours for which a GPU is held.
        disk_bytes: what it leaves on disk.
        egress_bytes: what it fetches.
    """

    core_hours: float = 0.0
    gpu_hours: float = 0.0
    disk_bytes: float = 0.0
    egress_bytes: float = 0.0


def price_of(taken: Consumption, prices: PriceSettings) -> float | None:
    """What consumption costs; None if nothing has a price."""
    if prices.is_empty:
        return None
    disk_gb, egress_gb = taken.disk_bytes / _BYTES_PER_GB, taken.egress_bytes / _BYTES_PER_GB
    return (
        taken.core_hours * (prices.core_hour or 0)
        + taken.gpu_hours * (prices.gpu_hour or 0)
        + disk_gb * prices.months_kept * (prices.gb_month or 0)
        + egress_gb * (prices.gb_egress or 0)
    )


def list_unpriced(taken: Consumption, prices: PriceSettings) -> list[str]:
    """What is taken and has no price, while something else has one."""
    if prices.is_empty:
        return []
    parts = (
        ("core_hour", prices.core_hour, taken.core_hours),
        ("gpu_hour", prices.gpu_hour, taken.gpu_hours),
        ("gb_month", prices.gb_month, taken.disk_bytes),
        ("gb_egress", prices.gb_egress, taken.egress_bytes),
    )
    return [f"prices.{name}" for name, price, amount in parts if price is None and amount > 0]
