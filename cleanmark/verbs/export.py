"""The verb `export`: manifests in the formats of other programs."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from pydantic import ValidationError
from rich import box
from rich.console import Console
from rich.table import Table

from cleanmark.export import Export, Format
from cleanmark.export import export as write_export
from cleanmark.policy import Policy
from cleanmark.verbs.failures import describe_options, polite_failure
from manifests.exports.identity import Identity
from manifests.input_error import InputError

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

_DEFAULTS = Identity()
_Word = TypeVar("_Word", Format, Policy)


@app.command()
def export(
    source: Annotated[
        Path, typer.Argument(metavar="RUN|MANIFESTS", help="A run, or a folder of manifests.")
    ],
    to: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write: new, or an export.")],
    *,
    format: Annotated[  # noqa: A002  (the name of the option)
        str | None,
        typer.Option(
            metavar="NAMES",
            help=f"Of {', '.join(Format)}; with commas. Default: all that can be made.",
        ),
    ] = None,
    policies: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help=f"Of {', '.join(Policy)}; a run has all of them."),
    ] = None,
    name: Annotated[str, typer.Option(help="Title of the data set.")] = _DEFAULTS.name,
    creator: Annotated[str, typer.Option(help="Who publishes it.")] = _DEFAULTS.creator,
    url: Annotated[str, typer.Option(help="Its page.")] = _DEFAULTS.url,
    version: Annotated[str, typer.Option(help="Of the export.")] = _DEFAULTS.version,
    date: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Of publication; none is written otherwise."),
    ] = None,
) -> None:
    """Write manifests as a Hugging Face data set, Croissant, lists and indexes."""
    console = Console()
    with polite_failure(console):
        published = None if date is None else date.date()
        identity = _name_export(
            name=name, creator=creator, url=url, version=version, published=published
        )
        exported = write_export(
            source,
            to,
            policies=_parse(policies, Policy, "--policies"),
            formats=_parse(format, Format, "--format"),
            identity=identity,
        )
        print_export(console, exported)
        console.print(f"export: {to}", highlight=False, markup=False, soft_wrap=True)


def print_export(console: Console, exported: Export) -> None:
    """Sizes of the splits, whose the images are, and what was not written."""
    table = Table("Policy", "split", "images", "classes", box=box.SIMPLE_HEAD)
    for column in table.columns[2:]:
        column.justify = "right"
    for release in exported.releases:
        for split in release.splits:
            cells = (release.policy, split.name.value, split.num_images, split.num_classes)
            table.add_row(*(c if isinstance(c, str) else f"{c:,}" for c in cells))
    console.print(table)
    console.print(exported.attribution.describe(), highlight=False, markup=False, soft_wrap=True)
    for name, reason in exported.left_out.items():
        console.print(f"{name} was left out: {reason}", highlight=False, soft_wrap=True)
    formats = ", ".join(exported.formats)
    console.print(f"{exported.num_files} files: Parquet, {formats}", highlight=False)


def _name_export(**words: object) -> Identity:
    try:
        return Identity.model_validate(words)
    except ValidationError as error:
        raise InputError(describe_options(error)) from error


def _parse(text: str | None, words: type[_Word], option: str) -> list[_Word]:
    names = [] if text is None else [part.strip() for part in text.split(",")]
    known = {word.value: word for word in words}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise InputError(f"{option}: there is no {unknown[0]!r}; name some of {', '.join(known)}")
    return [known[name] for name in names]
