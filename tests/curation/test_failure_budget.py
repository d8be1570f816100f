from itertools import combinations

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.failure_budget import BudgetSettings, FailureBudget
from manifests.rows import PairVerdict

VERIFIED, DUPLICATE, REJECTED = PairVerdict.VERIFIED, PairVerdict.DUPLICATE, PairVerdict.REJECTED


@st.composite
def answers(draw):
    """The pairs of a small class in some order, and what the verifier would say of each."""
    count = draw(st.integers(2, 9))
    pairs = draw(st.permutations([(str(i), str(j)) for i, j in combinations(range(count), 2)]))
    verdicts = st.sampled_from([REJECTED, REJECTED, REJECTED, VERIFIED, DUPLICATE])
    return list(zip(pairs, draw(st.lists(verdicts, min_size=36, max_size=36)), strict=False))


def _verify_within(budget, answers):
    """The answers that are asked for."""
    asked = []
    for pair, verdict in answers:
        if not budget.is_spent(*pair):
            budget.record(*pair, verdict)
            asked.append((pair, verdict))
    return asked


def _count_failures_in_a_row(asked, image_id):
    own = [verdict for pair, verdict in asked if image_id in pair]
    return next((n for n, v in enumerate(reversed(own)) if v is not REJECTED), len(own))


def _count_failures_between(asked, a, b):
    """Rejected pairs between the components of a and b; 0 within one component."""
    graph = nx.Graph([pair for pair, verdict in asked if verdict is not REJECTED])
    graph.add_nodes_from((a, b))
    of_a, of_b = nx.node_connected_component(graph, a), nx.node_connected_component(graph, b)
    if a in of_b:
        return 0
    return sum(
        verdict is REJECTED and any(x in of_a and y in of_b for x, y in (pair, pair[::-1]))
        for pair, verdict in asked
    )


@given(answers())
def test_without_a_budget_every_pair_is_verified(answers):
    settings = BudgetSettings()
    assert settings.is_off
    assert _verify_within(FailureBudget(settings), answers) == answers


@given(answers(), st.integers(1, 4))
def test_a_pair_is_given_up_exactly_when_both_images_failed_often_enough(answers, limit):
    budget, asked = FailureBudget(BudgetSettings(max_failures_per_image=limit)), []
    for (a, b), verdict in answers:
        fewest = min(_count_failures_in_a_row(asked, image_id) for image_id in (a, b))
        assert budget.is_spent(a, b) is (fewest >= limit)
        if not budget.is_spent(a, b):
            budget.record(a, b, verdict)
            asked.append(((a, b), verdict))


@given(answers(), st.integers(1, 4))
def test_a_pair_is_given_up_exactly_when_its_components_failed_often_enough(answers, limit):
    budget, asked = FailureBudget(BudgetSettings(max_failures_per_component=limit)), []
    for (a, b), verdict in answers:
        assert budget.is_spent(a, b) is (_count_failures_between(asked, a, b) >= limit)
        if not budget.is_spent(a, b):
            budget.record(a, b, verdict)
            asked.append(((a, b), verdict))


@pytest.mark.parametrize("name", ["max_failures_per_image", "max_failures_per_component"])
def test_a_class_of_strangers_is_given_up_early(name):
    strangers = [(pair, REJECTED) for pair in combinations("abcdefghij", 2)]
    budget = FailureBudget(BudgetSettings(**{name: 1}))
    asked = _verify_within(budget, strangers)
    # By components each pair of strangers is asked for once; by images nearly none is.
    expected = 45 if name == "max_failures_per_component" else 9
    assert len(asked) == expected


def test_one_success_makes_up_for_failures():
    budget = FailureBudget(BudgetSettings(max_failures_per_image=2))
    for other in "xy":
        budget.record("a", other, REJECTED)
        budget.record("b", other, REJECTED)
    assert budget.is_spent("a", "b")
    budget.record("a", "z", VERIFIED)
    assert not budget.is_spent("a", "b")
