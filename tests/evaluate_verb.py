"""The verb `evaluate` called in this process."""

from typer.testing import CliRunner

from cleanmark.cli import app


def invoke(*arguments: object) -> tuple[int, str, str]:
    """Exit status, output and errors."""
    result = CliRunner().invoke(app, ["evaluate", *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def evaluate(*arguments: object) -> str:
    """What the command prints when all is well."""
    status, output, errors = invoke(*arguments)
    assert status == 0, errors
    return output


def refuse(*arguments: object) -> str:
    """The one line with which the command refuses what it was given."""
    status, _, errors = invoke(*arguments)
    assert status == 2
    assert errors.startswith("cleanmark: ")
    assert errors.count("\n") == 1
    return errors
