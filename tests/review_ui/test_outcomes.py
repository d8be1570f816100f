from manifests.decisions import DecisionRow
from manifests.rows import Decision
from review_ui.outcomes import preview_outcomes
from review_ui.rules import RuleSettings, make_decisions
from review_ui.votes import Vote

AT = "2026-05-01T12:00:00.000000+00:00"


def _preview(world, decided, min_confirmations=1):
    votes = [Vote(p.content_key, "ana", d, AT, "id") for p, d in decided]
    rows = make_decisions(world.pairs, votes, {}, RuleSettings(), min_confirmations)
    assert all(isinstance(row, DecisionRow) for row in rows)
    return preview_outcomes([p.reviewed for p in world.pairs], rows, min_confirmations)


def _same(world, *classes):
    return [(p, Decision.SAME) for c in classes for p in world.pairs_of_class[c] if p.query]


def _removed(outcomes, landmark_id):
    return {o.policy for o in outcomes.of_class(landmark_id) if o.is_removed}


def test_before_anybody_votes_only_strict_removes(world):
    outcomes = _preview(world, [])
    assert _removed(outcomes, 902) == {"strict"}
    assert _removed(outcomes, 904) == set()
    assert [c.standings for c in outcomes.contests_of(902)] == [()]


def test_the_papers_policy_leaves_the_second_class_and_says_so(world):
    outcomes = _preview(world, _same(world, 902, 903))
    assert _removed(outcomes, 902) == {"paper", "confirmed", "strict"}
    assert _removed(outcomes, 903) == {"confirmed", "strict"}
    (paper,) = (o for o in outcomes.of_class(903) if o.policy == "paper")
    assert [query.query_id for query in paper.confirmed_for] == ["bridge"]
    (contest,) = outcomes.contests_of(903)
    assert contest.standings == ((902, 8), (903, 6))
    assert contest.removed_by_paper == 902


def test_a_refused_class_stays(world):
    refused = [(p, Decision.DIFFERENT) for p in world.pairs_of_class[901]]
    assert _removed(_preview(world, refused), 901) == set()


def test_one_vote_is_not_enough_where_two_are_wanted(world):
    outcomes = _preview(world, _same(world, 901), min_confirmations=2)
    assert _removed(outcomes, 901) == {"strict"}
    assert [c.standings for c in outcomes.contests_of(901)] == [()]
