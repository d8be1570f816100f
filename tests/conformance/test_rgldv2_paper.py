"""The procedure of Song et al. 2024 (section 3 and Table A12), a test for each of its sentences.

The paper gives no k, no threshold and no rule for ties; where a test needs one it says so. Its
descriptors (GLAM) and its index (HNSW) are replaced: exact search finds what HNSW approximates.
"""

from datetime import UTC, datetime

import numpy as np
import pytest

from curation.named_candidates import propose_text_candidates
from curation.neighbours import find_neighbours
from curation.overlap import OverlapSettings, ProbeMatch, select_visual_candidates
from curation.overlap_evidence import CandidateKey, ReviewedCandidate
from curation.removal_policies import RemovalSettings, plan_removals, remove_classes
from curation.sift import SiftSettings
from curation.train_split import ImageVerdict
from curation.verification_settings import VerificationSettings
from manifests.decisions import DecisionRow
from manifests.reference.published_removal import (
    GLDV2_CLEAN,
    RGLDV2_CLEAN,
    read_published_classes,
)
from manifests.rows import (
    CandidateSource,
    CandidateVerdict,
    Decision,
    ImageReason,
    PairReason,
    PairVerdict,
    RemovalReason,
)

PAPER = RemovalSettings()
EVALUATORS = ("first", "second", "third")
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


def make_match(image_id, num_inliers, similarity=0.5, landmark_id=1, query_id="q", probe="crop"):
    accepted = num_inliers >= 20
    return ProbeMatch(
        eval_set="rparis6k",
        query_id=query_id,
        probe=probe,
        image_id=image_id,
        landmark_id=landmark_id,
        similarity=similarity,
        num_features_query=500,
        num_features_image=500,
        num_tentative=num_inliers,
        num_inliers=num_inliers,
        model="affine" if accepted else None,
        transform=None,
        verdict=PairVerdict.VERIFIED if accepted else PairVerdict.REJECTED,
        reason=PairReason.ENOUGH_INLIERS if accepted else PairReason.TOO_FEW_INLIERS,
    )


def review(*candidates):
    """Candidates as the removal rule takes them."""
    return [
        ReviewedCandidate(
            CandidateKey(c.eval_set, c.query_id, c.image_id),
            c.landmark_id,
            c.num_inliers,
            c.verdict,
            c.source,
        )
        for c in candidates
    ]


def look_at(matches, **settings):
    return select_visual_candidates(matches, {}, OverlapSettings(**settings))


def find_by_name(names, terms=("oxford", "paris")):
    verdicts = [
        ImageVerdict(f"{landmark_id:016x}", landmark_id, True, ImageReason.VERIFIED, 3, None, None)
        for landmark_id in names
    ]
    return propose_text_candidates("paris", terms, verdicts, names)


def vote(candidate, decision="same", evaluator=EVALUATORS[0]):
    return DecisionRow(*candidate.key, evaluator, Decision(decision), NOON, None)


def confirm(candidates):
    return [vote(candidate) for candidate in candidates]


def removed_from(candidates, decisions, settings=PAPER):
    return [r.landmark_id for r in plan_removals(candidates, decisions, settings).removals]


# 1. Descriptors of the evaluation queries and of the training set.


def test_1_queries_and_training_images_are_compared_by_one_global_descriptor():
    rng = np.random.default_rng(0)
    training = rng.normal(size=(50, 8)).astype(np.float32)
    training /= np.linalg.norm(training, axis=1, keepdims=True)
    query = training[17:18]
    nearest, similarity = find_neighbours(query, training, 1)
    assert nearest[0, 0] == 17
    assert similarity[0, 0] == pytest.approx(1)


def test_1_both_views_of_a_query_are_searched_because_the_paper_does_not_say_which():
    matches = [make_match("a", 5, 0.3, probe="crop"), make_match("a", 40, 0.9, probe="whole")]
    (candidate,) = look_at(matches)
    assert (candidate.probe, candidate.num_inliers) == ("whole", 40)
    assert candidate.similarity == 0.9


# 2. The training features are indexed, and the k nearest of each query are ranked.


