from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation import class_trials
from curation.class_trials import ClassTrial, UncertainPair
from curation.duplicates import DuplicateGroups
from curation.match_graph import score_both_ways
from curation.train_split import ClassImage, CleanSettings, split_class

THRESHOLD = 30
RULES = st.builds(
    CleanSettings,
    policy=st.sampled_from(["degree", "degree", "component", "kcore"]),
    min_verified_neighbours=st.integers(1, 3),
    min_class_images=st.integers(2, 4),
    duplicates=st.sampled_from(["keep", "drop"]),
)


@st.composite
def classes(draw):
    """Ids, inliers of the accepted pairs, pairs in doubt, and copies."""
    ids = [str(number) for number in range(draw(st.integers(2, 8)))]
    pairs = list(combinations(ids, 2))
    inliers = draw(st.lists(st.integers(20, 45), min_size=len(pairs), max_size=len(pairs)))
    counts = dict(zip(pairs, inliers, strict=True))
    copies = draw(st.sets(st.sampled_from(ids), max_size=3))
    groups = (tuple(draw(st.permutations(sorted(copies)))),) if len(copies) > 1 else ()
    return ids, counts, DuplicateGroups(groups)


def _judge(ids, counts, duplicates, rule):
    scores = [s for (a, b), n in counts.items() if n >= THRESHOLD for s in score_both_ways(a, b, n)]
    verdicts = split_class(5, [ClassImage(i, True) for i in ids], scores, duplicates, rule)
    return {verdict.image_id: verdict.kept for verdict in verdicts}


def _try_all(ids, counts, duplicates, rule):
    accepted = [(a, b, n) for (a, b), n in counts.items() if n >= THRESHOLD]
    images = [ClassImage(i, True) for i in ids]
    trial = ClassTrial(5, images, accepted, duplicates, rule, THRESHOLD)
    pairs = [UncertainPair(a, b, n, n >= THRESHOLD) for (a, b), n in counts.items()]
    return trial.find_stakes(pairs)


@given(classes(), RULES)
def test_what_hinges_on_a_pair_is_what_judging_the_class_again_gives(drawn, rule):
    ids, counts, duplicates = drawn
    kept = _judge(ids, counts, duplicates, rule)
    for pair, stake in _try_all(ids, counts, duplicates, rule).items():
        a, b = pair.image_id_a, pair.image_id_b
        otherwise = {**counts, (a, b): 0 if pair.is_accepted else THRESHOLD}
        after = _judge(ids, otherwise, duplicates, rule)
        assert (stake.kept_a, stake.kept_b) == (kept[a], kept[b])
        assert (stake.decides_a, stake.decides_b) == (after[a] != kept[a], after[b] != kept[b])
        assert stake.is_decisive is (after[a] != kept[a] or after[b] != kept[b])


def _ring(count):
    """Each image is verified with the next two: four neighbours each."""
    ids = [f"{number:02}" for number in range(count)]
    near = {tuple(sorted((ids[i], ids[(i + d) % count]))): 40 for i in range(count) for d in (1, 2)}
    return ids, near


def test_an_image_at_the_rule_hinges_on_each_of_its_pairs_and_others_on_none():
    ids, counts = _ring(12)
    counts = {**counts, ("00", "06"): 25}
    four, five = (
        _try_all(ids, counts, DuplicateGroups(), CleanSettings(min_verified_neighbours=n))
        for n in (4, 5)
    )
    assert {stake.is_decisive for pair, stake in four.items() if pair.is_accepted} == {True}
    assert {stake.is_decisive for pair, stake in four.items() if not pair.is_accepted} == {False}
    # One more neighbour each would keep both, and with them a class of two.
    assert {stake.is_decisive for pair, stake in five.items() if not pair.is_accepted} == {True}


def test_the_policy_degree_judges_a_class_once(monkeypatch):
    seen = []
    judge = split_class

    def spy(landmark_id, images, *rest):
        seen.append(len(images))
        return judge(landmark_id, images, *rest)

    monkeypatch.setattr(class_trials, "split_class", spy)
    ids, counts = _ring(60)
    stakes = _try_all(ids, counts, DuplicateGroups(), CleanSettings(min_verified_neighbours=3))
    assert seen == [60]
    assert all(stake.decides_a is not None for stake in stakes.values())


@pytest.mark.parametrize("policy", ["component", "kcore"])
def test_the_pairs_nearest_the_threshold_are_tried_when_not_all_can_be(monkeypatch, policy):
    ids, counts = _ring(12)
    counts = {pair: 31 + number for number, pair in enumerate(sorted(counts))}
    monkeypatch.setattr(class_trials, "_MAX_SCORES", 3 * len(counts))
    rule = CleanSettings(policy=policy, min_verified_neighbours=2)
    stakes = _try_all(ids, counts, DuplicateGroups(), rule)
    tried = [pair.num_inliers for pair, stake in stakes.items() if stake.decides_a is not None]
    assert tried == [31, 32, 33]
