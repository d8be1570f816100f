"""How a verb ends when something is wrong."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console

from manifests.input_error import InputError


@contextmanager
def polite_failure(console: Console) -> Iterator[None]:
    """Turn what a user can mend into one line, and Ctrl-C into a promise."""
    try:
        yield
    except InputError as error:
        _complain(error)
        raise typer.Exit(2) from error
    except (ValueError, OSError) as error:
        _complain(error)
        raise typer.Exit(1) from error
    except KeyboardInterrupt as error:
        console.print("stopped; the same command goes on where this one stopped")
        raise typer.Exit(130) from error


def _complain(error: Exception) -> None:
    errors = Console(stderr=True)
    errors.print(f"cleanmark: {error}", highlight=False, markup=False, soft_wrap=True)