@pytest.mark.parametrize("k", [1, 5, 100])
def test_2_the_k_nearest_training_images_of_each_query_are_ranked(k):
    rng = np.random.default_rng(1)
    training = rng.normal(size=(40, 8)).astype(np.float32)
    training /= np.linalg.norm(training, axis=1, keepdims=True)
    nearest, similarity = find_neighbours(training[:3], training, k)
    assert nearest.shape == (3, min(k, 40))
    best = np.sort((training[:3] @ training.T).astype(np.float64), axis=1)[:, ::-1][:, :k]
    np.testing.assert_allclose(similarity, best, atol=1e-5)


def test_2_the_five_nearest_are_always_shown_as_in_the_figures():
    matches = [make_match(f"i{n}", 0, 1 - n / 10) for n in range(9)]
    shown = look_at(matches)
    assert [(c.image_id, c.rank) for c in shown] == [(f"i{n}", n + 1) for n in range(5)]


# 3. The ranked images are verified by SIFT, a kd-tree and RANSAC inliers.


def test_3_the_ranked_images_are_verified_by_inliers_of_local_features():
    matches = [make_match("few", 19, 0.2), make_match("enough", 20, 0.1)]
    assert [c.image_id for c in look_at(matches, always_show_top=0)] == ["enough"]
    assert SiftSettings().max_features > 0
    assert OverlapSettings().min_inliers < VerificationSettings().min_inliers


# 4. Three evaluators look at the verified matches; one that any of them confirms is kept.


def test_4_a_match_that_no_evaluator_confirms_is_not_kept():
    candidates = review(*look_at([make_match("a", 300)]))
    assert removed_from(candidates, []) == []
    refusals = [vote(candidates[0], "different", who) for who in EVALUATORS]
    assert removed_from(candidates, refusals) == []


@pytest.mark.parametrize("who", EVALUATORS)
def test_4_a_match_that_one_of_three_evaluators_confirms_is_kept(who):
    candidates = review(*look_at([make_match("a", 30)]))
    votes = [vote(candidates[0], "same" if who == e else "different", e) for e in EVALUATORS]
    assert removed_from(candidates, votes) == [1]


def test_4_people_come_before_the_majority_as_in_the_paper_and_not_after_it():
    # Class 1 has most matches but none that a person confirms; the majority is among the rest.
    many = [make_match(f"a{n}", 50, landmark_id=1) for n in range(3)]
    candidates = review(*look_at([*many, make_match("b", 25, landmark_id=2)]))
    votes = [vote(c, "same" if c.landmark_id == 2 else "different") for c in candidates]
    assert removed_from(candidates, votes) == [2]


# 5. For each query, the whole class that occurs most often among the confirmed is removed.


def test_5_the_class_that_occurs_most_often_for_a_query_is_removed():
    matches = [make_match(f"a{n}", 21, landmark_id=1) for n in range(10)]
    matches += [make_match(f"b{n}", 900, landmark_id=2) for n in range(9)]
    candidates = review(*look_at(matches))
    plan = plan_removals(candidates, confirm(candidates), PAPER)
    assert [r.landmark_id for r in plan.removals] == [1]
    assert plan.removals[0].reason is RemovalReason.VISUAL_MAJORITY
    assert [(c.landmark_id, c.num_images) for c in plan.removals[0].runner_ups] == [(2, 9)]


def test_5_each_query_has_a_majority_of_its_own():
    matches = [
        make_match("a", 30, landmark_id=1, query_id="q1"),
        make_match("b", 30, landmark_id=2, query_id="q2"),
    ]
    candidates = review(*look_at(matches))
    assert removed_from(candidates, confirm(candidates)) == [1, 2]


def test_5_images_are_counted_and_not_votes():
    matches = [make_match("a", 30, landmark_id=1)]
    matches += [make_match(f"b{n}", 30, landmark_id=2) for n in range(2)]
    candidates = review(*look_at(matches))
    of_one = [c for c in candidates if c.landmark_id == 1]
    votes = [vote(of_one[0], "same", who) for who in EVALUATORS]
    votes += [vote(c) for c in candidates if c.landmark_id == 2]
    assert removed_from(candidates, votes) == [2]


