"""Which of Beam's own options, given after `--`, this program lets through."""

from collections.abc import Sequence
from itertools import pairwise, zip_longest

from manifests.input_error import InputError

LOCAL_RUNNER = "FnApiRunner"
_SWITCHING_RUNNERS = {"direct", "switchingdirect", "bundlebaseddirect"}


class BeamOptionError(InputError):
    """A Beam option that this program does not let through, and why."""


def check_beam_args(beam_args: Sequence[str]) -> None:
    """Refuse the options of Beam that would change what a run does, or make it hang.

    Raises:
        BeamOptionError: with the reason and the remedy.
    """
    for before, arg in pairwise(["", *beam_args]):
        if not arg.startswith("-") and not _wants_value(before):
            raise BeamOptionError(
                f"{arg!r}: not accepted, because Beam would ignore it. After `--` come Beam's own "
                "options, such as --runner=NAME; an option of this program that may be given "
                "several times is repeated each time"
            )
        if arg.startswith("--direct_"):
            raise BeamOptionError(
                f"{arg}: not accepted. Set the number of workers as `runner.workers` of the "
                "configuration. Beam's own multi_processing mode waits for ever when a worker "
                "dies, and opens ports on all interfaces; stages have worker processes anyway"
            )
    if (runner := find_runner(beam_args)) is not None:
        _check_runner(runner)


def find_runner(beam_args: Sequence[str]) -> str | None:
    """Find the last runner named, as in `--runner NAME` or `--runner=NAME`; None without one."""
    name = None
    for arg, following in zip_longest(beam_args, beam_args[1:], fillvalue=""):
        if arg == "--runner":
            name = following
        elif arg.startswith("--runner="):
            name = arg.partition("=")[2]
    return name


def is_local(runner: str) -> bool:
    """Whether a runner is the one of the workstation, however it is spelt."""
    return _short_name(runner) == _short_name(LOCAL_RUNNER)


def _check_runner(runner: str) -> None:
    name = _short_name(runner)
    if name in _SWITCHING_RUNNERS:
        raise BeamOptionError(
            f"--runner={runner}: not accepted. It picks another engine on each machine and may "
            f"download one; leave the option out to use {LOCAL_RUNNER} on this machine"
        )
    if name == "dask":
        raise BeamOptionError(
            f"--runner={runner}: not accepted, because it silently loses what it does not "
            "support. Set `runner.engine` to dask, which looks at the pipeline first"
        )


def _wants_value(arg: str) -> bool:
    """Whether the next argument may be this option's value, as in `--runner NAME`."""
    return arg.startswith("-") and "=" not in arg


def _short_name(runner: str) -> str:
    """Strip what Beam lets people leave out or spell as they like: module, case, suffix."""
    return runner.rpartition(".")[2].lower().removesuffix("runner")
