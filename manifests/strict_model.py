"""The base of every settings class."""

from pydantic import BaseModel, ConfigDict


class StrictModel(BaseModel):
    """An immutable settings object in which an unknown key is an error, never ignored.

    A misspelt key that is silently dropped costs a day of computing with the wrong threshold;
    pydantic names it by its path instead.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, use_attribute_docstrings=True
    )
