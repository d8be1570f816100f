"""Which photographs of an evaluation set become canaries and controls."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from pydantic import Field

from curation.canaries import SAME_LANDMARK, SCRAMBLED, TRANSFORMED, CanaryKind
from curation.disjoint_sets import DisjointSets
from manifests.evaluation_sets import EvaluationQuery, EvaluationSet
from manifests.strict_model import StrictModel

ID_PREFIX = "canary:"
"""No image of a training list may be called so."""


class CanarySettings(StrictModel):
    """What is planted to measure the search."""

    per_kind: int = Field(20, ge=1, le=1000)
    """Canaries of each kind and each evaluation set; several views of a query where there are
    fewer queries. Twenty that are all found prove a recall of 84 %."""
    same_landmark_per_kind: int = Field(20, ge=0, le=1000)
    """Other photographs of the queries' landmarks, easy and hard, where the evaluation set names
    them and has them; 0 plants none."""
    controls_per_kind: int = Field(40, ge=1, le=1000)
    """Scrambled views of each kind and each evaluation set. Forty of which none is accepted prove
    a rate of false accepts below 9 %."""


@dataclass(frozen=True)
class Canary:
    """One picture to be planted.

    Attributes:
        canary_id: its image id; no training image has it.
        eval_set: the evaluation set that it comes from.
        kind: what it is.
        query_id: the query whose photograph it is made of; of another photograph of a landmark,
            the first query that shows that landmark.
        image_name: the photograph, as the evaluation set calls it.
    """

    canary_id: str
    eval_set: str
    kind: CanaryKind
    query_id: str
    image_name: str


def choose_canaries(
    evaluation_set: EvaluationSet, settings: CanarySettings, is_there: Callable[[str], bool]
) -> list[Canary]:
    """Choose what to plant of one evaluation set; the order of its queries does not matter.

    Args:
        evaluation_set: with at least one query.
        settings: how many.
        is_there: whether a photograph of the database can be read, by its name.

    Returns:
        By kind; the same set and settings give the same canaries.
    """
    canaries: list[Canary] = []
    for kinds, count in (
        (TRANSFORMED, settings.per_kind),
        (SCRAMBLED, settings.controls_per_kind),
    ):
        for kind in kinds:
            canaries += _choose_views(evaluation_set, kind, count)
    for kind in SAME_LANDMARK:
        found = _list_positives(evaluation_set, kind)
        present = (pair for pair in found if is_there(pair[1]))
        for _, (query_id, image_name) in zip(
            range(settings.same_landmark_per_kind), present, strict=False
        ):
            canaries.append(_name(evaluation_set.name, kind, query_id, image_name, 0))
    return canaries


def group_landmarks(queries: Sequence[EvaluationQuery]) -> dict[str, str]:
    """The landmark of each query: the smallest id of the queries that share a photograph with it.

    Queries without any listed photograph have no known landmark and are left out.
    """
    known = [query for query in queries if _listed(query)]
    landmarks = DisjointSets()
    first_with: dict[int, str] = {}
    for query in known:
        for position in _listed(query):
            landmarks.unite(first_with.setdefault(position, query.query_id), query.query_id)
    return {query.query_id: landmarks.find(query.query_id) for query in known}


def _listed(query: EvaluationQuery) -> tuple[int, ...]:
    return (*query.easy, *query.hard, *query.junk)


def _choose_views(evaluation_set: EvaluationSet, kind: CanaryKind, count: int) -> Iterator[Canary]:
    queries = sorted(evaluation_set.queries, key=lambda q: _rank(kind, q.query_id))
    for number in range(count if queries else 0):
        query = queries[number % len(queries)]
        version = number // len(queries)
        yield _name(evaluation_set.name, kind, query.query_id, query.image_name, version)


def _list_positives(evaluation_set: EvaluationSet, kind: CanaryKind) -> list[tuple[str, str]]:
    """Query and name of each other photograph of a landmark, landmarks in turn.

    A photograph that is easy for one query and hard for another is easy.
    """
    landmarks = group_landmarks(evaluation_set.queries)
    own_photographs = {query.image_name for query in evaluation_set.queries}
    easy = {position for query in evaluation_set.queries for position in query.easy}
    by_landmark: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for query in sorted(evaluation_set.queries, key=lambda q: q.query_id):
        is_easy = kind is CanaryKind.SAME_LANDMARK_EASY
        positions = query.easy if is_easy else [p for p in query.hard if p not in easy]
        for position in positions:
            name = evaluation_set.database[position]
            if name not in own_photographs:
                by_landmark[landmarks[query.query_id]].setdefault(name, query.query_id)
    in_turn = []
    for landmark, query_of in by_landmark.items():
        names = sorted(query_of, key=lambda name: _rank(kind, name))
        in_turn += [(turn, landmark, query_of[name], name) for turn, name in enumerate(names)]
    return [(query_id, name) for _, _, query_id, name in sorted(in_turn)]


def _name(eval_set: str, kind: CanaryKind, query_id: str, image_name: str, version: int) -> Canary:
    key = f"{eval_set}/{kind}/{query_id}/{image_name}/{version}"
    digest = hashlib.sha256(key.encode()).hexdigest()[:16]
    return Canary(f"{ID_PREFIX}{kind}:{digest}", eval_set, kind, query_id, image_name)


def _rank(kind: CanaryKind, name: str) -> tuple[bytes, str]:
    return hashlib.sha256(f"{kind}/{name}".encode()).digest(), name
