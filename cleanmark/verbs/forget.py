"""The verb `forget`: a new version of manifests without some images."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cleanmark.verbs.failures import polite_failure
from manifests.exports.releases import MANIFEST_NAME
from manifests.tombstones import Forgotten, forget_images
from pipelines.stages.emit import FOLDER

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def forget(
    image_ids: Annotated[list[str], typer.Argument(metavar="IMAGE_ID...", help="GLDv2's ids.")],
    *,
    run: Annotated[
        Path, typer.Option(metavar="RUN|MANIFESTS", help="A run, or a folder of manifests.")
    ],
    to: Annotated[Path, typer.Option(metavar="DIR", help="New folder for the new version.")],
    note: Annotated[str, typer.Option(help="Why, for the tombstones.")] = "",
) -> None:
    """Make a new version of manifests without some images, and say that it was done."""
    console = Console()
    with polite_failure(console):
        manifests = run / FOLDER if (run / FOLDER / MANIFEST_NAME).is_file() else run
        print_forgotten(console, forget_images(manifests, to, image_ids, note))
        console.print(f"manifests: {to}", highlight=False, markup=False, soft_wrap=True)


def print_forgotten(console: Console, forgotten: Forgotten) -> None:
    """What was taken out, and what of it is left in other rows, which stay as they are."""
    num_all, num_published = len(forgotten.image_ids), forgotten.num_published
    lines = [f"forgotten: {num_all} images, {num_published} of them of the published split"]
    if forgotten.num_mentions:
        lines.append(
            f"{forgotten.num_mentions} rows of other images name one of them as the photograph "
            "that they are a copy of"
        )
    if forgotten.vanished_classes:
        classes = ", ".join(map(str, forgotten.vanished_classes))
        lines.append(f"classes without any image now, their numbers stay free: {classes}")
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True)