def test_5_ties_which_the_paper_leaves_open_go_to_more_inliers_then_to_the_smaller_id():
    stronger = [make_match("a", 30, landmark_id=1), make_match("b", 31, landmark_id=2)]
    candidates = review(*look_at(stronger))
    plan = plan_removals(candidates, confirm(candidates), PAPER)
    assert [r.landmark_id for r in plan.removals] == [2]
    assert [(tie.removed, tie.spared) for tie in plan.ties] == [(2, (1,))]
    even = review(
        *look_at([make_match("a", 30, landmark_id=1), make_match("b", 30, landmark_id=2)])
    )
    assert removed_from(even, confirm(even)) == [1]


def test_5_the_whole_class_goes_with_images_that_match_nothing():
    candidates = review(*look_at([make_match("a", 30, landmark_id=1)]))
    removed = removed_from(candidates, confirm(candidates))
    assert remove_classes({1: ["a", "b", "c"], 2: ["d"]}, removed) == {2: ["d"]}


# 6. Every class whose name contains Oxford or Paris is a candidate, and goes if confirmed.


@pytest.mark.parametrize(
    ("name", "is_candidate"),
    [
        ("All Souls College, Oxford", True),
        ("OXFORD Canal", True),
        ("Place Charles-de-Gaulle (Paris)", True),
        ("Oxfordshire Museum", True),  # "contains", in the middle of a word too
        ("Paris Las Vegas", True),  # people refuse it
        ("Radcliffe Camera", False),
        ("Hôtel des Invalides", False),  # the printed name of the class that text is said to add
    ],
)
def test_6_a_class_whose_name_contains_oxford_or_paris_is_a_candidate(name, is_candidate):
    assert bool(find_by_name({7: name})) is is_candidate


def test_6_a_class_found_by_its_name_goes_when_one_evaluator_confirms_it_and_not_before():
    candidates = review(*find_by_name({7: "Hotel des Invalides Paris"}))
    assert [c.source for c in candidates] == [CandidateSource.TEXT]
    assert [c.verdict for c in candidates] == [CandidateVerdict.NAMED]
    assert removed_from(candidates, []) == []
    refused = [vote(candidates[0], "different", who) for who in EVALUATORS[:2]]
    assert removed_from(candidates, refused) == []
    assert removed_from(candidates, [*refused, vote(candidates[0], "same", EVALUATORS[2])]) == [7]


def test_6_the_channel_of_names_is_independent_of_that_of_photographs():
    seen = review(*look_at([make_match(f"a{n}", 30, landmark_id=1) for n in range(3)]))
    named = review(*find_by_name({7: "Paris", 8: "Oxford"}))
    assert removed_from([*seen, *named], confirm([*seen, *named])) == [1, 7, 8]


# 7. RGLDv2-clean is GLDv2-clean without the union of these classes.


def test_7_the_result_is_the_clean_split_less_the_union_of_both_channels():
    published = read_published_classes()
    seen = [
        make_match(f"{c.landmark_id}", 30, landmark_id=c.landmark_id, query_id=f"q{c.landmark_id}")
        for c in published
        if c.found_by == "visual"
    ]
    named = {c.landmark_id: "Hotel des Invalides Paris" for c in published if c.found_by == "text"}
    candidates = review(*look_at(seen), *find_by_name(named))
    removed = removed_from(candidates, confirm(candidates))
    assert removed == [c.landmark_id for c in published]
    num_images = {c.landmark_id: c.images for c in published}
    rest = {-1: GLDV2_CLEAN.images - sum(num_images.values())}
    left = remove_classes(num_images | rest, removed)
    assert sum(left.values()) == RGLDV2_CLEAN.images
    assert GLDV2_CLEAN.classes - len(removed) == RGLDV2_CLEAN.classes


@pytest.mark.parametrize("policy", ["confirmed", "strict"])
def test_7_the_other_policies_remove_what_the_paper_leaves_behind(policy):
    matches = [make_match(f"a{n}", 30, landmark_id=1) for n in range(2)]
    matches += [make_match("b", 30, landmark_id=2)]
    candidates = review(*look_at(matches))
    votes = confirm(candidates)
    assert removed_from(candidates, votes) == [1]
    assert removed_from(candidates, votes, RemovalSettings(policy=policy)) == [1, 2]
