"""Votes summed up."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from manifests.certificates.votes import summarise_votes
from manifests.decisions import DecisionRow
from manifests.rows import Decision

WORDS = st.text(max_size=4)
VOTES = st.builds(
    DecisionRow,
    eval_set=WORDS,
    query_id=WORDS,
    image_id=WORDS,
    reviewer=WORDS,
    decision=st.sampled_from(Decision),
    decided_at=st.datetimes(timezones=st.just(UTC)),
    comment=st.none() | WORDS,
)


def vote(reviewer, decision, second=0, query_id="q"):
    when = datetime(2024, 1, 1, 0, 0, second, tzinfo=UTC)
    return DecisionRow("tiny", query_id, "a", reviewer, decision, when, None)


def test_votes_are_counted():
    votes = [
        vote("anna", Decision.SAME),
        vote("anna", Decision.UNSURE, query_id="p"),
        vote("ben", Decision.SAME),
    ]
    summary = summarise_votes(votes)
    assert summary.num_reviewers == 2
    assert summary.counts == {"same": 2, "different": 0, "unsure": 1}


def test_no_votes():
    summary = summarise_votes([])
    assert (summary.num_reviewers, summary.decisions_sha256) == (0, None)


@given(st.lists(VOTES, min_size=1, max_size=6), st.data())
def test_the_digest_depends_on_the_votes_alone(votes, data):
    digest = summarise_votes(votes).decisions_sha256
    assert summarise_votes(data.draw(st.permutations(votes))).decisions_sha256 == digest
    assert summarise_votes([*votes, vote("zoe", Decision.SAME)]).decisions_sha256 != digest


def test_when_somebody_voted_decides_nothing_and_what_does():
    digests = {
        summarise_votes([changed]).decisions_sha256
        for changed in (vote("anna", Decision.SAME), vote("anna", Decision.SAME, second=9))
    }
    assert len(digests) == 1
    other = summarise_votes([vote("anna", Decision.DIFFERENT)]).decisions_sha256
    assert other not in digests
