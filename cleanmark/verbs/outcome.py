"""What verbs that run the job say at its end."""

from collections.abc import Sequence
from pathlib import Path

import typer
from rich.console import Console

from cleanmark.scoring import score_run
from cleanmark.tables import print_failures, print_manifest, print_next, print_score, where_to_look
from manifests.manifest_json import read_manifest
from pipelines.job import StepResult
from pipelines.run_config import RunConfig


def print_outcome(console: Console, settings: RunConfig, run_dir: Path) -> None:
    """Print what a finished run came to, and what to do next."""
    manifest = read_manifest(run_dir / "manifests" / "manifest.json")
    print_manifest(console, manifest)
    if settings.truth is not None:
        print_score(console, score_run(run_dir, settings.truth))
    if manifest.unmatched_decisions:
        console.print(
            f"{manifest.unmatched_decisions} decisions are on something that is no candidate "
            "of this run; they remove nothing"
        )
    console.print(where_to_look(run_dir), highlight=False, markup=False, soft_wrap=True)
    if manifest.pending:
        print_next(
            console,
            f"{manifest.pending} candidates wait for a decision; nothing is removed without one:",
            [
                (f"cleanmark review {run_dir}", "decide in the browser (docs/review.md)"),
                (f"cleanmark emit {run_dir} --decisions FILE", "or apply a file of decisions"),
            ],
        )


def stop_if_failed(console: Console, results: Sequence[StepResult]) -> None:
    """End with status 1 when units of the job failed, and show them."""
    failures = [report for result in results for report in result.failures]
    if failures:
        print_failures(console, failures)
        console.print("Everything else is kept; the same command runs the failed units again.")
        raise typer.Exit(1)
