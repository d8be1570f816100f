"""The removal rules once more, written for the reader: one candidate after another, no columns.

The package's own code must come to the same classes, reasons, images, ties and remains.
"""

from collections import Counter, defaultdict

from curation.overlap_evidence import CandidateKey
from manifests.rows import CandidateSource, CandidateVerdict, Decision, RemovalReason

_STRONGEST_FIRST = (
    RemovalReason.VISUAL_MAJORITY,
    RemovalReason.VISUAL_CONFIRMED,
    RemovalReason.TEXT_CONFIRMED,
    RemovalReason.VISUAL_UNREFUSED,
)


def plan_removals_slowly(candidates, decisions, settings):
    """Class -> (reason, queries, images, reviewers, runner-ups), then ties, pending, unmatched."""
    votes = defaultdict(dict)
    for d in decisions:
        votes[CandidateKey(d.eval_set, d.query_id, d.image_id)][d.reviewer] = d.decision
    keys = {candidate.key for candidate in candidates}
    standings = _rank_classes(candidates, votes, settings)
    grounds = defaultdict(list)
    for candidate in candidates:
        reason = _find_reason(candidate, votes[candidate.key], standings, settings)
        if reason is not None:
            grounds[candidate.landmark_id].append((reason, candidate))
    removals = {
        landmark_id: _describe(own, votes, standings if settings.policy == "paper" else {})
        for landmark_id, own in grounds.items()
    }
    ties = {
        query: [entry[2] for entry in ranked[1:] if entry[0] == ranked[0][0]]
        for query, ranked in standings.items()
        if settings.policy == "paper"
    }
    return (
        removals,
        {query: sorted(spared) for query, spared in ties.items() if spared},
        sorted(key for key in keys if not votes[key]),
        sorted(d.key for d in decisions if (d.eval_set, d.query_id, d.image_id) not in keys),
    )


def _is_confirmed(own_votes, settings):
    needed = 1 if settings.policy == "strict" else settings.min_confirmations
    return list(own_votes.values()).count(Decision.SAME) >= needed


def _rank_classes(candidates, votes, settings):
    """Query -> [(-images, -inliers, class), ...], the first to be removed first."""
    images, inliers = defaultdict(Counter), defaultdict(Counter)
    for c in candidates:
        if c.source is CandidateSource.VISUAL and _is_confirmed(votes[c.key], settings):
            images[c.key.query][c.landmark_id] += 1
            inliers[c.key.query][c.landmark_id] += c.num_inliers
    return {
        query: sorted((-number, -inliers[query][i], i) for i, number in counted.items())
        for query, counted in images.items()
    }


def _find_reason(candidate, own_votes, standings, settings):
    if _is_confirmed(own_votes, settings):
        if candidate.source is CandidateSource.TEXT:
            return RemovalReason.TEXT_CONFIRMED
        if settings.policy != "paper":
            return RemovalReason.VISUAL_CONFIRMED
        is_first = standings[candidate.key.query][0][2] == candidate.landmark_id
        return RemovalReason.VISUAL_MAJORITY if is_first else None
    is_open = not {Decision.SAME, Decision.DIFFERENT} & set(own_votes.values())
    is_match = candidate.verdict is CandidateVerdict.MATCH
    if settings.policy == "strict" and is_match and is_open:
        return RemovalReason.VISUAL_UNREFUSED
    return None


def _describe(grounds, votes, standings):
    queries = sorted({candidate.key.query for _, candidate in grounds})
    said = [votes[candidate.key].items() for _, candidate in grounds]
    return (
        min((reason for reason, _ in grounds), key=_STRONGEST_FIRST.index),
        queries,
        sorted({candidate.key.image_id for _, candidate in grounds}),
        sorted({who for votes in said for who, word in votes if word is Decision.SAME}),
        [(q, i, -n, -s) for q in queries for n, s, i in standings.get(q, [])[1:]],
    )
