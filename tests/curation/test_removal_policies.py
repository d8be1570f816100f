from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.overlap_evidence import CandidateKey, QueryKey, ReviewedCandidate
from curation.removal_policies import (
    Contender,
    RemovalSettings,
    Tie,
    plan_removals,
    remove_classes,
)
from manifests.decisions import DecisionRow
from manifests.rows import CandidateSource, CandidateVerdict, Decision, RemovalReason

POLICIES = ("paper", "confirmed", "strict")
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


def make_candidate(query_id, image_id, landmark_id, num_inliers=25, verdict="match"):
    return ReviewedCandidate(
        key=CandidateKey("rparis", query_id, image_id),
        landmark_id=landmark_id,
        num_inliers=num_inliers,
        verdict=CandidateVerdict(verdict),
        source=CandidateSource.VISUAL,
    )


def make_named(term, image_id, landmark_id):
    return ReviewedCandidate(
        key=CandidateKey("rparis", f"text:{term}", image_id),
        landmark_id=landmark_id,
        num_inliers=None,
        verdict=CandidateVerdict.NAMED,
        source=CandidateSource.TEXT,
    )


def decide(candidate, decision="same", reviewer="anna"):
    return DecisionRow(*candidate.key, reviewer, Decision(decision), NOON, None)


def plan(candidates, decisions, policy="paper", **settings):
    return plan_removals(candidates, decisions, RemovalSettings(policy=policy, **settings))


def removed_by(plan):
    return [removal.landmark_id for removal in plan.removals]


# The published rule -------------------------------------------------------------------------

LOUVRE = [make_candidate("louvre", f"l{n}", 10) for n in range(3)]
PYRAMID = [make_candidate("louvre", f"p{n}", 20, num_inliers=90) for n in range(2)]


def test_the_class_with_most_confirmed_images_goes_and_the_next_is_named():
    decisions = [decide(candidate) for candidate in LOUVRE + PYRAMID]
    found = plan(LOUVRE + PYRAMID, decisions)
    (removal,) = found.removals
    assert removal.landmark_id == 10
    assert removal.reason is RemovalReason.VISUAL_MAJORITY
    assert removal.queries == (QueryKey("rparis", "louvre"),)
    assert removal.images == ("l0", "l1", "l2")
    assert removal.reviewers == ("anna",)
    assert removal.runner_ups == (Contender(QueryKey("rparis", "louvre"), 20, 2, 180),)
    assert removal.evidence == (
        "most confirmed photographs for rparis/louvre (3); confirmed by anna"
    )
    assert found.ties == ()


def test_only_confirmed_images_count_towards_the_majority():
    decisions = [decide(LOUVRE[0]), decide(LOUVRE[1], "different"), decide(LOUVRE[2], "unsure")]
    decisions += [decide(candidate) for candidate in PYRAMID]
    assert removed_by(plan(LOUVRE + PYRAMID, decisions)) == [20]


def test_one_image_confirmed_by_many_counts_once():
    crowd = [decide(LOUVRE[0], reviewer=name) for name in ("anna", "bo", "cy")]
    decisions = crowd + [decide(candidate) for candidate in PYRAMID]
    assert removed_by(plan(LOUVRE + PYRAMID, decisions)) == [20]


def test_a_tie_goes_to_more_inliers_then_to_the_smaller_id_and_is_reported():
    weak, strong = make_candidate("q", "a", 1, 40), make_candidate("q", "b", 2, 50)
    found = plan([weak, strong], [decide(weak), decide(strong)])
    assert removed_by(found) == [2]
    assert found.ties == (Tie(QueryKey("rparis", "q"), removed=2, spared=(1,)),)
    even = replace(weak, num_inliers=50)
    assert removed_by(plan([even, strong], [decide(even), decide(strong)])) == [1]


def test_each_query_removes_a_class_of_its_own():
    first, second = make_candidate("q1", "a", 1), make_candidate("q2", "b", 2)
    assert removed_by(plan([second, first], [decide(first), decide(second)])) == [1, 2]


