"""An evaluation from its options to its files."""

from pathlib import Path

import torch
from rich.console import Console

from cleanmark.evaluation.context import SetContext
from cleanmark.evaluation.gldv2 import evaluate_recognition, evaluate_retrieval
from cleanmark.evaluation.options import EvaluateOptions
from cleanmark.evaluation.oxford_paris import check_images, evaluate_oxford_paris
from cleanmark.evaluation.places import evaluate_places
from cleanmark.evaluation.sources import (
    DescribingSource,
    DescriptorSource,
    open_file,
    open_run_embedder,
)
from cleanmark.evaluation.tables import list_tables, write_tables
from cleanmark.reporting.gallery_data import Gallery
from cleanmark.reporting.retrieval_gallery import write_gallery
from manifests.evaluation_sets import GroundTruthError
from manifests.input_error import InputError
from manifests.lineage import digest_file
from pipelines.evaluation_sets import read_evaluation_set
from pipelines.run_config import load_evaluation_set
from pipelines.run_folder import locked
from pipelines.settings import EvaluationSetSettings
from training.evaluation.describers import open_checkpoint
from training.evaluation.records import (
    EvaluationRecord,
    SetRecord,
    list_libraries,
    write_record,
)

REPORT = "report.html"
RESULTS = "results.json"

_WITH_LISTS = ("revisited", "oxford5k")
"""Formats that list right images of a database of their own."""


def run_evaluation(options: EvaluateOptions, console: Console) -> EvaluationRecord:
    """Evaluate an embedder on all sets, print the tables, and write everything down.

    Nothing is written but below `options.out`: `results.json`, `results.md`, a CSV file for each
    table, `report.html`, submissions for GLDv2, and the descriptors, so that the same evaluation
    again takes no time.

    Raises:
        InputError: an option, a file or an image is missing or wrong.
    """
    settings = [load_evaluation_set(path, options.root) for path in options.sets]
    _check_names(settings)
    with locked(options.out):
        source = _open_source(options, console)
        contexts = [SetContext(each, source, options, console) for each in settings]
        for context in contexts:
            if context.settings.format in _WITH_LISTS:
                check_images(context)
        found = [_evaluate(context) for context in contexts]
        record = EvaluationRecord(
            method=options.method_name,
            libraries=list_libraries(),
            describer=dict(_describe_source(options, source)),
            settings=_list_settings(options),
            sets=tuple(each for each, _ in found),
        )
        tables = list_tables(record)
        write_record(options.out / RESULTS, record)
        write_tables(options.out, tables)
        write_gallery(options.out / REPORT, record, tables, [gallery for _, gallery in found])
    for table in tables.values():
        console.print(f"\n{table.title}", style="bold")
        console.print(table.as_text(), highlight=False, markup=False, soft_wrap=True)
    return record


def _evaluate(context: SetContext) -> tuple[SetRecord, Gallery]:
    settings = context.settings
    if settings.format in _WITH_LISTS:
        return evaluate_oxford_paris(context)
    if settings.format == "table":
        return evaluate_places(context)
    if settings.format == "gldv2" and settings.ground_truth is not None:
        is_retrieval = bool(_read_database(settings))
        return (evaluate_retrieval if is_retrieval else evaluate_recognition)(
            context, settings.ground_truth
        )
    raise InputError(
        f"{settings.name}: a folder says nothing of what is right; give a set with ground truth"
    )


def _read_database(settings: EvaluationSetSettings) -> tuple[str, ...]:
    try:
        return read_evaluation_set(settings).database
    except GroundTruthError as error:
        raise InputError(str(error)) from error


def _check_names(settings: list[EvaluationSetSettings]) -> None:
    names = [each.name for each in settings]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"--set: two sets are called {name}; give each once")


def _open_source(options: EvaluateOptions, console: Console) -> DescriptorSource | None:
    chosen = options.embedder
    folder = options.out / "descriptors"
    if chosen.checkpoint is not None:
        network = open_checkpoint(
            chosen.checkpoint,
            options.inference,
            whitening=chosen.whitening,
            use_whitening=chosen.use_whitening,
            device=_find_device(chosen.device),
        )
        return DescribingSource(network, folder, options.describe, console)
    if chosen.run_embedder is not None:
        vlad = open_run_embedder(chosen.run_embedder)
        return DescribingSource(vlad, folder, options.describe, console)
    return None if chosen.descriptors is None else open_file(chosen.descriptors)


def _describe_source(
    options: EvaluateOptions, source: DescriptorSource | None
) -> dict[str, object]:
    if source is not None:
        return dict(source.lineage)
    assert options.embedder.submission is not None  # noqa: S101  (one of the four is given)
    return {"kind": "submission", "sha256": digest_file(options.embedder.submission)}


def _find_device(name: str) -> str:
    if name != "auto":
        return name
    return "cuda" if torch.cuda.is_available() else "cpu"


def _list_settings(options: EvaluateOptions) -> dict[str, object]:
    """What decides the numbers besides embedder and images; no paths."""
    return options.model_dump(
        mode="json", include={"allow_missing", "scores", "places", "rerank"}
    ) | {"descriptor_dtype": options.describe.dtype}


def where_to_look(out: Path) -> str:
    """One line that names the results."""
    return f"results: {out / RESULTS}, {out / 'results.md'}; pictures: {out / REPORT}"
