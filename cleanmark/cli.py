"""The command `cleanmark`: thin verbs that mirror library functions.

Exit status: 0 done, 1 failed, 2 bad arguments or configuration, 130 stopped with Ctrl-C.
"""

import logging
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from cleanmark.verbs.failures import complain
from pipelines.importing import keep_blas_to_one_thread, uncollected

VERBS = {
    "demo": "Render a small world of landmarks, run the whole job on it and score it.",
    "fetch": "Fetch a data set: resumable, checked, recorded. The same command goes on.",
    "plan": "Say what a job will take: images, pairs, hours, disk and money, from a small probe.",
    "run": "Run a job, or go on with one that was stopped.",
    "status": "Show what is done, what is pending, and why units failed or images were removed.",
    "review": "Let people decide on the candidates of a run or an audit, in the browser.",
    "emit": "Apply the decisions made so far and write the manifests again.",
    "report": "Write one self-contained HTML page about a run, with its pictures and plots.",
    "rgldv2": "Take the 18 published classes out of GLDv2-clean; needs no image.",
    "audit": "Certify that a training list overlaps no evaluation set, or show where it does.",
    "export": "Write manifests as a Hugging Face data set, Croissant, lists and indexes.",
    "forget": "Make a new version of manifests without some images, and say that it was done.",
    "reconcile": "Show every image that differs between two lists, with its cause.",
    "train": "Train a network, or go on with a training that was stopped. Works under `torchrun`.",
    "evaluate": "Evaluate an embedder on benchmarks: numbers, tables, and a page with pictures.",
    "whiten": "Learn whitening on a run's verified pairs, and store it with a network.",
    "match": "Verify two photographs: inliers, model, verdict, reason, picture.",
}
"""Verb and what it does; each is `app` in the module of its name in `cleanmark.verbs`."""

_EXTRAS = {"review": "review", "train": "train", "evaluate": "train", "whiten": "train"}
"""The optional extra whose libraries a verb cannot do without."""
_JOB_VERBS = {"demo", "plan", "run", "emit", "audit"}
"""Verbs that do units of a job."""


class LazyVerb(TyperCommand):
    """A verb whose module is loaded when it is called: no verb waits for another's libraries."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: Any = None,  # noqa: ANN401  (typer keeps the type to itself)
        **extra: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        """Load the verb and let it read its arguments."""
        return load_verb(str(self.name)).make_context(info_name, args, parent, **extra)


class LazyVerbs(TyperGroup):
    """All verbs, none of them loaded."""

    def __init__(self, **attributes: Any) -> None:  # noqa: ANN401
        super().__init__(**attributes)
        for name, summary in VERBS.items():
            self.add_command(LazyVerb(name, help=summary))


def load_verb(name: str) -> Any:  # noqa: ANN401
    """The command behind a verb, with its libraries.

    Raises:
        typer.Exit: they are not installed; what to install is said.
    """
    if name in _JOB_VERBS:
        keep_blas_to_one_thread()
    try:
        with uncollected():
            verb = import_module(f"cleanmark.verbs.{name}")
    except ModuleNotFoundError as error:
        if name not in _EXTRAS:
            raise
        complain(
            f"{name} needs {error.name}, which is not installed; "
            f"install the optional extra: pip install 'cleanmark[{_EXTRAS[name]}]'"
        )
        raise typer.Exit(2) from error
    return get_command(verb.app)


app = typer.Typer(
    cls=LazyVerbs, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)


@app.callback()
def cleanmark() -> None:
    """Clean landmark training sets and keep evaluation landmarks out of them."""


def main() -> None:
    """Entry point of the console script."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    app()
