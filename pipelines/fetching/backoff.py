"""How long to wait before trying again: exponential, with full jitter."""

import random
from collections.abc import Callable

from pipelines.fetching.errors import PermanentFaultError, TemporaryFaultError
from pipelines.fetching.settings import FetchSettings


class Backoff:
    """Pauses between attempts; shared by the threads of a job.

    Full jitter (a uniform draw between nothing and the limit) keeps many clients that failed
    together from coming back together.

    Args:
        settings: the limits.
        sleep: waits for a number of seconds.
        seed: of the random numbers; None takes them from the system, as it should be in earnest.
    """

    def __init__(
        self, settings: FetchSettings, sleep: Callable[[float], object], seed: int | None = None
    ) -> None:
        self._settings = settings
        self._sleep = sleep
        self._random = random.Random(seed)  # noqa: S311  (no secret)

    def pause(self, num_failures: int, error: TemporaryFaultError) -> None:
        """Wait after the `num_failures`-th failure in a row, at least as long as the server asks.

        Raises:
            PermanentFaultError: the server asks for more patience than the settings allow.
        """
        longest = self._settings.max_retry_after_seconds
        asked = error.retry_after_seconds or 0.0
        if asked > longest:
            raise PermanentFaultError(
                f"{error}, and asks to come back in {asked:.0f} s; run the same command again then"
            ) from error
        limit = self._settings.backoff_seconds * 2.0 ** (num_failures - 1)
        drawn = self._random.uniform(0.0, min(limit, self._settings.max_backoff_seconds))
        # Beyond what the server asks, so that not everybody returns in the same second.
        self._sleep(asked + drawn)
