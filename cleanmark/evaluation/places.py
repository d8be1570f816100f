"""Evaluation of visual place recognition: queries and database from tables of places."""

from collections.abc import Callable, Sequence

import numpy as np

from cleanmark.evaluation.context import NUM_SHOWN, SetContext, digest_ground_truth
from cleanmark.evaluation.image_lists import ImageDatabase, find_queries, open_database
from cleanmark.reporting.gallery_data import (
    Gallery,
    GalleryQuery,
    Relevance,
    make_loader,
    sort_hardest_first,
    take_results,
)
from manifests.input_error import InputError
from pipelines.evaluation_sets import read_evaluation_set
from training.evaluation.evaluation_images import EvaluationImage
from training.evaluation.place_tables import PlaceSettings, find_positives, read_places
from training.evaluation.ranking import SetRanking, search_set
from training.evaluation.records import RecallResult, SetRecord
from training.recall_at_n import NO_IMAGE, Positives, compute_recall, keep_first_views


def evaluate_places(context: SetContext) -> tuple[SetRecord, Gallery]:
    """Search the database for every query, and count the queries whose place is found.

    Raises:
        InputError: no database is given, images are missing, or a table has no places.
    """
    evaluation_set = read_evaluation_set(context.settings)
    table = context.settings.ground_truth
    database = _open_database(context)
    if table is None or database.places is None:
        raise InputError(f"{context.settings.name}: give tables of queries and of the database")
    context.inputs.digests["ground_truth"] = digest_ground_truth(table)
    context.inputs.digests["database_table"] = digest_ground_truth(database.places.path)
    settings = context.options.places
    positives, rule = find_positives(read_places(table), database.places, settings)
    queries = find_queries(context.settings, evaluation_set.queries)
    described = context.describe("queries", queries).read()
    rows = context.describe("database", database.images, f"database-{database.path.stem}")
    depth = max(settings.cutoffs)
    ranking = search_set(described, rows, depth * settings.views_per_panorama)
    recall = compute_recall(
        _count_panoramas(ranking, settings, depth),
        positives,
        settings.cutoffs,
        skip_empty=settings.skip_empty,
    )
    record = SetRecord(
        name=context.settings.name,
        inputs=context.inputs.digests,
        num_queries=len(queries),
        num_database=len(database.images),
        missing=tuple(context.inputs.missing),
        unreadable=context.inputs.unreadable,
        recall=RecallResult(
            rule=rule,
            recall_at=recall.recall_at,
            num_queries=recall.num_queries,
            num_without_positives=recall.num_without_positives,
            skipped_empty=recall.skipped_empty,
        ),
    )
    return record, _show(record.name, queries, ranking, database, positives)


def _show(
    name: str,
    queries: Sequence[EvaluationImage],
    ranking: SetRanking,
    database: ImageDatabase,
    positives: Positives,
) -> Gallery:
    """The first results of every query, the hardest query first."""
    shown = [
        GalleryQuery(
            name=query.name,
            score=_score(ranking, row, positives),
            words=f"{len(positives[row])} images of its place",
            overlaps=None,
            results=take_results(
                ranking,
                row,
                database.images.__getitem__,
                _judge(frozenset(positives[row].tolist())),
                NUM_SHOWN,
            ),
            load=make_loader(query),
        )
        for row, query in enumerate(queries)
    ]
    return Gallery(f"{name}, place recognition", "1 / rank", sort_hardest_first(shown))


def _open_database(context: SetContext) -> ImageDatabase:
    if context.options.database is None:
        raise InputError(
            f"{context.settings.name}: a table lists queries alone; give the YAML file of the "
            "table of database images with --database"
        )
    return open_database(context.options.database, context.options.root)


def _count_panoramas(
    ranking: SetRanking, settings: PlaceSettings, depth: int
) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """The ranking by panoramas, filled up where the database is smaller than the largest N."""
    positions = keep_first_views(ranking.positions, settings.views_per_panorama)
    missing = max(0, depth - positions.shape[1])
    return np.pad(positions, ((0, 0), (0, missing)), constant_values=NO_IMAGE)


def _judge(right: frozenset[int]) -> Callable[[int], Relevance]:
    def judge(position: int) -> Relevance:
        return Relevance.RIGHT if position in right else Relevance.WRONG

    return judge


def _score(ranking: SetRanking, row: int, positives: Positives) -> float | None:
    """One over the rank of the first right result; None if nothing could be found."""
    if len(positives[row]) == 0:
        return None
    right = np.flatnonzero(np.isin(ranking.positions[row], positives[row]))
    return float(1 / (right[0] + 1)) if len(right) else 0.0
