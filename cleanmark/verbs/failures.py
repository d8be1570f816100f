"""How a verb ends when something is wrong."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import typer
from pydantic import ValidationError
from rich.console import Console

from manifests.input_error import InputError


@contextmanager
def polite_failure(console: Console) -> Iterator[None]:
    """Turn what a user can mend into one line, and Ctrl-C into a promise."""
    try:
        yield
    except InputError as error:
        complain(error)
        raise typer.Exit(2) from error
    except (ValueError, OSError) as error:
        complain(error)
        raise typer.Exit(1) from error
    except KeyboardInterrupt as error:
        console.print("stopped; the same command goes on where this one stopped")
        raise typer.Exit(130) from error


def describe_options(error: ValidationError, renamed: Mapping[str, str] | None = None) -> str:
    """What is wrong with settings that were given as options.

    Args:
        error: of the settings.
        renamed: name of a setting -> its option, where that is not the same with hyphens.
    """
    return "; ".join(
        _describe_option(dict(problem), renamed or {})
        for problem in error.errors(include_url=False)
    )


def _describe_option(problem: Mapping[str, Any], renamed: Mapping[str, str]) -> str:
    message = str(problem["msg"]).removeprefix("Value error, ")
    if not problem["loc"]:
        return message
    name = str(problem["loc"][0])
    option = renamed.get(name, name.replace("_", "-"))
    return f"--{option}: {message} (found {problem['input']!r})"


def complain(problem: Exception | str) -> None:
    """Say on the error output, in one line, what is wrong."""
    errors = Console(stderr=True)
    errors.print(f"cleanmark: {problem}", highlight=False, markup=False, soft_wrap=True)
