"""The error of `cleanmark review`, apart from the app so that other verbs need not load it."""


class ReviewError(ValueError):
    """A review that cannot be held as asked; the message names the option or the file."""
