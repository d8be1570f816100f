"""Evaluation on GLDv2's retrieval and recognition benchmarks, or of a submission for them."""

from collections.abc import Callable, Sequence
from pathlib import Path

from cleanmark.evaluation.context import NUM_SHOWN, SetContext
from cleanmark.evaluation.image_lists import ImageDatabase, find_images, open_database
from cleanmark.evaluation.options import NUM_VOTES
from cleanmark.reporting.gallery_data import (
    Gallery,
    GalleryQuery,
    Relevance,
    make_loader,
    sort_hardest_first,
    take_results,
)
from manifests.input_error import InputError
from manifests.lineage import digest_file
from training.evaluation.evaluation_images import EvaluationImage
from training.evaluation.gldv2_scores import (
    Gldv2Scores,
    name_results,
    score_recognition,
    score_retrieval,
    vote_for_landmarks,
)
from training.evaluation.ranking import SetRanking, search_set
from training.evaluation.records import SetRecord
from training.gldv2_metrics import MAX_PREDICTIONS, compute_average_precisions
from training.gldv2_submissions import (
    Solution,
    read_recognition_solution,
    read_recognition_submission,
    read_retrieval_solution,
    read_retrieval_submission,
    write_recognition_submission,
    write_retrieval_submission,
)
from training.search import Neighbours

_NEEDS_DATABASE = (
    "give the images to search with --database: a YAML file whose `images` are those of the index "
    "(format gldv2, with any solution file), or for recognition a finished run"
)


def evaluate_retrieval(context: SetContext, solution_path: Path) -> tuple[SetRecord, Gallery]:
    """Search the index for every query of a retrieval solution, and score the submission.

    Raises:
        InputError: images or the index are missing, or a file is malformed.
    """
    solution = read_retrieval_solution(solution_path)
    path = context.options.embedder.submission
    queries: tuple[EvaluationImage, ...] = ()
    database, ranking = None, None
    if path is None:
        queries, database = _open(context, [*solution.public, *solution.private])
        ranking = _search(context, queries, database, MAX_PREDICTIONS)
        path = _submission_path(context)
        named = name_results([q.name for q in queries], ranking.positions, database.names)
        write_retrieval_submission(path, named)
    submission = read_retrieval_submission(path, solution)
    scores = score_retrieval(solution, submission, context.options.scores.bootstrap)
    record = _make_record(context, solution_path, path, scores, len(queries), database)
    if ranking is None or database is None:
        return record, Gallery(record.name, "", ())
    return record, _make_gallery(record.name, queries, database, ranking, solution)


def evaluate_recognition(context: SetContext, solution_path: Path) -> tuple[SetRecord, Gallery]:
    """Name the landmark of every test image by its nearest training images, and score that.

    Raises:
        InputError: images are missing, the database has no classes, or a file is malformed.
    """
    solution = read_recognition_solution(solution_path)
    path = context.options.embedder.submission
    num_queries, database = 0, None
    if path is None:
        queries, database = _open(context, [*solution.public, *solution.private])
        if database.landmark_ids is None:
            raise InputError(
                f"{database.path}: its images have no classes, so they name no landmark; give a "
                "finished run with --database"
            )
        ranking = _search(context, queries, database, NUM_VOTES)
        neighbours = Neighbours(ranking.positions, ranking.similarities)
        names = [query.name for query in queries]
        path, num_queries = _submission_path(context), len(queries)
        write_recognition_submission(
            path, vote_for_landmarks(names, neighbours, database.landmark_ids)
        )
    scores = score_recognition(solution, read_recognition_submission(path, solution))
    record = _make_record(context, solution_path, path, scores, num_queries, database)
    return record, Gallery(record.name, "", ())


def _open(
    context: SetContext, query_ids: Sequence[str]
) -> tuple[tuple[EvaluationImage, ...], ImageDatabase]:
    if context.options.database is None:
        raise InputError(f"{context.settings.name}: {_NEEDS_DATABASE}")
    database = open_database(context.options.database, context.options.root)
    return find_images(context.settings, query_ids), database


def _search(
    context: SetContext,
    queries: Sequence[EvaluationImage],
    database: ImageDatabase,
    num_results: int,
) -> SetRanking:
    described = context.describe("queries", queries).read()
    rows = context.describe("database", database.images, f"database-{database.path.stem}")
    return search_set(described, rows, num_results)


def _submission_path(context: SetContext) -> Path:
    return context.options.out / f"submission_{context.settings.name}.csv"


def _make_record(
    context: SetContext,
    solution: Path,
    submission: Path,
    scores: Gldv2Scores,
    num_queries: int,
    database: ImageDatabase | None,
) -> SetRecord:
    digests = {"ground_truth": digest_file(solution), "submission": digest_file(submission)}
    return SetRecord(
        name=context.settings.name,
        inputs=context.inputs.digests | digests,
        num_queries=num_queries,
        num_database=0 if database is None else len(database.images),
        missing=tuple(context.inputs.missing),
        unreadable=context.inputs.unreadable,
        gldv2=scores,
    )


def _make_gallery(
    name: str,
    queries: Sequence[EvaluationImage],
    database: ImageDatabase,
    ranking: SetRanking,
    solution: Solution[frozenset[str]],
) -> Gallery:
    right = {**solution.public, **solution.private}
    answers = name_results([query.name for query in queries], ranking.positions, database.names)
    scores = compute_average_precisions(answers, right)
    shown = [
        GalleryQuery(
            name=query.name,
            score=float(score),
            words=f"{len(right[query.name])} right images in the index",
            overlaps=None,
            results=take_results(
                ranking,
                row,
                database.images.__getitem__,
                _judge(right[query.name], database),
                NUM_SHOWN,
            ),
            load=make_loader(query),
        )
        for row, (query, score) in enumerate(zip(queries, scores.tolist(), strict=True))
    ]
    return Gallery(f"{name}, retrieval", "AP@100", sort_hardest_first(shown))


def _judge(right: frozenset[str], database: ImageDatabase) -> Callable[[int], Relevance]:
    def judge(position: int) -> Relevance:
        return Relevance.RIGHT if database.images[position].name in right else Relevance.WRONG

    return judge
