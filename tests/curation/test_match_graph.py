import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.duplicates import DuplicateGroups
from curation.match_graph import DirectedScore, MatchGraph, score_both_ways

IDS = [f"{n:02d}" for n in range(9)]
PAIRS = st.tuples(st.sampled_from(IDS), st.sampled_from(IDS)).filter(lambda pair: pair[0] < pair[1])


def make_graph(image_ids, scores, groups=(), edges="either", min_inliers=30):
    duplicates = DuplicateGroups(groups)
    return MatchGraph(image_ids, scores, duplicates, edges=edges, min_inliers=min_inliers)


def connect(*pairs):
    return [score for a, b in pairs for score in score_both_ways(a, b, 30)]


def test_a_score_equal_to_the_threshold_passes_and_one_below_does_not():
    scores = [*score_both_ways("a", "b", 30), *score_both_ways("a", "c", 29)]
    assert make_graph("abc", scores).list_verified_neighbours("a") == {"b"}


@pytest.mark.parametrize(
    ("edges", "of_a", "of_b"),
    [("directed", {"b"}, set()), ("either", {"b"}, {"a"}), ("both", set(), set())],
)
def test_a_pair_that_passes_in_one_direction(edges, of_a, of_b):
    scores = [DirectedScore("a", "b", 31), DirectedScore("b", "a", 29)]
    graph = make_graph("ab", scores, edges=edges)
    assert graph.list_verified_neighbours("a") == of_a
    assert graph.list_verified_neighbours("b") == of_b
    assert graph.has_contact("a")
    assert graph.has_contact("b")


def test_a_group_of_copies_counts_once_and_the_own_group_not_at_all():
    scores = connect(("a", "b1"), ("a", "b2"), ("a", "c"), ("b1", "b2"))
    graph = make_graph(["a", "b1", "b2", "c"], scores, groups=(("b1", "b2"),))
    assert graph.list_verified_neighbours("a") == {"b1", "c"}
    assert graph.list_verified_neighbours("b2") == {"a"}
    assert graph.count_verified_neighbours("b1") == 1


def test_copies_verified_by_each_other_alone_have_no_contact():
    graph = make_graph("ab", connect(("a", "b")), groups=(("a", "b"),))
    assert not graph.has_contact("a")
    assert graph.count_verified_neighbours("a") == 0


def test_photographs_are_counted_without_their_copies():
    graph = make_graph("abcd", [], groups=(("c", "a"),))
    assert graph.count_photographs("abcd") == 3
    assert graph.count_photographs("a") == 1


def test_components_are_named_by_their_smallest_id_and_hold_unverified_copies():
    graph = make_graph("abcdef", connect(("b", "f"), ("c", "d")), groups=(("f", "e"),))
    labels = graph.label_components()
    assert labels == {"a": "a", "b": "b", "f": "b", "e": "b", "c": "c", "d": "c"}


def test_components_ignore_the_direction_of_edges():
    graph = make_graph("ab", [DirectedScore("b", "a", 30)], edges="directed")
    assert graph.label_components() == {"a": "a", "b": "a"}


def test_an_image_falls_out_of_the_core_when_its_neighbours_do():
    triangle_with_tail = connect(("a", "b"), ("b", "c"), ("a", "c"), ("c", "d"), ("d", "e"))
    graph = make_graph("abcde", triangle_with_tail)
    assert graph.count_verified_neighbours("d") == 2
    assert graph.find_core(2) == {"a", "b", "c"}
    assert graph.find_core(3) == set()


def test_copies_cannot_carry_each_other_into_the_core():
    square = connect(("a1", "b"), ("a2", "b"), ("a1", "a2"))
    assert make_graph(["a1", "a2", "b"], square).find_core(2) == {"a1", "a2", "b"}
    assert make_graph(["a1", "a2", "b"], square, groups=(("a1", "a2"),)).find_core(2) == set()


@given(st.sets(PAIRS), st.integers(1, 4))
def test_without_copies_the_core_is_that_of_networkx(pairs, k):
    reference = nx.Graph(sorted(pairs))
    assert make_graph(IDS, connect(*pairs)).find_core(k) == set(nx.k_core(reference, k))


@given(st.sets(PAIRS), st.integers(1, 3))
def test_the_core_of_an_asymmetric_graph_is_stable_and_maximal(pairs, k):
    scores = [DirectedScore(a, b, 30) for a, b in pairs]
    scores += [DirectedScore(b, a, 30) for a, b in pairs if (int(a) + int(b)) % 2]
    graph = make_graph(IDS, scores, groups=(("00", "01"), ("02", "03", "04")), edges="directed")
    groups = graph.duplicates

    def count_among(image_id, alive):
        targets = {s.target for s in scores if s.source == image_id and s.target in alive}
        own = groups.find_representative(image_id)
        return len({groups.find_representative(i) for i in targets} - {own})

    alive = set(IDS)
    while weak := [i for i in sorted(alive) if count_among(i, alive) < k]:
        alive.remove(weak[0])
    assert graph.find_core(k) == alive


@pytest.mark.parametrize(
    ("score", "complaint"),
    [
        (DirectedScore("a", "a", 500), "cannot verify itself"),
        (DirectedScore("a", "z", 5), "outside the class"),
        (DirectedScore("a", "b", 5), "scored before"),
    ],
)
def test_scores_that_do_not_fit_the_class_are_refused(score, complaint):
    with pytest.raises(ValueError, match=complaint):
        make_graph("ab", [DirectedScore("a", "b", 40), score])
