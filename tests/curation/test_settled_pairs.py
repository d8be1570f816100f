from itertools import combinations

import networkx as nx
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from curation.duplicates import ImageFile, group_duplicates
from curation.match_graph import score_both_ways
from curation.settled_pairs import SettledPairs
from curation.train_split import ClassImage, CleanSettings, split_class
from manifests.rows import PairVerdict


@st.composite
def classes(draw):
    """Images, and for each pair, most similar first, what the verifier would say of it.

    Copies come first, as they do when pairs are sorted by similarity.
    """
    count = draw(st.integers(2, 9))
    photograph = draw(st.lists(st.integers(0, 2 * count), min_size=count, max_size=count))
    pairs = draw(st.permutations(list(combinations(range(count), 2))))
    density = draw(st.sampled_from([0.2, 0.5, 0.8]))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))

    def say(i, j):
        if photograph[i] == photograph[j]:
            return PairVerdict.DUPLICATE
        return PairVerdict.VERIFIED if rng.uniform() < density else PairVerdict.REJECTED

    answers = [((str(i), str(j)), say(i, j)) for i, j in pairs]
    return sorted(answers, key=lambda answer: answer[1] is not PairVerdict.DUPLICATE), count


def verify_unsettled(answers, min_neighbours):
    settled = SettledPairs(min_neighbours)
    put = []
    for pair, verdict in answers:
        if not settled.is_settled(*pair):
            settled.record(*pair, verdict)
            put.append((pair, verdict))
    return put


def clean(answers, count, settings):
    """Which images are kept, and the components of the graph."""
    passed = [pair for pair, verdict in answers if verdict is not PairVerdict.REJECTED]
    copies = [pair for pair, verdict in answers if verdict is PairVerdict.DUPLICATE]
    ids = [str(i) for i in range(count)]
    duplicates = group_duplicates([ImageFile(i, i, 100, 100) for i in ids], copies)
    scores = [score for pair in passed for score in score_both_ways(*pair, 30)]
    images = [ClassImage(i, True) for i in ids]
    verdicts = split_class(7, images, scores, duplicates, settings)
    graph = nx.Graph(passed)
    components = {frozenset(component) for component in nx.connected_components(graph)}
    return {v.image_id for v in verdicts if v.kept}, components


@given(classes(), st.integers(1, 4), st.sampled_from(["degree", "component"]))
def test_what_is_kept_and_the_components_are_those_of_verifying_every_pair(
    answers_and_count, min_neighbours, policy
):
    answers, count = answers_and_count
    settings = CleanSettings(min_verified_neighbours=min_neighbours, policy=policy)
    put = verify_unsettled(answers, min_neighbours)
    assert clean(put, count, settings) == clean(answers, count, settings)


def test_a_crowd_of_views_needs_a_fraction_of_its_pairs():
    ids = [str(i) for i in range(40)]
    answers = [(pair, PairVerdict.VERIFIED) for pair in combinations(ids, 2)]
    assert len(verify_unsettled(answers, 3)) < len(answers) / 4


def test_pairs_between_components_are_never_skipped():
    answers = [((f"a{i}", f"a{j}"), PairVerdict.VERIFIED) for i, j in combinations(range(6), 2)]
    answers += [((f"b{i}", f"b{j}"), PairVerdict.VERIFIED) for i, j in combinations(range(6), 2)]
    across = [((f"a{i}", f"b{j}"), PairVerdict.REJECTED) for i in range(6) for j in range(6)]
    put = verify_unsettled(answers + across, 2)
    assert [answer for answer in put if answer in across] == across


def test_copies_of_one_photograph_are_one_neighbour():
    settled = SettledPairs(2)
    for pair in (("a", "b"), ("a", "copy of b"), ("c", "b"), ("c", "copy of b")):
        settled.record(*pair, PairVerdict.VERIFIED)
    assert settled.is_settled("a", "c")
    settled.record("b", "copy of b", PairVerdict.DUPLICATE)
    assert not settled.is_settled("a", "c")
