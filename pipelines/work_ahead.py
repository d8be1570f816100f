"""Work that a few threads do ahead of the one who needs it."""

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_AHEAD_PER_THREAD = 2


def work_ahead(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    measure: Callable[[Item], int],
    *,
    num_threads: int,
    budget: int,
) -> Generator[tuple[Item, Future[Result]], None, None]:
    """Call a function of every item in threads; hand the calls over in the order of the items.

    Args:
        function: what is called; it must be safe to call from several threads.
        items: its arguments.
        measure: what an item costs of the budget, from its call until its result is done with.
        num_threads: calls at the same time.
        budget: what all items at hand may cost together. One that costs more comes alone.

    Yields:
        Each item and its call, which may still be running. It counts as done with when the next
        one is asked for.
    """
    waiting: deque[tuple[Item, Future[Result]]] = deque()
    spent = 0
    pool = ThreadPoolExecutor(num_threads)
    try:
        for item in items:
            while waiting and (
                spent + measure(item) > budget or len(waiting) >= _AHEAD_PER_THREAD * num_threads
            ):
                yield waiting[0]
                spent -= measure(waiting.popleft()[0])
            waiting.append((item, pool.submit(function, item)))
            spent += measure(item)
        while waiting:
            yield waiting[0]
            waiting.popleft()
    finally:
        pool.shutdown(cancel_futures=True)
