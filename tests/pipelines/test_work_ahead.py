import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.work_ahead import work_ahead


class Ledger:
    """Counts what the calls that are at hand cost together."""

    def __init__(self):
        self._lock = threading.Lock()
        self.at_hand = 0
        self.most = 0

    def take(self, cost):
        with self._lock:
            self.at_hand += cost
            self.most = max(self.most, self.at_hand)
        return -cost

    def give_back(self, cost):
        with self._lock:
            self.at_hand -= cost


@given(st.lists(st.integers(0, 12)), st.integers(1, 4), st.integers(1, 30))
def test_results_come_in_order_and_within_the_budget(costs, num_threads, budget):
    ledger = Ledger()
    calls = work_ahead(ledger.take, costs, int, num_threads=num_threads, budget=budget)
    found = []
    for cost, call in calls:
        found.append((cost, call.result()))
        # The item that is being looked at is paid for until the next one is asked for.
        ledger.give_back(cost)
    assert found == [(cost, -cost) for cost in costs]
    assert ledger.most <= max([budget, *costs])


def test_an_error_is_that_of_its_own_item():
    calls = work_ahead(lambda n: 1 // n, [1, 0, 2], lambda _: 1, num_threads=2, budget=9)
    outcomes = [type(call.exception()) for _, call in calls]
    assert outcomes == [type(None), ZeroDivisionError, type(None)]


def test_several_items_are_worked_on_at_the_same_time():
    together = threading.Barrier(3, timeout=30)
    calls = work_ahead(lambda _: together.wait(), range(3), lambda _: 1, num_threads=3, budget=9)
    assert sorted(call.result() for _, call in calls) == [0, 1, 2]


def test_who_stops_early_leaves_no_thread_behind():
    before = threading.active_count()
    calls = work_ahead(abs, range(100), lambda _: 1, num_threads=3, budget=50)
    next(calls)
    calls.close()
    assert threading.active_count() == before
    with pytest.raises(StopIteration):
        next(calls)
