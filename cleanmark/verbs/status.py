"""The verb `status`: how far a run is."""

import typer
from rich.console import Console

from cleanmark.tables import print_accounts, print_manifest, print_status
from cleanmark.verbs.arguments import RunDir
from cleanmark.verbs.failures import polite_failure
from manifests.manifest_json import read_manifest
from pipelines.job import describe_run, is_finished
from pipelines.ledger import read_accounts
from pipelines.run_folder import read_config

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def status(run_dir: RunDir) -> None:
    """Show what is done, what is pending, and why units failed or images were removed."""
    console = Console()
    with polite_failure(console):
        settings = read_config(run_dir)
        print_status(console, describe_run(settings, run_dir))
        print_accounts(console, read_accounts(run_dir))
        if is_finished(settings, run_dir):
            print_manifest(console, read_manifest(run_dir / "manifests" / "manifest.json"))
