"""How a verb ends when something is wrong."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import typer
from rich.console import Console

from cleanmark.tables import print_failures
from manifests.input_error import InputError
from pipelines.job import StepResult


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


def stop_if_failed(console: Console, results: Sequence[StepResult]) -> None:
    """End with status 1 when units of the job failed, and show them."""
    failures = [report for result in results for report in result.failures]
    if failures:
        print_failures(console, failures)
        console.print("Everything else is kept; the same command runs the failed units again.")
        raise typer.Exit(1)


def _complain(error: Exception) -> None:
    errors = Console(stderr=True)
    errors.print(f"cleanmark: {error}", highlight=False, markup=False, soft_wrap=True)
