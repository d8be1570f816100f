"""Each gate, on both sides of its limit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.certificates.covered_tables import FindingStatus
from manifests.certificates.gates import AuditLimits, GateName, judge
from manifests.certificates.statement import (
    CanaryRecall,
    ControlResult,
    Coverage,
    EvaluationSide,
    measure_interval,
)

LIMITS = AuditLimits(min_recall={"crop": 0.5}, max_false_accept_rate=0.2)


def canaries(found, planted=20, eval_set="a", kind="crop"):
    low, high = measure_interval(found, planted)
    counts = {"planted": planted, "found": found, "low": low, "high": high}
    return CanaryRecall(kind=kind, words="", eval_set=eval_set, **counts)


def controls(accepted, trials=40, eval_set="a", kind="other"):
    low, high = measure_interval(accepted, trials)
    counts = {"trials": trials, "accepted": accepted, "low": low, "high": high}
    return ControlResult(kind=kind, words="", eval_set=eval_set, **counts)


def side(name="a", num_unread=0):
    counts = {"num_queries": 3, "num_database": 0, "num_unread": num_unread}
    return EvaluationSide(name=name, format="", root="0" * 64, **counts)


BOTH = [controls(0), controls(0, eval_set="b")]


def judge_parts(**changes):
    parts = {
        "limits": LIMITS,
        "findings": {FindingStatus.REFUSED: 5},
        "coverage": Coverage(listed=10, examined=10, uncovered={}),
        "evaluations": [side()],
        "recall": [canaries(20)],
        "controls": [controls(0)],
    }
    return judge(**(parts | changes))


def failed(**changes):
    verdict = judge_parts(**changes)
    names = [gate.name for gate in verdict.gates if not gate.passed]
    assert verdict.passed == (not names)
    return names


def test_a_list_without_fault_passes():
    assert failed() == []
    assert "no overlap was found" in judge_parts().reason


@pytest.mark.parametrize(
    ("changes", "gate"),
    [
        ({"findings": {FindingStatus.OVERLAP: 1}}, GateName.OVERLAP),
        ({"findings": {FindingStatus.UNDECIDED: 1}}, GateName.UNDECIDED),
        ({"coverage": Coverage(listed=10, examined=9, uncovered={"x": 1})}, GateName.EXAMINED),
        ({"coverage": Coverage(listed=0, examined=0, uncovered={})}, GateName.EXAMINED),
        ({"evaluations": [side(num_unread=1)]}, GateName.EVALUATION_READ),
        ({"recall": [canaries(10)]}, GateName.RECALL),
        ({"recall": []}, GateName.RECALL),
        ({"recall": [canaries(0, 0)]}, GateName.RECALL),
        ({"evaluations": [side(), side("b")], "controls": BOTH}, GateName.RECALL),
        (
            {
                "evaluations": [side(), side("b")],
                "recall": [canaries(20), canaries(20, eval_set="b")],
            },
            GateName.FALSE_ACCEPTS,
        ),
        ({"controls": [controls(8)]}, GateName.FALSE_ACCEPTS),
        ({"controls": [controls(0, 0)]}, GateName.FALSE_ACCEPTS),
        ({"controls": []}, GateName.FALSE_ACCEPTS),
    ],
)
def test_one_fault_fails_one_gate(changes, gate):
    assert failed(**changes) == [gate]


def test_a_limit_of_its_own_lets_it_pass():
    limits = {"min_recall": {"crop": 0.5}, "max_undecided": 1, "min_examined": 0.9, "max_unread": 1}
    loose = AuditLimits(**limits, max_false_accept_rate=0.2)
    changes = {
        "findings": {FindingStatus.UNDECIDED: 1},
        "coverage": Coverage(listed=10, examined=9, uncovered={"x": 1}),
        "evaluations": [side(num_unread=1)],
    }
    assert failed(limits=loose, **changes) == []


def test_a_kind_without_a_limit_decides_nothing():
    assert failed(recall=[canaries(20), canaries(0, kind="other photograph")]) == []


def test_one_kind_of_control_is_enough_for_a_set():
    assert failed(controls=[controls(0), controls(0, 0, kind="rare")]) == []
    assert failed(controls=[controls(0), controls(9, kind="rare")]) == [GateName.FALSE_ACCEPTS]


@given(st.integers(0, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_recall_is_judged_by_the_lower_end(counts):
    passes = float(measure_interval(*counts)[0]) >= LIMITS.min_recall["crop"]
    assert (failed(recall=[canaries(*counts)]) == []) == passes


def test_the_reason_names_every_fault():
    reason = judge_parts(findings={FindingStatus.OVERLAP: 2}, controls=[]).reason
    assert "overlaps of an image of the list with an evaluation query: 2" in reason
    assert "no negative controls" in reason


def test_without_canaries_there_are_no_limits():
    with pytest.raises(ValueError, match="min_recall"):
        AuditLimits(min_recall={})
