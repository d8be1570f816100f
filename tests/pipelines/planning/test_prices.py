import pytest

from pipelines.planning.amounts import Amount
from pipelines.planning.estimate import price
from pipelines.planning.prices import Consumption, PriceSettings, list_unpriced, price_of

TAKEN = Consumption(core_hours=10, gpu_hours=2, disk_bytes=3e9, egress_bytes=4e9)


def test_without_a_price_there_is_no_money():
    assert price_of(TAKEN, PriceSettings()) is None
    assert price(Amount.exact(1), None, None, 0, PriceSettings()) is None
    assert list_unpriced(TAKEN, PriceSettings()) == []


def test_every_price_counts_its_own_amount():
    prices = PriceSettings(
        core_hour=0.5, gpu_hour=3, gb_month=0.1, gb_egress=0.25, months_kept=2, currency="CHF"
    )
    assert price_of(TAKEN, prices) == pytest.approx(5 + 6 + 0.6 + 1)


def test_what_has_no_price_is_named():
    prices = PriceSettings(core_hour=0.5)
    assert price_of(TAKEN, prices) == pytest.approx(5)
    assert list_unpriced(TAKEN, prices) == [
        "prices.gpu_hour",
        "prices.gb_month",
        "prices.gb_egress",
    ]
    assert list_unpriced(Consumption(core_hours=1), prices) == []


def test_a_price_of_nothing_is_a_price():
    assert price_of(TAKEN, PriceSettings(core_hour=0)) == 0


def test_money_has_the_interval_of_what_is_paid_for():
    money = price(Amount(value=10, low=8, high=14), None, None, 0, PriceSettings(core_hour=2))
    assert money == Amount(value=20, low=16, high=28)


def test_a_negative_price_is_refused():
    with pytest.raises(ValueError, match="gb_month"):
        PriceSettings(gb_month=-1)