def test_equal_query_names_of_two_evaluation_sets_are_two_queries():
    paris = make_candidate("q", "a", 1)
    oxford = replace(make_candidate("q", "b", 2), key=CandidateKey("roxford", "q", "b"))
    assert removed_by(plan([paris, oxford], [decide(paris), decide(oxford)])) == [1, 2]


def test_one_of_the_nearest_is_removed_when_people_confirm_it_without_a_match():
    candidate = make_candidate("q", "a", 1, num_inliers=3, verdict="below_threshold")
    for policy in POLICIES:
        assert removed_by(plan([candidate], [decide(candidate)], policy)) == [1]


@pytest.mark.parametrize("policy", POLICIES)
def test_a_class_found_by_name_needs_a_person(policy):
    named = make_named("paris", "a", 1)
    assert removed_by(plan([named], [], policy)) == []
    assert removed_by(plan([named], [decide(named, "different")], policy)) == []
    (removal,) = plan([named], [decide(named)], policy).removals
    assert removal.reason is RemovalReason.TEXT_CONFIRMED
    assert removal.evidence == "class name confirmed for rparis/text:paris (1); confirmed by anna"


def test_classes_found_by_one_name_do_not_compete():
    named = [make_named("paris", "a", 1), make_named("paris", "b", 2)]
    found = plan(named, [decide(candidate) for candidate in named])
    assert removed_by(found) == [1, 2]
    assert found.ties == ()
    assert {removal.runner_ups for removal in found.removals} == {()}


def test_being_seen_is_a_stronger_reason_than_being_named():
    seen, named = make_candidate("q", "a", 1), make_named("paris", "b", 1)
    (removal,) = plan([seen, named], [decide(seen), decide(named, reviewer="bo")]).removals
    assert removal.reason is RemovalReason.VISUAL_MAJORITY
    assert removal.images == ("a", "b")
    assert removal.evidence == (
        "most confirmed photographs for rparis/q (1); "
        "class name confirmed for rparis/text:paris (1); confirmed by anna, bo"
    )


# The other policies -------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["confirmed", "strict"])
def test_runner_ups_are_removed_too(policy):
    found = plan(LOUVRE + PYRAMID, [decide(LOUVRE[0]), decide(PYRAMID[0])], policy)
    assert removed_by(found) == [10, 20]
    assert {removal.reason for removal in found.removals} == {RemovalReason.VISUAL_CONFIRMED}
    assert found.ties == ()


@pytest.mark.parametrize(
    ("verdict", "decisions", "removed"),
    [
        ("match", [], True),
        ("match", ["unsure"], True),
        ("match", ["different"], False),
        ("match", ["unsure", "different"], False),
        ("match", ["same"], True),
        ("match", ["same", "different"], True),
        ("below_threshold", [], False),
        ("below_threshold", ["unsure"], False),
        ("rejected", [], False),
        ("rejected", ["same"], True),
    ],
)
def test_strict_removes_a_match_unless_it_was_refused(verdict, decisions, removed):
    candidate = make_candidate("q", "a", 1, verdict=verdict)
    votes = [decide(candidate, d, reviewer=f"r{n}") for n, d in enumerate(decisions)]
    found = plan([candidate], votes, "strict")
    assert removed_by(found) == ([1] if removed else [])
    if removed:
        confirmed = "same" in decisions
        expected = RemovalReason.VISUAL_CONFIRMED if confirmed else RemovalReason.VISUAL_UNREFUSED
        assert found.removals[0].reason is expected
        assert ("nobody refused" in found.removals[0].evidence) is not confirmed
        assert found.removals[0].reviewers == (("r0",) if confirmed else ())


def test_as_many_reviewers_must_agree_as_asked():
    candidate = make_candidate("q", "a", 1)
    votes = [decide(candidate), decide(candidate, reviewer="bo")]
    for policy in ("paper", "confirmed"):
        assert removed_by(plan([candidate], votes[:1], policy, min_confirmations=2)) == []
        assert removed_by(plan([candidate], votes, policy, min_confirmations=2)) == [1]
    disputed = [decide(candidate), decide(candidate, "different", "bo")]
    (removal,) = plan([candidate], disputed, "strict", min_confirmations=2).removals
    assert removal.reason is RemovalReason.VISUAL_CONFIRMED


