"""What can go wrong while fetching, sorted by what to do about it."""


class FetchError(ValueError):
    """Something could not be fetched; the message names file, cause and remedy."""


class TemporaryFaultError(FetchError):
    """Worth another try: a dropped connection, a busy server.

    Attributes:
        retry_after_seconds: how long the server asks to wait; None if it says nothing.
    """

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class PermanentFaultError(FetchError):
    """Trying again would give the same answer."""


class MissingFileError(PermanentFaultError):
    """The source has no such file, or does not let us see it."""


class DiskError(FetchError):
    """The disk is full or not writable: no other file would fare better."""


class StoppedError(FetchError):
    """The whole job is being stopped."""
