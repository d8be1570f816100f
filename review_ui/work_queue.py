"""The order of work: class by class, the strongest evidence first; and which pairs are left."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import StrEnum

from manifests.rows import CandidateSource, CandidateVerdict, Decision
from review_ui.evidence import Pair
from review_ui.rules import PairState

_BY_STRENGTH = (
    CandidateVerdict.MATCH,
    CandidateVerdict.NAMED,
    CandidateVerdict.REJECTED,
    CandidateVerdict.BELOW_THRESHOLD,
)


class Filter(StrEnum):
    """Which pairs a reviewer wants to see."""

    UNDECIDED = "undecided"
    DISPUTED = "disputed"
    TEXT = "text"
    ALL = "all"


def order_pairs(pairs: Iterable[Pair]) -> list[Pair]:
    """Put pairs in the order of work.

    The class with the strongest single piece of evidence comes first, then its other pairs. A
    match is stronger than a name, a name than what a guard refused; of equals, more inliers
    count, then greater similarity.
    """
    by_class: dict[int, list[Pair]] = {}
    for pair in pairs:
        by_class.setdefault(pair.candidate.landmark_id, []).append(pair)
    groups = [sorted(group, key=_rank) for group in by_class.values()]
    groups.sort(key=lambda group: (_rank(group[0])[:3], group[0].candidate.landmark_id))
    return [pair for group in groups for pair in group]


def select_pairs(
    pairs: Iterable[Pair],
    wanted: Filter,
    mine: Mapping[str, Decision],
    states: Mapping[str, PairState],
    visible: Collection[str],
) -> list[Pair]:
    """Choose the pairs of a filter, in the order given.

    Args:
        pairs: in the order of work.
        wanted: the filter.
        mine: content key -> what the asking reviewer said.
        states: content key -> where the pair stands; pairs nobody voted on may be absent.
        visible: content keys of pairs whose state the reviewer may know.
    """
    return [pair for pair in pairs if _is_wanted(pair, wanted, mine, states, visible)]


def _is_wanted(
    pair: Pair,
    wanted: Filter,
    mine: Mapping[str, Decision],
    states: Mapping[str, PairState],
    visible: Collection[str],
) -> bool:
    key = pair.content_key
    if wanted is Filter.UNDECIDED:
        return key not in mine
    if wanted is Filter.DISPUTED:
        return key in visible and states.get(key) is PairState.DISPUTED
    if wanted is Filter.TEXT:
        return pair.candidate.source is CandidateSource.TEXT
    return True


def _rank(pair: Pair) -> tuple[int, int, float, Sequence[str]]:
    c = pair.candidate
    return (
        _BY_STRENGTH.index(c.verdict),
        -(c.num_inliers or 0),
        -(c.similarity or 0.0),
        (c.eval_set, c.query_id, c.image_id),
    )
