"""The error of `cleanmark review`, apart from the modules that raise it."""

from manifests.input_error import InputError


class ReviewError(InputError):
    """A review that cannot be held as asked; the message names the option or the file."""
