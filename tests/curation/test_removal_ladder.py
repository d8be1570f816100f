"""The policies on a thousand random graphs of queries, images, classes and votes."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
from slow_removals import plan_removals_slowly

from curation.overlap_evidence import CandidateColumns, CandidateKey, ReviewedCandidate
from curation.removal_policies import RemovalSettings, plan_removals
from manifests.decisions import DecisionRow
from manifests.rows import CandidateSource, CandidateVerdict, Decision

NUM_GRAPHS = 1000
POLICIES = ("paper", "confirmed", "strict")
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


def draw_graph(seed):
    """Images of some classes, candidates among them, and what up to three people said of them."""
    rng = np.random.default_rng(seed)
    num_images, num_classes = int(rng.integers(3, 20)), int(rng.integers(1, 7))
    classes = {f"i{n:02d}": int(rng.integers(num_classes)) for n in range(num_images)}
    queries = [("roxford", "q1"), ("rparis", "q1"), ("rparis", "q2"), ("rparis", "text:paris")]
    candidates = [
        _draw_candidate(rng, CandidateKey(*query, image_id), landmark_id)
        for query in queries
        for image_id, landmark_id in classes.items()
        if rng.random() < rng.choice([0.2, 0.8])
    ]
    keys = [candidate.key for candidate in candidates] + [CandidateKey("rparis", "q9", "i00")]
    decisions = [
        DecisionRow(*key, reviewer, Decision(str(rng.choice(list(Decision)))), NOON, None)
        for key in keys
        for reviewer in ("ana", "bo", "cy")
        if rng.random() < 0.4
    ]
    return classes, candidates, decisions


def _draw_candidate(rng, key, landmark_id):
    if key.query_id.startswith("text:"):
        source, verdict, num_inliers = CandidateSource.TEXT, CandidateVerdict.NAMED, None
    else:
        source, num_inliers = CandidateSource.VISUAL, int(rng.integers(0, 4))
        words = (CandidateVerdict.MATCH, CandidateVerdict.BELOW_THRESHOLD)
        verdict = words[int(rng.integers(2))]
    return ReviewedCandidate(key, landmark_id, num_inliers, verdict, source)


@pytest.fixture(scope="module")
def graphs():
    return [draw_graph(seed) for seed in range(NUM_GRAPHS)]


def _plan(candidates, decisions, policy, needed=1):
    settings = RemovalSettings(policy=policy, min_confirmations=needed)
    return plan_removals(candidates, decisions, settings)


def _classes(plan):
    return {removal.landmark_id for removal in plan.removals}


def _images(plan):
    return {image_id for removal in plan.removals for image_id in removal.images}


@pytest.mark.parametrize("needed", [1, 2])
def test_the_classes_of_paper_are_among_those_of_confirmed_and_these_among_those_of_strict(
    graphs, needed
):
    proper = [0, 0]
    for _, candidates, decisions in graphs:
        paper, confirmed, strict = (
            _classes(_plan(candidates, decisions, policy, needed)) for policy in POLICIES
        )
        assert paper <= confirmed <= strict
        proper[0] += paper < confirmed
        proper[1] += confirmed < strict
    # Graphs on which all policies agree would show nothing.
    assert min(proper) > NUM_GRAPHS / 50


def test_single_images_form_the_same_ladder(graphs):
    for _, candidates, decisions in graphs:
        paper, confirmed, strict = (
            _images(_plan(candidates, decisions, policy)) for policy in POLICIES
        )
        assert paper <= confirmed <= strict


@pytest.mark.parametrize("policy", POLICIES)
def test_single_images_are_part_of_the_classes_that_go_and_of_each_of_them(graphs, policy):
    for classes, candidates, decisions in graphs:
        plan = _plan(candidates, decisions, policy)
        whole = {i for i, landmark_id in classes.items() if landmark_id in _classes(plan)}
        assert _images(plan) <= whole
        assert {classes[image_id] for image_id in _images(plan)} == _classes(plan)


def test_under_confirmed_single_images_are_exactly_the_confirmed_ones(graphs):
    for _, candidates, decisions in graphs:
        said_same = {d.image_id for d in decisions if d.decision is Decision.SAME}
        stray = {d.image_id for d in decisions if d.query_id == "q9"}
        confirmed = _images(_plan(candidates, decisions, "confirmed"))
        assert confirmed <= said_same
        assert said_same - confirmed <= stray


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("needed", [1, 2])
def test_the_plan_is_that_of_the_rules_written_out(graphs, policy, needed):
    settings = RemovalSettings(policy=policy, min_confirmations=needed)
    for _, candidates, decisions in graphs:
        plan = plan_removals(candidates, decisions, settings)
        removals, ties, pending, unmatched = plan_removals_slowly(candidates, decisions, settings)
        assert {r.landmark_id: _as_slow(r) for r in plan.removals} == removals
        assert {tie.query: list(tie.spared) for tie in plan.ties} == ties
        assert list(plan.pending) == pending
        assert [decision.key for decision in plan.unmatched] == unmatched


def _as_slow(removal):
    runner_ups = [(c.query, c.landmark_id, c.num_images, c.num_inliers) for c in removal.runner_ups]
    ours = (removal.queries, removal.images, removal.reviewers)
    return (removal.reason, *map(list, ours), runner_ups)


def test_rows_of_a_table_give_the_same_plan_as_objects(graphs):
    for _, candidates, decisions in graphs[:50]:
        rows = [
            {
                **candidate.key._asdict(),
                "landmark_id": candidate.landmark_id,
                "num_inliers": candidate.num_inliers,
                "verdict": candidate.verdict.value,
                "source": candidate.source.value,
            }
            for candidate in reversed(candidates)
        ]
        if not rows:
            continue
        columns = CandidateColumns.from_table(pa.Table.from_pylist(rows))
        parts = [pa.Table.from_pylist(rows[start::3]) for start in range(min(3, len(rows)))]
        in_parts = CandidateColumns.from_tables(parts)
        for policy in POLICIES:
            assert _plan(columns, decisions, policy) == _plan(candidates, decisions, policy)
            assert _plan(in_parts, decisions, policy) == _plan(candidates, decisions, policy)
