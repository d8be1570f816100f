import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.evaluation.prefetch import map_ahead


@given(st.lists(st.integers()), st.integers(1, 4))
def test_results_come_in_order(items, num_workers):
    assert list(map_ahead(str, items, num_workers)) == [str(item) for item in items]


def test_few_results_are_held():
    lock = threading.Lock()
    started = []

    def start(item):
        with lock:
            started.append(item)
        return item

    results = map_ahead(start, range(100), 2)
    next(results)
    assert len(started) <= 5
    assert list(results) == [*range(1, 100)]


def test_an_error_reaches_the_caller():
    with pytest.raises(ZeroDivisionError):
        list(map_ahead(lambda item: 1 // item, [1, 0, 1], 2))
