from datetime import UTC, datetime

import pandas as pd
import pytest

from manifests.certificates.covered_tables import FindingStatus
from manifests.decisions import DecisionRow
from manifests.rows import Decision
from pipelines.audit.findings import PEOPLE, SAME_FILE, SEARCH, collect_findings

IMAGES = pd.DataFrame(
    {"image_id": ["a", "b", "c"], "label": ["1", "1", "2"], "sha256": ["A", "B", None]}
)
EVALUATED = [
    {"eval_set": "s", "role": "query", "item_id": "q", "sha256": "Q"},
    {"eval_set": "s", "role": "database", "item_id": "d", "sha256": "D"},
]


def _candidate(image_id, verdict="match", query_id="q"):
    return {
        "eval_set": "s", "query_id": query_id, "image_id": image_id, "verdict": verdict,
        "num_inliers": 40, "num_tentative": 90, "probe": "crop", "similarity": 0.51234,
    }  # fmt: skip


def _vote(image_id, decision, reviewer="ana"):
    time = datetime(2026, 1, 1, tzinfo=UTC)
    return DecisionRow("s", "q", image_id, reviewer, Decision(decision), time, None)


def _collect(candidates=(), votes=(), images=IMAGES):
    return collect_findings(list(candidates), images, EVALUATED, votes)


def _statuses(*votes):
    return [finding.status for finding in _collect([_candidate("a")], votes)]


def test_a_match_waits_for_people():
    (finding,) = _collect([_candidate("a"), _candidate("b", "below_threshold")])
    assert (finding.image_id, finding.label, finding.query_id) == ("a", "1", "q")
    assert (finding.status, finding.found_by) == (FindingStatus.UNDECIDED, SEARCH)
    assert finding.num_inliers == 40
    assert finding.evidence == "40 of 90 correspondences agree in the crop query, similarity 0.512"


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (["different"], FindingStatus.REFUSED),
        (["same"], FindingStatus.OVERLAP),
        (["unsure"], FindingStatus.UNDECIDED),
        (["different", "unsure"], FindingStatus.REFUSED),
        (["different", "different", "same"], FindingStatus.OVERLAP),
    ],
)
def test_people_decide(said, status):
    votes = [_vote("a", decision, f"r{n}") for n, decision in enumerate(said)]
    assert _statuses(*votes) == [status]


def test_what_people_say_is_evidence():
    votes = [_vote("a", "different", "ben"), _vote("a", "different", "ana"), _vote("a", "unsure")]
    (finding,) = _collect([_candidate("a")], votes[:2])
    assert finding.evidence.endswith("; different: ana, ben")


def test_people_may_see_what_the_search_did_not():
    findings = _collect(
        [_candidate("b", "below_threshold")], [_vote("b", "same"), _vote("c", "same")]
    )
    assert [(f.image_id, f.status, f.found_by) for f in findings] == [
        ("b", FindingStatus.OVERLAP, PEOPLE),
        ("c", FindingStatus.OVERLAP, PEOPLE),
    ]
    assert [f.num_inliers for f in findings] == [40, None]


def test_a_refusal_of_what_was_not_found_is_no_finding():
    assert _collect(votes=[_vote("b", "different")]) == []


@pytest.mark.parametrize(("digest", "query_id"), [("Q", "q"), ("D", "database:d")])
def test_a_file_of_the_evaluation_set_is_overlap_whatever_people_say(digest, query_id):
    images = IMAGES.assign(sha256=["A", digest, None])
    (finding,) = _collect(votes=[_vote("b", "different")], images=images)
    assert (finding.image_id, finding.query_id) == ("b", query_id)
    assert (finding.status, finding.found_by) == (FindingStatus.OVERLAP, SAME_FILE)


def test_one_likeness_is_one_finding():
    images = IMAGES.assign(sha256=["Q", "B", None])
    (finding,) = _collect([_candidate("a")], [_vote("a", "same")], images)
    assert finding.evidence == (
        "the two files are the same; 40 of 90 correspondences agree in the crop query, similarity "
        "0.512; same: ana"
    )


def test_findings_are_sorted_whatever_the_order_of_the_candidates():
    candidates = [_candidate("b"), _candidate("a", query_id="r"), _candidate("a")]
    found = _collect(candidates)
    assert found == _collect(candidates[::-1], images=IMAGES[::-1])
    assert [(f.image_id, f.query_id) for f in found] == [("a", "q"), ("a", "r"), ("b", "q")]