# What is left over --------------------------------------------------------------------------


def test_candidates_nobody_decided_on_are_pending():
    found = plan(LOUVRE, [decide(LOUVRE[1], "unsure")])
    assert found.pending == (LOUVRE[0].key, LOUVRE[2].key)


@pytest.mark.parametrize("policy", POLICIES)
def test_a_decision_without_a_candidate_is_reported_and_removes_nothing(policy):
    stray = decide(make_candidate("q", "elsewhere", 1))
    found = plan([], [stray], policy)
    assert found.removals == ()
    assert found.unmatched == (stray,)


def test_a_candidate_given_twice_is_refused():
    with pytest.raises(ValueError, match="is a candidate twice"):
        plan([LOUVRE[0], replace(LOUVRE[0], num_inliers=1)], [])


def test_two_decisions_of_one_reviewer_are_refused():
    with pytest.raises(ValueError, match="decided twice: pass the latest"):
        plan(LOUVRE, [decide(LOUVRE[0]), decide(LOUVRE[0], "different")])


# The published figures ----------------------------------------------------------------------

# Song et al. 2024, Table A12: landmark id, images, and which evaluation set's city it lies in.
REMOVED_FROM_GLDV2_CLEAN = [
    (6190, 98, "oxford"),
    (19172, 32, "oxford"),
    (37135, 18, "oxford"),
    (42489, 55, "paris"),
    (147275, 18, "oxford"),
    (152496, 71, "oxford"),
    (167275, 55, "oxford"),
    (181291, 60, "paris"),
    (192090, 23, "oxford"),
    (28949, 91, "paris"),
    (44923, 41, "paris"),
    (47378, 731, "paris"),
    (69195, 34, "paris"),
    (167104, 23, "text"),
    (145268, 72, "paris"),
    (146388, 80, "paris"),
    (138332, 30, "paris"),
    (144472, 33, "paris"),
]
GLDV2_CLEAN_IMAGES, GLDV2_CLEAN_CLASSES = 1_580_470, 81_313


def make_gldv2_clean_sizes():
    """Class sizes of GLDv2-clean: the published ones of Table A12, the rest evened out."""
    sizes = {landmark_id: size for landmark_id, size, _ in REMOVED_FROM_GLDV2_CLEAN}
    num_others = GLDV2_CLEAN_CLASSES - len(sizes)
    size, rest = divmod(GLDV2_CLEAN_IMAGES - sum(sizes.values()), num_others)
    others = range(10**6, 10**6 + num_others)
    return sizes | {other: size + (n < rest) for n, other in enumerate(others)}


@pytest.mark.parametrize("policy", POLICIES)
def test_the_published_removals_give_the_published_totals(policy):
    candidates = [
        make_named("paris", f"{landmark_id}", landmark_id)
        if place == "text"
        else make_candidate(f"{place}_{landmark_id}", f"{landmark_id}", landmark_id)
        for landmark_id, _, place in REMOVED_FROM_GLDV2_CLEAN
    ]
    removed = removed_by(plan(candidates, [decide(c) for c in candidates], policy))
    before = make_gldv2_clean_sizes()
    after = remove_classes(before, removed)
    assert (len(before), sum(before.values())) == (81_313, 1_580_470)
    assert (len(after), sum(after.values())) == (81_295, 1_578_905)
    assert len(removed) == 18
    assert sum(before[landmark_id] for landmark_id in removed) == 1_565


@pytest.mark.parametrize(
    ("places", "num_classes", "num_images"),
    [({"oxford"}, 7, 315), ({"paris", "text"}, 11, 1_250), ({"text"}, 1, 23)],
)
def test_the_published_removals_by_city(places, num_classes, num_images):
    here = [landmark for landmark, _, place in REMOVED_FROM_GLDV2_CLEAN if place in places]
    before = make_gldv2_clean_sizes()
    after = remove_classes(before, here)
    assert len(before) - len(after) == num_classes
    assert sum(before.values()) - sum(after.values()) == num_images


