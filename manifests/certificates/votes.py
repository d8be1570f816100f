"""The votes that an audit used, summed up."""

from collections import Counter
from collections.abc import Iterable

from manifests.certificates.statement import Votes
from manifests.certificates.text_tables import escape_field
from manifests.decisions import DecisionRow
from manifests.lineage import digest_bytes
from manifests.rows import Decision


def summarise_votes(decisions: Iterable[DecisionRow]) -> Votes:
    """Count votes, and take a digest of them.

    The digest is the SHA-256 of one line per vote, sorted as bytes, with the fields eval_set,
    query_id, image_id, reviewer and decision, in the form of the tables. When somebody voted, and
    with what comment, is left out: it decides nothing.

    Args:
        decisions: one per candidate and reviewer, as `latest_per_reviewer` gives them.
    """
    votes = list(decisions)
    lines = sorted(
        "\t".join(map(escape_field, (*vote.key, vote.decision.value))).encode() for vote in votes
    )
    counts = Counter(vote.decision for vote in votes)
    return Votes(
        num_reviewers=len({vote.reviewer for vote in votes}),
        counts={decision: counts[decision] for decision in Decision},
        decisions_sha256=digest_bytes(b"".join(line + b"\n" for line in lines)) if lines else None,
    )
