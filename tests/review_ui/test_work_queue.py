from hypothesis import given
from hypothesis import strategies as st
from review_world import NUM_PAIRS

from manifests.rows import CandidateSource, CandidateVerdict, Decision
from review_ui.rules import PairState
from review_ui.work_queue import Filter, order_pairs, select_pairs


def _classes(pairs):
    return [pair.candidate.landmark_id for pair in pairs]


def test_classes_stay_together_the_strongest_first(world):
    pairs = world.pairs
    assert len(pairs) == NUM_PAIRS
    order = list(dict.fromkeys(_classes(pairs)))
    assert _classes(pairs) == [c for c in order for p in pairs if p.candidate.landmark_id == c]
    best = [max(p.candidate.num_inliers or 0 for p in world.pairs_of_class[c]) for c in order]
    assert best == sorted(best, reverse=True)
    assert order[-1] == 904


def test_within_a_class_matches_come_before_names_and_more_points_before_fewer(world):
    verdicts = [p.candidate.verdict for p in world.pairs_of_class[902]]
    assert verdicts == [CandidateVerdict.MATCH] * 8 + [CandidateVerdict.NAMED]
    inliers = [p.candidate.num_inliers for p in world.pairs_of_class[902]][:8]
    assert inliers == sorted(inliers, reverse=True)


@given(st.randoms(use_true_random=False))
def test_the_order_does_not_depend_on_the_order_given(world, random):
    shuffled = list(world.pairs)
    random.shuffle(shuffled)
    assert order_pairs(shuffled) == list(world.pairs)


def test_filters(world):
    first, second, *_ = world.pairs
    mine = {first.content_key: Decision.SAME}
    states = {p.content_key: PairState.DISPUTED for p in (first, second)}
    known = {first.content_key}

    def select(wanted):
        return select_pairs(world.pairs, wanted, mine, states, known)

    assert select(Filter.ALL) == list(world.pairs)
    assert select(Filter.UNDECIDED) == list(world.pairs[1:])
    assert select(Filter.DISPUTED) == [first]
    assert {p.candidate.source for p in select(Filter.TEXT)} == {CandidateSource.TEXT}
    assert len(select(Filter.TEXT)) == 2
