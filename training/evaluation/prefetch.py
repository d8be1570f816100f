"""Work done ahead by threads, handed out in order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Final, TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_AHEAD_PER_WORKER: Final = 2


def map_ahead(
    function: Callable[[_Item], _Result], items: Iterable[_Item], num_workers: int
) -> Iterator[_Result]:
    """Apply a function in threads; results in the order of the items, few of them held.

    Unlike `Executor.map`, which would decode a whole benchmark into memory.
    """
    remaining = iter(items)
    with ThreadPoolExecutor(num_workers) as executor:
        waiting: deque[Future[_Result]] = deque(
            executor.submit(function, item)
            for item in islice(remaining, num_workers * _AHEAD_PER_WORKER)
        )
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(executor.submit(function, item) for item in islice(remaining, 1))
            yield result
