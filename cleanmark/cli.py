"""The command `cleanmark`: thin verbs that mirror library functions.

Exit status: 0 done, 1 failed, 2 bad arguments or configuration, 130 stopped with Ctrl-C.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cleanmark import fetch
from cleanmark.demo import DemoFolder, make_data, script_decisions
from cleanmark.match import MatchError, MatchSettings, match_files
from cleanmark.reporting.page import write_report
from cleanmark.review_error import ReviewError
from cleanmark.scoring import TruthError, score_run
from cleanmark.tables import (
    print_failures,
    print_manifest,
    print_next,
    print_score,
    print_status,
    where_to_look,
)
from manifests.decisions import DecisionsError
from manifests.manifest_json import read_manifest
from pipelines.decision_log import import_decisions
from pipelines.job import STAGE_NAMES, JobError, StepResult, describe_run, is_finished, run_job
from pipelines.run_config import ConfigError, RunConfig, check_paths, load_config
from pipelines.run_folder import RunFolderError, locked, read_config
from pipelines.runners import BeamOptionError, check_beam_args

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Clean landmark training sets and keep evaluation landmarks out of them.",
)

app.add_typer(fetch.app, name="fetch")

_BAD_INPUT = (
    BeamOptionError,
    ConfigError,
    DecisionsError,
    JobError,
    MatchError,
    ReviewError,
    RunFolderError,
    TruthError,
)


class Policy(StrEnum):
    """How decisions become removals; see docs/decisions.md."""

    PAPER = "paper"
    CONFIRMED = "confirmed"
    STRICT = "strict"


RunDir = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")]


def main() -> None:
    """Entry point of the console script."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    app()


@app.command(context_settings={"allow_extra_args": True})
def run(
    ctx: typer.Context,
    config: Annotated[Path, typer.Argument(metavar="CONFIG.yaml", help="The job.")],
    out: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Run folder. Default: runs/NAME-OF-CONFIG.")
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="STAGE", help=f"Only this stage; may be repeated: {STAGE_NAMES}."),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY.PATH=VALUE", help="Override a setting; repeatable."),
    ] = None,
) -> None:
    """Run a job, or go on with one that was stopped. Options for Beam follow after `--`."""
    console = Console()
    with _polite_failure(console):
        settings = load_config(config, overrides or ())
        check_paths(settings)
        check_beam_args(ctx.args)
        run_dir = out or Path("runs") / config.stem
        results = run_job(settings, run_dir, console, only=only or (), beam_args=ctx.args)
        _stop_if_failed(console, results)
        if is_finished(settings, run_dir):
            _print_outcome(console, settings, run_dir)


@app.command()
def status(run_dir: RunDir) -> None:
    """Show what is done, what is pending, and why units failed or images were removed."""
    console = Console()
    with _polite_failure(console):
        settings = read_config(run_dir)
        print_status(console, describe_run(settings, run_dir))
        if is_finished(settings, run_dir):
            print_manifest(console, read_manifest(run_dir / "manifests" / "manifest.json"))


@app.command()
def emit(
    run_dir: RunDir,
    decisions: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Decisions to add to the run, CSV or Parquet."),
    ] = None,
    policy: Annotated[
        Policy | None, typer.Option(help="How decisions become removals. Default: as before.")
    ] = None,
) -> None:
    """Apply the decisions made so far and write the manifests again."""
    console = Console()
    with _polite_failure(console):
        settings = read_config(run_dir)
        if policy is not None:
            emit_settings = settings.emit.model_copy(update={"policy": policy.value})
            settings = settings.model_copy(update={"emit": emit_settings})
        if decisions is not None:
            with locked(run_dir):
                import_decisions(run_dir, decisions)
        _stop_if_failed(console, run_job(settings, run_dir, console, only=("emit",)))
        _print_outcome(console, settings, run_dir)


@app.command()
def report(
    run_dir: RunDir,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Default: RUN/report.html.")
    ] = None,
) -> None:
    """Write one self-contained HTML page about a run, with its pictures and plots."""
    console = Console()
    with _polite_failure(console):
        path = write_report(run_dir, out)
        console.print(f"{path} ({path.stat().st_size / 1e6:.1f} MB)", highlight=False)


