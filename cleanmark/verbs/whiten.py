"""The verb `whiten`: learn whitening on a run's verified pairs, and store it with a network."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console

from cleanmark.verbs.arguments import RunDir
from cleanmark.verbs.failures import describe_options, polite_failure
from cleanmark.whitening import whiten_checkpoint
from manifests.input_error import InputError
from networks.inference_settings import InferenceSettings
from training.whitening import WhiteningSettings

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

_WHITENING, _INFERENCE = WhiteningSettings(), InferenceSettings()


class _Method(StrEnum):
    SUPERVISED = "supervised"
    PCA = "pca"


class _Precision(StrEnum):
    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"


_OPTIONS = {"long_side_px": "long-side", "scales": "scale"}


@app.command()
def whiten(
    run_dir: RunDir,
    *,
    checkpoint: Annotated[
        Path, typer.Option(metavar="FILE", help="The network; the file stays as it is.")
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The network with its whitening.")],
    method: Annotated[
        _Method, typer.Option(help="From pairs, or from variance alone.")
    ] = _Method.SUPERVISED,
    dimensions: Annotated[
        int | None, typer.Option(metavar="D", help="Default: all that the network has.")
    ] = None,
    max_pairs: Annotated[
        int, typer.Option(metavar="N", help="Learn from no more pairs.")
    ] = _WHITENING.max_pairs,
    pca_power: Annotated[
        float, typer.Option(metavar="P", help="Of pca: 1 whitens, 0 only turns.")
    ] = _WHITENING.pca_power,
    long_side_px: Annotated[
        int, typer.Option("--long-side", metavar="PX", help="As the network will be applied.")
    ] = _INFERENCE.long_side_px,
    scales: Annotated[
        list[float] | None, typer.Option("--scale", metavar="FACTOR", help="Repeatable; likewise.")
    ] = None,
    batch_size: Annotated[
        int, typer.Option(metavar="N", help="Images at a time.")
    ] = _INFERENCE.batch_size,
    precision: Annotated[
        _Precision, typer.Option(help="Of the convolutions.")
    ] = _Precision.FLOAT32,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
) -> None:
    """Learn whitening on a run's verified pairs, and store it with a network."""
    console = Console()
    with polite_failure(console):
        try:
            settings = WhiteningSettings(
                method=method.value,
                dimensions=dimensions,
                max_pairs=max_pairs,
                pca_power=pca_power,
            )
            inference = InferenceSettings(
                long_side_px=long_side_px,
                scales=tuple(scales or _INFERENCE.scales),
                batch_size=batch_size,
                precision=precision.value,
            )
        except ValidationError as error:
            raise InputError(describe_options(error, _OPTIONS)) from error
        report = whiten_checkpoint(run_dir, checkpoint, out, settings, inference, device)
        console.print(
            f"{out}: {report.dimensions} dimensions, learned from {report.num_pairs} pairs of "
            f"{report.num_images} images; {report.num_suspect_classes} classes that match an "
            "evaluation set were left out",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
