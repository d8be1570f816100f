"""The verb `audit`: does a training list overlap evaluation sets, and how sure is that?"""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cleanmark.audit import run_audit
from cleanmark.certificate_check import check_certificate
from cleanmark.verbs.arguments import Overrides
from cleanmark.verbs.failures import polite_failure
from cleanmark.verbs.outcome import stop_if_failed
from manifests.certificates.carry import attach_certificate
from manifests.image_lists import find_split
from manifests.input_error import InputError
from pipelines.audit.settings import load_audit
from pipelines.runners import prepare_engine

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(context_settings={"allow_extra_args": True})
def audit(
    ctx: typer.Context,
    train: Annotated[
        Path | None,
        typer.Argument(
            metavar="TRAIN",
            help="A run, manifests, train_clean.csv, train.csv, Parquet, `path label` lines, or a "
            "folder of images per class.",
        ),
    ] = None,
    against: Annotated[
        list[Path] | None,
        typer.Option(metavar="SET.yaml", help="An evaluation set; may be repeated."),
    ] = None,
    photos: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of the photographs, or of GLDv2's shards."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Folder of the certificate. Default: audits/NAME-OF-LIST."
        ),
    ] = None,
    decisions: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="What people say of findings, as CSV or Parquet, beside what `cleanmark review` "
            "wrote.",
        ),
    ] = None,
    *,
    attach: Annotated[
        bool,
        typer.Option("--attach", help="Put the certificate beside the manifest.json of TRAIN too."),
    ] = False,
    verify: Annotated[
        Path | None,
        typer.Option(
            metavar="CERTIFICATE",
            help="Check a certificate, offline; with TRAIN, also that it is of that list.",
        ),
    ] = None,
    prove: Annotated[
        str | None,
        typer.Option(metavar="IMAGE_ID", help="With --verify: prove that an image was certified."),
    ] = None,
    overrides: Overrides = None,
) -> None:
    """Certify that a training list overlaps no evaluation set, or show where it does.

    Exit status: 0 passed, 1 not passed, 2 something given cannot be used. The same command goes on
    with an audit that was stopped. Options for Beam follow after `--`.
    """
    console = Console()
    with polite_failure(console):
        if verify is not None:
            _refuse_beside_verify(against, photos, out, decisions, overrides, attach)
            passed = check_certificate(console, verify, train=train, prove=prove)
        else:
            if train is None or not against:
                raise InputError("give TRAIN and --against SET.yaml, or --verify CERTIFICATE")
            manifest = find_manifest(train) if attach else None
            config = load_audit(train, against, photos, overrides or ())
            prepare_engine(config.runner)
            folder = out or Path("audits") / train.stem
            results, outcome = run_audit(config, folder, console, decisions, ctx.args)
            stop_if_failed(console, results)
            if manifest is not None:
                attach_certificate(folder, manifest)
            passed = outcome is not None and outcome.certificate.verdict.passed
        raise typer.Exit(0 if passed else 1)


def find_manifest(train: Path) -> Path:
    """The `manifest.json` of a list that has one.

    Raises:
        InputError: it has none.
    """
    split = find_split(train)
    if split is None:
        raise InputError(f"{train}: has no manifest.json, so leave out --attach")
    return split.parent / "manifest.json"


def _refuse_beside_verify(*options: object) -> None:
    if any(options):
        raise InputError(
            "--verify checks a certificate that is there; leave out --against, --photos, --out, "
            "--decisions, --attach and --set"
        )
