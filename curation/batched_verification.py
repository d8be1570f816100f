"""Verification with neighbours that something else finds, for many pairs at a time: a GPU.

All decisions are those of `curation.verification`. Only the search for nearest neighbours is taken
out of it, which is nearly all of the work, and done for a batch of pairs at once.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from curation.correspondences import NO_CORRESPONDENCES, Correspondences
from curation.geometry import AffineFit, ConsistencyLimits, find_consistent
from curation.kernels.neighbour_search import select_matches
from curation.matchable_features import MatchableFeatures
from curation.pair_answer import Verification
from curation.sketch_search import Glimpse
from curation.verification import MatchRequest, VerificationSettings, ask_for_matches
from manifests.features import LocalFeatures

Descriptors = NDArray[np.uint8]
Integers = NDArray[np.int32]

_MIN_COLUMNS = 2


class FoundNeighbours(Protocol):
    """Nearest neighbours both ways between n rows and m columns; of equally near the first."""

    @property
    def nearest(self) -> Integers:
        """For every row its nearest column, int32 (n,)."""

    @property
    def squared(self) -> Integers:
        """Squared distance to it, int32 (n,)."""

    @property
    def second_squared(self) -> Integers:
        """Squared distance to the second nearest, int32 (n,)."""

    @property
    def nearest_row(self) -> Integers:
        """For every column its nearest row, int32 (m,)."""


@dataclass(frozen=True)
class NeighbourFinder:
    """What finds neighbours for many pairs at once.

    Attributes:
        find: from pairs of rows, uint8 (n, d), and columns, uint8 (m, d), with a row and two
            columns at least, to the neighbours of each pair; d is the same for all of a call.
        batch_size: pairs it is given at a time.
    """

    find: Callable[[Sequence[tuple[Descriptors, Descriptors]]], Sequence[FoundNeighbours]]
    batch_size: int


def verify_in_batches(
    query: LocalFeatures,
    candidates: Iterable[LocalFeatures],
    settings: VerificationSettings,
    finder: NeighbourFinder,
) -> Iterator[Verification]:
    """The answers of `curation.one_to_many.verify_one_to_many`, found in batches.

    Args:
        query: features of one image.
        candidates: features of the others; a batch of them is taken at a time.
        settings: thresholds.
        finder: finds the neighbours.
    """
    prepared = MatchableFeatures(query)
    rest = iter(candidates)
    while batch := list(islice(rest, finder.batch_size)):
        dialogues = [
            ask_for_matches(prepared, MatchableFeatures(candidate), settings) for candidate in batch
        ]
        yield from _answer_all(dialogues, settings.max_ratio, finder)


_Dialogue = Generator[MatchRequest, Glimpse, Verification]


def _answer_all(
    dialogues: Sequence[_Dialogue], max_ratio: float, finder: NeighbourFinder
) -> list[Verification]:
    """Give the pairs the matches they ask for, all at once, until none asks any more."""
    states = [_go_on(dialogue, None) for dialogue in dialogues]
    while asking := _list_requests(states):
        answers = _match(list(asking.values()), max_ratio, finder)
        for (number, request), matches in zip(asking.items(), answers, strict=True):
            states[number] = _go_on(
                dialogues[number], (matches, _find_consistent(request, matches))
            )
    return [state for state in states if isinstance(state, Verification)]


def _list_requests(
    states: Sequence[MatchRequest | Verification],
) -> dict[int, MatchRequest]:
    """What is asked for, by the number of the dialogue; sketches first, which are shorter."""
    asking = {n: state for n, state in enumerate(states) if isinstance(state, MatchRequest)}
    sketched = {n: request for n, request in asking.items() if request.limits is not None}
    return sketched or asking


def _find_consistent(request: MatchRequest, matches: Correspondences) -> AffineFit | None:
    if request.limits is None:
        return None
    return find_consistent(request.a.features, request.b.features, matches, request.limits)


def _go_on(dialogue: _Dialogue, glimpse: Glimpse | None) -> MatchRequest | Verification:
    try:
        return next(dialogue) if glimpse is None else dialogue.send(glimpse)
    except StopIteration as end:
        verification: Verification = end.value
        return verification


def _match(
    requests: Sequence[MatchRequest], max_ratio: float, finder: NeighbourFinder
) -> list[Correspondences]:
    can_match = [request.num_a > 0 and request.num_b >= _MIN_COLUMNS for request in requests]
    pairs = [
        (
            _get_descriptors(r.a, r.num_a, r.limits),
            _get_descriptors(r.b, r.num_b, r.limits),
        )
        for r, can in zip(requests, can_match, strict=True)
        if can
    ]
    found = iter(finder.find(pairs) if pairs else ())
    return [
        _select(next(found), request, max_ratio) if can else NO_CORRESPONDENCES
        for request, can in zip(requests, can_match, strict=True)
    ]


def _get_descriptors(
    image: MatchableFeatures, count: int, limits: ConsistencyLimits | None
) -> Descriptors:
    compared = image.descriptors if limits is None else image.get_sketches(count)
    return compared.measured.values[:count]


def _select(found: FoundNeighbours, request: MatchRequest, max_ratio: float) -> Correspondences:
    selected = select_matches(
        found.nearest,
        found.squared,
        found.second_squared,
        found.nearest_row,
        request.a.geometry_codes,
        request.b.geometry_codes,
        max_ratio**2,
    )
    return Correspondences(*selected)
