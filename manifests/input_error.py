"""The error of bad input: what a user gave cannot be used, and the user can mend it."""


class InputError(ValueError):
    """A file, a setting or an argument that cannot be used; the message names it and the remedy.

    The command line shows it as one line and ends with status 2.
    """
