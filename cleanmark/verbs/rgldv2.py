"""The verb `rgldv2`: RGLDv2-clean from GLDv2's own list, without images."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cleanmark.rgldv2 import Lists, rebuild_rgldv2_clean
from cleanmark.tables import print_manifest, print_next
from cleanmark.verbs.failures import polite_failure
from curation.class_index import ValSplitSettings

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

_DEFAULTS = ValSplitSettings()


@app.command()
def rgldv2(
    train_clean: Annotated[
        Path, typer.Option(metavar="train_clean.csv", help="GLDv2-clean, as GLDv2 publishes it.")
    ],
    *,
    label_to_category: Annotated[
        Path | None,
        typer.Option(metavar="train_label_to_category.csv", help="Adds the names of the classes."),
    ] = None,
    train: Annotated[
        Path | None, typer.Option(metavar="train.csv", help="Adds the images' addresses.")
    ] = None,
    attribution: Annotated[
        Path | None,
        typer.Option(metavar="train_attribution.csv", help="Adds authors, licences and titles."),
    ] = None,
    run_dir: Annotated[
        Path | None,
        typer.Option("--run", metavar="RUN", help="A run that has read the shards; adds places."),
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the manifests.")] = Path(
        "rgldv2_clean"
    ),
    val_fraction: Annotated[
        float, typer.Option(help="Of each class, held out for validation.")
    ] = _DEFAULTS.val_fraction,
    seed: Annotated[int, typer.Option(help="Another one holds out other images.")] = _DEFAULTS.seed,
    allow_other_totals: Annotated[
        bool,
        typer.Option("--allow-other-totals", help="Take another list than the published one."),
    ] = False,
    allow_missing: Annotated[
        bool,
        typer.Option("--allow-missing", help="Leave out images that the run has not got."),
    ] = False,
) -> None:
    """Take the 18 published classes out of GLDv2-clean; needs no image."""
    console = Console()
    with polite_failure(console):
        manifest = rebuild_rgldv2_clean(
            Lists(train_clean, label_to_category, train, attribution),
            out,
            ValSplitSettings(val_fraction=val_fraction, seed=seed),
            run_dir=run_dir,
            allow_other_totals=allow_other_totals,
            allow_missing=allow_missing,
        )
        print_manifest(console, manifest)
        console.print(f"manifests: {out}", highlight=False, markup=False, soft_wrap=True)
        print_next(console, "What to do next:", [_choose_next(out, run_dir)])


def _choose_next(out: Path, run_dir: Path | None) -> tuple[str, str]:
    if run_dir is not None:
        manifest = out / "rgldv2_clean"
        return f"cleanmark train CONFIG.yaml --set data.manifest={manifest}", "train on the split"
    clean_list = out / "rgldv2_clean" / "train_clean.csv"
    return (
        f"cleanmark run CONFIG.yaml --set source.restrict_to={clean_list} --only ingest",
        "find these images in the shards; then `rgldv2 --run` adds where they are",
    )
