"""The verb `evaluate`: an embedder on benchmarks."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console

from cleanmark.evaluation.job import run_evaluation, where_to_look
from cleanmark.evaluation.options import EmbedderChoice, EvaluateOptions
from cleanmark.verbs.failures import describe_options, polite_failure
from manifests.input_error import InputError
from networks.inference_settings import InferenceSettings
from training.bootstrap import BootstrapSettings
from training.evaluate import EvaluationSettings
from training.evaluation.descriptor_store import DescribeOptions
from training.evaluation.place_tables import PlaceSettings
from training.evaluation.projection import ProjectionSettings
from training.evaluation.reranking import RerankSettings

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)

_INFERENCE, _PLACES, _BOOTSTRAP = InferenceSettings(), PlaceSettings(), BootstrapSettings()
_SCALES = ",".join(map(str, _INFERENCE.scales))


class Precision(StrEnum):
    """Of the convolutions."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"


class Dtype(StrEnum):
    """Of the descriptors on disk."""

    FLOAT16 = "float16"
    FLOAT32 = "float32"


class Projection(StrEnum):
    """Of the map of descriptors."""

    TSNE = "tsne"
    PCA = "pca"


def _option(*names: str, panel: str | None = None, **details: Any) -> Any:  # noqa: ANN401
    return typer.Option(*names, rich_help_panel=panel, **details)


_SOURCE, _SIZES, _PROTOCOLS = "What describes", "How it describes", "Protocols"

Sets = Annotated[
    list[Path], _option("--set", metavar="FILE.yaml", help="An evaluation set; repeatable.")
]
Out = Annotated[Path, _option(metavar="DIR", help="Folder for everything written.")]
Checkpoint = Annotated[
    Path | None, _option(metavar="FILE", help="A network of this project.", panel=_SOURCE)
]
Vlad = Annotated[Path | None, _option(metavar="RUN", help="The run's own VLAD.", panel=_SOURCE)]
Descriptors = Annotated[
    Path | None,
    _option(metavar="FILE.npz", help="Arrays `names` and `descriptors`.", panel=_SOURCE),
]
Submission = Annotated[
    Path | None, _option(metavar="FILE.csv", help="Answers for GLDv2.", panel=_SOURCE)
]
WhiteningChoice = Annotated[
    str,
    _option(
        metavar="own|none|FILE",
        help="That of the checkpoint if it has one, none, or that of another checkpoint.",
        panel=_SOURCE,
    ),
]
Method = Annotated[
    str | None, _option(metavar="NAME", help="Its name in the tables.", panel=_SOURCE)
]
LongSide = Annotated[int, _option(metavar="PX", help="Images are reduced to it.", panel=_SIZES)]
Scales = Annotated[str, _option(metavar="S,S,...", help="Factors of that size.", panel=_SIZES)]
ScalePower = Annotated[float, _option(help="Exponent of the mean over scales.", panel=_SIZES)]
BatchSize = Annotated[int, _option(min=1, help="Images at a time.", panel=_SIZES)]
PrecisionChoice = Annotated[Precision, _option(help="Of the convolutions.", panel=_SIZES)]
DtypeChoice = Annotated[Dtype, _option(help="Of the descriptors on disk.", panel=_SIZES)]
Device = Annotated[str, _option(help="cpu, cuda, or auto.", panel=_SIZES)]
Workers = Annotated[int, _option(min=1, help="Threads that decode.", panel=_SIZES)]
Distractors = Annotated[
    Path | None,
    _option(
        metavar="FILE.yaml|.npy",
        help="Images, or descriptors, behind every database.",
        panel=_PROTOCOLS,
    ),
]
Database = Annotated[
    Path | None,
    _option(
        metavar="FILE.yaml|RUN",
        help="What queries of GLDv2 or of a table are compared with.",
        panel=_PROTOCOLS,
    ),
]
Rerank = Annotated[
    int, _option(metavar="K", min=0, help="Verify the first K results.", panel=_PROTOCOLS)
]
Run = Annotated[
    Path | None,
    _option(
        metavar="RUN", help="Score apart the queries whose class it removed.", panel=_PROTOCOLS
    ),
]
Decisions = Annotated[
    Path | None, _option(metavar="FILE", help="Decisions that say so instead.", panel=_PROTOCOLS)
]
Radius = Annotated[float, _option(min=0, help="One place, in metres.", panel=_PROTOCOLS)]
MaxTurn = Annotated[
    float | None, _option(metavar="DEGREES", help="One place, in headings.", panel=_PROTOCOLS)
]
MaxFrames = Annotated[int, _option(min=0, help="One place, in frames.", panel=_PROTOCOLS)]
Views = Annotated[int, _option(min=1, help="Tokyo 24/7 has 12.", panel=_PROTOCOLS)]
SkipEmpty = Annotated[
    bool, _option("--skip-empty", help="Leave out queries of no place.", panel=_PROTOCOLS)
]
Resamples = Annotated[int, _option(min=100, help="Of the bootstrap.", panel=_PROTOCOLS)]
ProjectionChoice = Annotated[Projection, _option(help="Of the map of descriptors.")]
Root = Annotated[
    Path | None, _option(metavar="DIR", help="What {source.root} stands for in the YAML files.")
]
AllowMissing = Annotated[
    bool, _option("--allow-missing", help="Count missing images as not found.")
]