# Properties ---------------------------------------------------------------------------------


@st.composite
def reviews(draw):
    """Candidates on images of known classes, and decisions on some of them and on others."""
    images = {f"i{n}": draw(st.integers(1, 4)) for n in range(8)}
    keys = st.tuples(st.sampled_from(["q1", "q2", "q3"]), st.sampled_from(sorted(images)))
    candidates = [
        make_candidate(query_id, i, images[i], draw(st.integers(0, 3)), draw(VERDICTS))
        for query_id, i in sorted(draw(st.sets(keys, max_size=14)))
    ]
    candidates += [
        make_named("paris", i, images[i])
        for i in sorted(draw(st.sets(st.sampled_from(sorted(images)), max_size=3)))
    ]
    strays = [make_candidate("q4", "i0", 1)]
    voters = st.dictionaries(st.sampled_from(["anna", "bo"]), st.sampled_from(list(Decision)))
    decisions = [
        decide(candidate, vote, reviewer)
        for candidate in candidates + strays
        for reviewer, vote in draw(voters).items()
    ]
    return images, candidates, decisions


VERDICTS = st.sampled_from(["match", "below_threshold", "rejected"])


@given(reviews(), st.sampled_from(POLICIES), st.integers(1, 2), st.randoms(use_true_random=False))
def test_the_order_of_the_input_does_not_matter(review, policy, needed, random):
    _, candidates, decisions = review
    expected = plan(candidates, decisions, policy, min_confirmations=needed)
    random.shuffle(candidates)
    random.shuffle(decisions)
    assert plan(candidates, decisions, policy, min_confirmations=needed) == expected


@given(reviews(), st.integers(1, 2))
def test_each_policy_removes_at_least_what_the_milder_one_removes(review, needed):
    _, candidates, decisions = review
    paper, confirmed, strict = (
        set(removed_by(plan(candidates, decisions, policy, min_confirmations=needed)))
        for policy in POLICIES
    )
    assert paper <= confirmed <= strict


@given(reviews(), st.sampled_from(POLICIES))
def test_asking_for_more_confirmations_never_removes_more_queries_or_names(review, policy):
    _, candidates, decisions = review
    one, two = (plan(candidates, decisions, policy, min_confirmations=needed) for needed in (1, 2))
    queries_of_one = {query for removal in one.removals for query in removal.queries}
    assert {query for removal in two.removals for query in removal.queries} <= queries_of_one


@given(reviews(), st.sampled_from(POLICIES))
def test_removing_leaves_the_rest_and_twice_is_once(review, policy):
    images, candidates, decisions = review
    classes = {
        landmark_id: [i for i in images if images[i] == landmark_id]
        for landmark_id in set(images.values())
    }
    removed = removed_by(plan(candidates, decisions, policy))
    once = remove_classes(classes, removed)
    assert remove_classes(once, removed) == once
    assert not once.keys() & set(removed)
    num_gone = sum(len(classes[landmark_id]) for landmark_id in removed)
    assert sum(map(len, once.values())) == len(images) - num_gone


@given(reviews(), st.sampled_from(["confirmed", "strict"]))
def test_what_remains_after_removal_gives_no_reason_to_remove_more(review, policy):
    _, candidates, decisions = review
    removed = removed_by(plan(candidates, decisions, policy))
    remaining = [c for c in candidates if c.landmark_id not in removed]
    assert plan(remaining, decisions, policy).removals == ()


@given(reviews(), st.sampled_from(POLICIES))
def test_every_decision_and_candidate_is_accounted_for(review, policy):
    images, candidates, decisions = review
    found = plan(candidates, decisions, policy)
    keys = {candidate.key for candidate in candidates}
    decided = {CandidateKey(d.eval_set, d.query_id, d.image_id) for d in decisions}
    assert set(found.pending) == keys - decided
    assert {d.query_id for d in found.unmatched} <= {"q4"}
    assert len(found.unmatched) == len([d for d in decisions if d.query_id == "q4"])
    for removal in found.removals:
        assert removal.evidence
        assert {images[image_id] for image_id in removal.images} == {removal.landmark_id}
