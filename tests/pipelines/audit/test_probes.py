import pytest

from curation.canaries import CanaryKind
from manifests.certificates.covered_tables import ProbeRole
from pipelines.audit.probes import OTHER_LANDMARK, count_trials, judge_probes

LANDMARKS = {"s": {"q1": "q1", "q2": "q1", "q3": "q3"}}


def _planted(kind, query_id="q1"):
    return {"image_id": "canary:1", "eval_set": "s", "kind": kind, "query_id": query_id}


def _match(query_id, eval_set="s", image_id="canary:1"):
    return {"eval_set": eval_set, "query_id": query_id, "image_id": image_id}


def _judge(kind, *matches, landmarks=LANDMARKS, query_id="q1"):
    """Kind and role of each trial -> whether it was found."""
    probes = judge_probes([_planted(kind, query_id)], matches, landmarks)
    return {(p.role, p.kind, p.query_id): p.found for p in probes}


def _is_found(kind, *matches):
    return _judge(kind, *matches)[ProbeRole.CANARY, kind, "q1"]


@pytest.mark.parametrize(
    ("match", "is_found"),
    [
        (_match("q1"), True),
        (_match("q2"), False),
        (_match("q1", eval_set="t"), False),
        (_match("q1", image_id="canary:2"), False),
    ],
)
def test_a_view_must_be_found_by_its_own_query(match, is_found):
    assert _is_found(CanaryKind.ROTATED, match) is is_found


def test_another_photograph_may_be_found_by_any_query_of_its_landmark():
    assert _is_found(CanaryKind.SAME_LANDMARK_HARD, _match("q2"))
    assert not _is_found(CanaryKind.SAME_LANDMARK_HARD, _match("q3"))


def test_a_scrambled_view_is_accepted_by_any_query():
    key = ProbeRole.CONTROL, CanaryKind.SCRAMBLED, "q1"
    assert _judge(CanaryKind.SCRAMBLED) == {key: False}
    assert _judge(CanaryKind.SCRAMBLED, _match("q3")) == {key: True}


def test_a_canary_is_a_control_for_queries_of_other_landmarks():
    control = ProbeRole.CONTROL, OTHER_LANDMARK, "q3"
    assert _judge(CanaryKind.ROTATED)[control] is False
    assert _judge(CanaryKind.ROTATED, _match("q3"))[control] is True
    assert (ProbeRole.CONTROL, OTHER_LANDMARK, "q2") not in _judge(CanaryKind.ROTATED)


def test_without_ground_truth_nothing_is_another_landmark():
    probes = judge_probes([_planted(CanaryKind.ROTATED)], [], {"s": {}})
    assert [probe.role for probe in probes] == [ProbeRole.CANARY]
    assert count_trials(probes, OTHER_LANDMARK) == {}


def test_trials_are_counted_by_set():
    probes = judge_probes([_planted(CanaryKind.ROTATED, q) for q in ("q1", "q3")], [], LANDMARKS)
    assert count_trials(probes, OTHER_LANDMARK) == {"s": 3}