_OPTIONS = {
    "long_side_px": "long-side",
    "max_turn_degrees": "max-turn",
    "num_resamples": "resamples",
    "num_workers": "workers",
    "top_k": "rerank",
}


@app.command()
def evaluate(
    sets: Sets,
    out: Out,
    *,
    checkpoint: Checkpoint = None,
    vlad: Vlad = None,
    descriptors: Descriptors = None,
    submission: Submission = None,
    whitening: WhiteningChoice = "own",
    method: Method = None,
    long_side: LongSide = _INFERENCE.long_side_px,
    scales: Scales = _SCALES,
    scale_power: ScalePower = _INFERENCE.scale_power,
    batch_size: BatchSize = _INFERENCE.batch_size,
    precision: PrecisionChoice = Precision.FLOAT32,
    dtype: DtypeChoice = Dtype.FLOAT16,
    device: Device = "auto",
    workers: Workers = 2,
    distractors: Distractors = None,
    database: Database = None,
    rerank: Rerank = 0,
    run: Run = None,
    decisions: Decisions = None,
    radius_m: Radius = _PLACES.radius_m,
    max_turn: MaxTurn = None,
    max_frames: MaxFrames = _PLACES.max_frames,
    views_per_panorama: Views = _PLACES.views_per_panorama,
    skip_empty: SkipEmpty = False,
    resamples: Resamples = _BOOTSTRAP.num_resamples,
    projection: ProjectionChoice = Projection.TSNE,
    root: Root = None,
    allow_missing: AllowMissing = False,
) -> None:
    """Evaluate an embedder on benchmarks: numbers, tables, and a page with pictures."""
    console = Console()
    with polite_failure(console):
        try:
            options = EvaluateOptions(
                sets=tuple(sets),
                out=out,
                embedder=EmbedderChoice(
                    checkpoint=checkpoint,
                    run_embedder=vlad,
                    descriptors=descriptors,
                    submission=submission,
                    whitening=None if whitening in ("own", "none") else Path(whitening),
                    use_whitening=whitening != "none",
                    device=device,
                ),
                method=method,
                root=root,
                distractors=distractors,
                database=database,
                run_dir=run,
                decisions=decisions,
                allow_missing=allow_missing,
                inference=InferenceSettings(
                    long_side_px=long_side,
                    scales=_parse_scales(scales),
                    scale_power=scale_power,
                    batch_size=batch_size,
                    precision=precision.value,
                ),
                describe=DescribeOptions(dtype=dtype.value, num_workers=workers),
                scores=EvaluationSettings(bootstrap=BootstrapSettings(num_resamples=resamples)),
                places=PlaceSettings(
                    radius_m=radius_m,
                    max_turn_degrees=max_turn,
                    max_frames=max_frames,
                    views_per_panorama=views_per_panorama,
                    skip_empty=skip_empty,
                ),
                rerank=RerankSettings(top_k=rerank) if rerank else None,
                projection=ProjectionSettings(method=projection.value),
            )
        except ValidationError as error:
            raise InputError(describe_options(error, _OPTIONS)) from error
        run_evaluation(options, console)
        console.print(where_to_look(out), highlight=False, markup=False, soft_wrap=True)


def _parse_scales(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise InputError(f"--scales {text!r}: give numbers, such as 0.7071,1,1.4142") from error
