"""All tables of an evaluation, for the console, as Markdown and as CSV."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from manifests.atomic import write_text
from training.evaluation.gldv2_scores import RecognitionScores, RetrievalScores
from training.evaluation.records import EvaluationRecord, SetRecord
from training.results_table import (
    ResultsTable,
    format_percent,
    make_detail_table,
    make_overlap_table,
    make_table,
)

_Scores = TypeVar("_Scores")


def list_tables(record: EvaluationRecord) -> dict[str, ResultsTable]:
    """File name -> table, of those that have something to say."""
    revisited = [found.revisited for found in record.sets if found.revisited is not None]
    tables = {}
    if revisited:
        tables["results"] = make_table({record.method: revisited})
        tables["protocols"] = make_detail_table(revisited)
    split = [found for found in revisited if found.protocols[0].overlapping is not None]
    if split:
        tables["overlap"] = make_overlap_table({record.method: split})
    retrieval = list(_list_retrieval(record.sets))
    if retrieval:
        header = ("set", "part", "mAP@100", "interval", "P@10", "median first", "queries")
        tables["gldv2_retrieval"] = ResultsTable(
            "GLDv2 retrieval", (header, *retrieval), num_names=2
        )
    recognition = list(_list_recognition(record.sets))
    if recognition:
        header = ("set", "part", "GAP", "GAP, landmarks only", "top-1", "images", "with landmark")
        tables["gldv2_recognition"] = ResultsTable(
            "GLDv2 recognition", (header, *recognition), num_names=2
        )
    recalls = _make_recall_table(record)
    return tables if recalls is None else tables | {"recall": recalls}


def write_tables(out: Path, tables: dict[str, ResultsTable]) -> None:
    """Write `results.md` with all tables, and a CSV file of each."""
    sections = [f"## {table.title}\n\n{table.as_markdown()}" for table in tables.values()]
    write_text(out / "results.md", "\n".join(sections))
    for name, table in tables.items():
        write_text(out / f"{name}.csv", table.as_csv())


def _list_retrieval(sets: Sequence[SetRecord]) -> Iterator[tuple[str, ...]]:
    for found in sets:
        if (gldv2 := found.gldv2) is not None:
            parts = (("public", gldv2.public_retrieval), ("private", gldv2.private_retrieval))
            yield from _list_parts(found.name, parts, _format_retrieval)


def _format_retrieval(scores: RetrievalScores) -> tuple[str, ...]:
    low, high = scores.interval
    return (
        format_percent(scores.mean_average_precision_at_100),
        f"{format_percent(low)} to {format_percent(high)}",
        format_percent(scores.mean_precisions[10]),
        f"{scores.median_first_position:g}",
        str(scores.num_queries),
    )


def _list_recognition(sets: Sequence[SetRecord]) -> Iterator[tuple[str, ...]]:
    for found in sets:
        if (gldv2 := found.gldv2) is not None:
            parts = (("public", gldv2.public_recognition), ("private", gldv2.private_recognition))
            yield from _list_parts(found.name, parts, _format_recognition)


def _list_parts(
    name: str,
    parts: Iterable[tuple[str, _Scores | None]],
    put_in_words: Callable[[_Scores], tuple[str, ...]],
) -> Iterator[tuple[str, ...]]:
    """A row for each part of a set that was scored."""
    for part, scores in parts:
        if scores is not None:
            yield (name, part, *put_in_words(scores))


def _format_recognition(scores: RecognitionScores) -> tuple[str, ...]:
    shares = (
        scores.global_average_precision,
        scores.without_images_of_no_landmark,
        scores.top1_accuracy,
    )
    return (*map(format_percent, shares), str(scores.num_images), str(scores.num_with_landmark))


def _make_recall_table(record: EvaluationRecord) -> ResultsTable | None:
    found = [(each.name, each.recall) for each in record.sets if each.recall is not None]
    if not found:
        return None
    cutoffs = sorted({cutoff for _, recall in found for cutoff in recall.recall_at})
    header = ("set", "same place", *(f"R@{n}" for n in cutoffs), "queries", "no positives")
    rows = [
        (
            name,
            recall.rule,
            *(format_percent(recall.recall_at.get(cutoff)) for cutoff in cutoffs),
            str(recall.num_queries),
            str(recall.num_without_positives),
        )
        for name, recall in found
    ]
    return ResultsTable("Place recognition", (header, *rows), num_names=2)
