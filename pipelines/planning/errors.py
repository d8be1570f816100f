"""The error of a plan that cannot be made."""

from manifests.input_error import InputError


class PlanningError(InputError):
    """A plan that cannot be made from what was given; the message says what is missing."""
