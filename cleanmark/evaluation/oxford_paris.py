"""Evaluation of Revisited and original Oxford and Paris, and of any set in their formats."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from cleanmark.evaluation.context import NUM_SHOWN, SetContext, digest_ground_truth
from cleanmark.evaluation.image_lists import find_images, find_queries
from cleanmark.evaluation.overlapping import find_overlap
from cleanmark.evaluation.sources import ArrayFile, DescriptorRows, show_progress
from cleanmark.reporting.gallery_data import (
    Gallery,
    GalleryQuery,
    judge_by_lists,
    make_loader,
    sort_hardest_first,
    take_results,
)
from curation.images import ImageError
from curation.sift import SiftSettings, extract_sift
from manifests.evaluation_sets import EvaluationQuery, EvaluationSet
from manifests.features import LocalFeatures
from pipelines.evaluation_sets import read_evaluation_set
from pipelines.run_config import load_evaluation_set
from training.evaluate import ProtocolResult, SetResult, score_set
from training.evaluation.evaluation_images import EvaluationImage
from training.evaluation.projection import choose_images, group_by_landmark, project
from training.evaluation.ranking import SetRanking, rank_set
from training.evaluation.records import SetRecord
from training.evaluation.reranking import (
    Reranked,
    RerankSettings,
    SpatialReranker,
    name_answers,
)
from training.revisited_metrics import Protocol, QueryRanks
from training.search import Descriptors

_NO_FILE = "only its descriptor is known"
_PROTOCOL_NAMES = {
    Protocol.EASY: "Easy",
    Protocol.MEDIUM: "Medium",
    Protocol.HARD: "Hard",
    Protocol.ORIGINAL: "original protocol",
}


@dataclass(frozen=True)
class _Opened:
    """A set with all its images; distractors follow the database."""

    evaluation_set: EvaluationSet
    queries: tuple[EvaluationImage, ...]
    database: tuple[EvaluationImage, ...]
    distractors: tuple[EvaluationImage, ...]
    distractors_name: str

    def image_at(self, position: int) -> EvaluationImage:
        """The image at a position of a ranking."""
        if position < len(self.database):
            return self.database[position]
        beyond = position - len(self.database)
        if beyond < len(self.distractors):
            return self.distractors[beyond]
        return EvaluationImage(f"distractor {beyond}", _NO_FILE, None)


def check_images(context: SetContext) -> None:
    """Look whether the images of a set are there, before hours go into another set.

    Raises:
        InputError: some are missing; names them and the remedy.
    """
    if context.source is not None and context.source.needs_images:
        evaluation_set = read_evaluation_set(context.settings)
        queries = find_queries(context.settings, evaluation_set.queries)
        database = find_images(context.settings, evaluation_set.database)
        context.require(f"{context.settings.name}-queries", queries)
        context.require(f"{context.settings.name}-database", database)


def evaluate_oxford_paris(context: SetContext) -> tuple[SetRecord, Gallery]:
    """Describe, rank and score a set with lists of right images.

    Raises:
        InputError: images are missing, or the set does not fit its descriptors.
    """
    opened = _open(context)
    queries = context.describe("queries", opened.queries)
    database = context.describe("database", opened.database)
    distractors = _describe_distractors(context, opened)
    ranking = _rank(context, opened, queries.read(), database.read(), distractors)
    overlapping = find_overlap(
        opened.evaluation_set, context.options.run_dir, context.options.decisions
    )
    settings = context.options.scores
    if context.settings.format == "oxford5k":
        settings = settings.model_copy(update={"protocols": (Protocol.ORIGINAL,)})
    result = score_set(
        opened.evaluation_set,
        ranking,
        num_undescribed=int(np.isnan(database.read()).all(axis=1).sum()),
        overlapping=overlapping,
        settings=settings,
    )
    rerank = context.options.rerank
    record = SetRecord(
        name=result.name,
        inputs=context.inputs.digests,
        num_queries=len(opened.queries),
        num_database=len(opened.database),
        num_distractors=ranking.num_distractors,
        missing=tuple(context.inputs.missing),
        unreadable=context.inputs.unreadable,
        num_reranked=0 if rerank is None else rerank.top_k,
        overlapping=None if overlapping is None else tuple(sorted(overlapping)),
        revisited=result,
    )
    return record, _make_gallery(context, opened, ranking, result, database.read(), overlapping)


def _open(context: SetContext) -> _Opened:
    evaluation_set = read_evaluation_set(context.settings)
    if context.settings.ground_truth is not None:
        digest = digest_ground_truth(context.settings.ground_truth)
        context.inputs.digests["ground_truth"] = digest
    queries = find_queries(context.settings, evaluation_set.queries)
    database = find_images(context.settings, evaluation_set.database)
    path = context.options.distractors
    if path is None or path.suffix == ".npy":
        return _Opened(evaluation_set, queries, database, (), "")
    settings = load_evaluation_set(path, context.options.root)
    distractors = find_images(settings, read_evaluation_set(settings).database)
    return _Opened(evaluation_set, queries, database, distractors, settings.name)


def _describe_distractors(context: SetContext, opened: _Opened) -> Iterable[Descriptors]:
    path = context.options.distractors
    if path is None:
        return ()
    rows: DescriptorRows
    if path.suffix == ".npy":
        rows = ArrayFile(path)
        context.add_problems("distractors", rows)
    else:
        rows = context.describe("distractors", opened.distractors, opened.distractors_name)
    return rows


def _rank(
    context: SetContext,
    opened: _Opened,
    queries: Descriptors,
    database: Descriptors,
    distractors: Iterable[Descriptors],
) -> SetRanking:
    settings = context.options.rerank
    if settings is None:
        return rank_set(
            opened.evaluation_set, queries, database, distractors=distractors, top_k=NUM_SHOWN
        )
    # With descriptors from a file, nobody has looked for the images yet.
    context.require(f"{context.settings.name}-queries", opened.queries)
    context.require(f"{context.settings.name}-database", opened.database)
    reranker = _make_reranker(context, opened, settings)
    with show_progress(context.console, "verifying the first results", len(queries)) as advance:

        def rerank(row: int, positions: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Reranked:
            found = reranker(row, positions)
            advance(1)
            return found

        return rank_set(
            opened.evaluation_set,
            queries,
            database,
            distractors=distractors,
            top_k=max(NUM_SHOWN, settings.top_k),
            rerank=rerank,
        )


def _make_reranker(
    context: SetContext, opened: _Opened, settings: RerankSettings
) -> SpatialReranker:
    def key_of(position: int) -> str:
        image = opened.image_at(position)
        return f"{image.name} {image.stamp}"

    queries = [[image.name, image.stamp, image.box] for image in opened.queries]
    return SpatialReranker(
        lambda row: _extract(opened.queries[row], settings.features),
        lambda position: _extract(opened.image_at(position), settings.features),
        key_of,
        context.options.out / "inliers" / name_answers(context.settings.name, queries, settings),
        settings,
    )


def _extract(image: EvaluationImage, settings: SiftSettings) -> LocalFeatures | None:
    try:
        return extract_sift(image.load(), settings)
    except ImageError:  # it was named when it was described
        return None


def _make_gallery(
    context: SetContext,
    opened: _Opened,
    ranking: SetRanking,
    result: SetResult,
    database: Descriptors,
    overlapping: frozenset[str] | None,
) -> Gallery:
    shown = _choose_protocol(result)
    queries = []
    for row, query in enumerate(opened.evaluation_set.queries):
        score = shown.average_precisions[query.query_id]
        judge = judge_by_lists(query, len(opened.database))
        queries.append(
            GalleryQuery(
                name=query.query_id,
                score=score,
                words=_describe_query(query, ranking.ranks[row], score),
                overlaps=None if overlapping is None else query.query_id in overlapping,
                results=take_results(ranking, row, opened.image_at, judge, NUM_SHOWN),
                load=make_loader(opened.queries[row]),
            )
        )
    groups = group_by_landmark(opened.evaluation_set)
    chosen = choose_images(groups, database, context.options.projection)
    points = None
    if len(chosen) > 1:
        points = project(database[chosen], context.options.projection)
    return Gallery(
        title=f"{result.name}, {_PROTOCOL_NAMES[shown.protocol]}",
        score_name="AP",
        queries=sort_hardest_first(queries),
        points=points,
        groups=groups[chosen],
        group_names=[query.query_id for query in opened.evaluation_set.queries],
    )


def _choose_protocol(result: SetResult) -> ProtocolResult:
    by_name = {found.protocol: found for found in result.protocols}
    return by_name.get(Protocol.MEDIUM, result.protocols[0])


def _describe_query(query: EvaluationQuery, ranks: QueryRanks, score: float | None) -> str:
    num_right = len(query.easy) + len(query.hard)
    if score is None:
        return "no image of the database counts as right"
    if not ranks.is_answered:
        return f"{num_right} right images; the query could not be described"
    first = int(ranks.select(("easy", "hard"))[0]) + 1 if num_right else 0
    return f"{num_right} right images, the first at rank {first:,}; {len(query.junk)} junk"
