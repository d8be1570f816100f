from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.rows import Decision
from review_ui.rules import PairState, RuleSettings, find_state, make_decisions, resolve
from review_ui.votes import Adjudication, Vote

SAME, DIFFERENT, UNSURE = Decision.SAME, Decision.DIFFERENT, Decision.UNSURE
AT = "2026-05-01T12:00:00.000000+00:00"
SETTLED = Adjudication("k", "lea", DIFFERENT, "another arch", AT, "id")


def _votes(*decisions, key="k"):
    return [Vote(key, f"p{n}", Decision(d), AT, f"{n}") for n, d in enumerate(decisions)]


@pytest.mark.parametrize(
    ("kind", "decisions", "result"),
    [
        ("majority", ["same", "same", "different"], SAME),
        ("majority", ["same", "different"], UNSURE),
        ("majority", ["different", "unsure", "unsure"], DIFFERENT),
        ("majority", ["unsure"], UNSURE),
        ("all", ["same", "same"], SAME),
        ("all", ["same", "unsure"], UNSURE),
        ("all", ["different"], DIFFERENT),
        ("weighted", ["same", "different", "different"], SAME),
    ],
)
def test_a_rule_decides(kind, decisions, result):
    rule = RuleSettings(kind=kind, weights={"p0": 3.0})
    assert resolve(_votes(*decisions), rule) is result


def test_too_few_votes_decide_nothing():
    rule = RuleSettings(kind="majority", min_reviewers=2)
    assert resolve(_votes("same"), rule) is None
    assert resolve([], RuleSettings(kind="all")) is None


@given(
    st.permutations(["same", "same", "different", "unsure"]), st.sampled_from(["majority", "all"])
)
def test_the_order_of_votes_does_not_matter(decisions, kind):
    rule = RuleSettings(kind=kind)
    expected = resolve(_votes("same", "same", "different", "unsure"), rule)
    assert resolve(_votes(*decisions), rule) is expected


@pytest.mark.parametrize(
    ("decisions", "adjudication", "state"),
    [
        ([], None, PairState.OPEN),
        (["same"], None, PairState.DECIDED),
        (["same", "unsure"], None, PairState.DECIDED),
        (["same", "different"], None, PairState.DISPUTED),
        (["same", "different"], SETTLED, PairState.ADJUDICATED),
    ],
)
def test_where_a_pair_stands(decisions, adjudication, state):
    assert find_state(_votes(*decisions), adjudication, RuleSettings()) is state


def test_any_passes_every_vote_on_as_it_is(world):
    pair = world.pairs[0]
    votes = _votes("same", "different", key=pair.content_key) + _votes("same", key="elsewhere")
    rows = make_decisions(world.pairs, votes, {}, RuleSettings(), 1)
    assert [(row.reviewer, row.decision) for row in rows] == [("p0", SAME), ("p1", DIFFERENT)]
    assert {(row.eval_set, row.query_id, row.image_id) for row in rows} == {tuple(pair.key)}


def test_any_waits_for_enough_reviewers(world):
    votes = _votes("same", key=world.pairs[0].content_key)
    rule = RuleSettings(min_reviewers=2)
    assert make_decisions(world.pairs, votes, {}, rule, 1) == []


def test_the_last_word_takes_the_place_of_all_votes(world):
    pair = world.pairs[0]
    votes = _votes("same", "same", key=pair.content_key)
    settled = {pair.content_key: replace(SETTLED, content_key=pair.content_key)}
    rows = make_decisions(world.pairs, votes, settled, RuleSettings(), 1)
    assert [(r.reviewer, r.decision, r.comment) for r in rows] == [
        ("lea (adjudication)", DIFFERENT, "another arch")
    ]


@pytest.mark.parametrize("kind", ["majority", "all", "weighted"])
def test_what_is_final_gives_as_many_rows_as_a_policy_wants(world, kind):
    votes = _votes("same", "same", "same", key=world.pairs[0].content_key)
    rows = make_decisions(world.pairs, votes, {}, RuleSettings(kind=kind), 2)
    assert [row.reviewer for row in rows] == [f"rule:{kind}", f"rule:{kind} 2 of 2"]
    assert {row.decision for row in rows} == {SAME}
    assert rows[0].comment == "p0 same, p1 same, p2 same"