@app.command()
def match(
    path_a: Annotated[Path, typer.Argument(metavar="A.jpg")],
    path_b: Annotated[Path, typer.Argument(metavar="B.jpg")],
    out: Annotated[
        Path | None, typer.Option(metavar="MATCH.png", help="Draw the inliers into this file.")
    ] = None,
) -> None:
    """Verify two image files: inliers, model, verdict, reason, picture."""
    console = Console()
    with _polite_failure(console):
        result = match_files(path_a, path_b, MatchSettings(), picture=out)
        console.print(str(result), highlight=False, markup=False, soft_wrap=True)
        if out is not None:
            console.print(f"picture: {out}", highlight=False, soft_wrap=True)


@app.command()
def review(
    run_dir: RunDir,
    *,
    host: Annotated[str, typer.Option(help="Address to serve on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8765,
    reviewers: Annotated[
        Path | None, typer.Option(metavar="FILE.yaml", help="Who reviews, and by which rule.")
    ] = None,
    database: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Default: SQLite in RUN/review. Or postgresql+psycopg://"),
    ] = None,
    invite: Annotated[
        str | None, typer.Option(metavar="NAME", help="Print a link to sign in with.")
    ] = None,
    lead: Annotated[
        bool, typer.Option("--lead", help="With --invite: may adjudicate and invite.")
    ] = False,
    revoke: Annotated[str | None, typer.Option(metavar="NAME", help="Lock somebody out.")] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Check that nobody touched the log.")
    ] = False,
    export_to: Annotated[
        Path | None,
        typer.Option("--export", metavar="FILE.parquet", help="Write decisions and log."),
    ] = None,
    import_from: Annotated[
        Path | None, typer.Option("--import", metavar="FILE.parquet", help="Merge another log.")
    ] = None,
) -> None:
    """Let people decide on the candidates of a run, in the browser."""
    console = Console()
    with _polite_failure(console):
        # The app comes with an extra, and no other verb should wait for it to load.
        from cleanmark.review_verb import ReviewOptions, hold_review

        options = ReviewOptions(
            host, port, reviewers, database, invite, lead, revoke, verify, export_to, import_from
        )
        if not hold_review(run_dir, options, console):
            raise typer.Exit(1)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for data and run.")] = Path(
        "demo"
    ),
) -> None:
    """Render a small world of landmarks, run the whole job on it and score it."""
    console = Console()
    folder = DemoFolder(out)
    with _polite_failure(console):
        console.rule("1. a small world, with mistakes planted in it")
        make_data(folder, console)
        console.rule("2. the job: find the mistakes, propose overlaps with the evaluation set")
        settings = load_config(folder.config)
        _stop_if_failed(console, run_job(settings, folder.run, console))
        console.rule("3. people decide: a scripted reviewer answers for them here")
        num_decided = script_decisions(folder)
        with locked(folder.run):
            import_decisions(folder.run, folder.decisions)
        console.print(f"{num_decided} candidates decided, in {folder.decisions}", highlight=False)
        _stop_if_failed(console, run_job(settings, folder.run, console, only=("emit",)))
        console.rule("4. what came out")
        _print_outcome(console, settings, folder.run)
        print_next(
            console,
            "What to do next:",
            [
                (f"cleanmark report {folder.run}", "one HTML page with the pictures"),
                (f"cleanmark review {folder.run}", "decide yourself, in the browser"),
                (f"cleanmark status {folder.run}", "what is done, and why images were removed"),
                (
                    "cleanmark run configs/photos_mini.yaml --set source.root=DIR",
                    "the same job on photographs of your own in GLDv2's layout",
                ),
            ],
        )


@contextmanager
def _polite_failure(console: Console) -> Iterator[None]:
    """Turn what a user can mend into one line, and Ctrl-C into a promise."""
    errors = Console(stderr=True)
    try:
        yield
    except _BAD_INPUT as error:
        errors.print(f"cleanmark: {error}", highlight=False, markup=False, soft_wrap=True)
        raise typer.Exit(2) from error
    except (ValueError, OSError) as error:
        errors.print(f"cleanmark: {error}", highlight=False, markup=False, soft_wrap=True)
        raise typer.Exit(1) from error
    except KeyboardInterrupt as error:
        console.print("stopped; the same command goes on where this one stopped")
        raise typer.Exit(130) from error


def _stop_if_failed(console: Console, results: list[StepResult]) -> None:
    failures = [report for result in results for report in result.failures]
    if failures:
        print_failures(console, failures)
        console.print("Everything else is kept; the same command runs the failed units again.")
        raise typer.Exit(1)


def _print_outcome(console: Console, settings: RunConfig, run_dir: Path) -> None:
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
