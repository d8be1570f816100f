"""What speaks for overlap: matches of the search, files that are the same, and people's votes."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import pandas as pd

from manifests.certificates.covered_tables import EvaluationRole, FindingStatus
from manifests.decisions import DecisionRow
from manifests.rows import CandidateVerdict, Decision

SEARCH: Final = "search"
SAME_FILE: Final = "same_file"
PEOPLE: Final = "people"

POLICY_WORDS: Final = (
    "A training image overlaps an evaluation set if its file is that of an image of the set, or if "
    "a person says that it shows the landmark of a query. It may overlap if the verifier accepts "
    "it for a query, whole or cropped, among the query's nearest neighbours, until a person "
    "says that it shows another landmark and nobody says that it is the same."
)
"""The rule that this module follows."""


class Likeness(NamedTuple):
    """A training image and what it is like."""

    image_id: str
    eval_set: str
    query_id: str


@dataclass(frozen=True)
class Finding:
    """One likeness that counts, or that people refused; the columns of the table `findings`."""

    image_id: str
    label: str
    eval_set: str
    query_id: str
    found_by: str
    num_inliers: int | None
    status: FindingStatus
    evidence: str


def collect_findings(
    candidates: Sequence[Mapping[str, Any]],
    images: pd.DataFrame,
    evaluated: Sequence[Mapping[str, Any]],
    votes: Iterable[DecisionRow],
) -> list[Finding]:
    """Put the three sources together, one finding per likeness.

    Args:
        candidates: rows of the table `candidates`, without those of planted images.
        images: columns image_id, label and sha256 of the training list.
        evaluated: rows with eval_set, role, item_id and sha256 of the evaluation sets' images.
        votes: the last word of each reviewer on each likeness, of these images and sets.

    Returns:
        By image, set and query.
    """
    by_search = {_key(row): row for row in candidates}
    voted: defaultdict[Likeness, list[DecisionRow]] = defaultdict(list)
    for vote in votes:
        voted[Likeness(vote.image_id, vote.eval_set, vote.query_id)].append(vote)
    same_files = set(_list_same_files(images, evaluated))
    matches = {key for key, row in by_search.items() if row["verdict"] == CandidateVerdict.MATCH}
    confirmed = {
        key for key, said in voted.items() if any(v.decision is Decision.SAME for v in said)
    }
    keys = sorted(same_files | matches | confirmed)
    wanted = images[images["image_id"].isin({key.image_id for key in keys})]
    labels = dict(zip(wanted["image_id"], wanted["label"], strict=True))
    return [
        _judge(key, labels[key.image_id], by_search.get(key), voted[key], key in same_files)
        for key in keys
    ]


def _judge(
    key: Likeness,
    label: str,
    row: Mapping[str, Any] | None,
    said: Sequence[DecisionRow],
    is_same_file: bool,  # noqa: FBT001  (one of the three sources)
) -> Finding:
    decisions = {vote.decision for vote in said}
    if is_same_file or Decision.SAME in decisions:
        status = FindingStatus.OVERLAP
    elif Decision.DIFFERENT in decisions:
        status = FindingStatus.REFUSED
    else:
        status = FindingStatus.UNDECIDED
    is_match = row is not None and row["verdict"] == CandidateVerdict.MATCH
    found_by = SAME_FILE if is_same_file else SEARCH if is_match else PEOPLE
    evidence = [*_describe_search(row), *_describe_votes(said)]
    if is_same_file:
        evidence.insert(0, "the two files are the same")
    num_inliers = None if row is None else row["num_inliers"]
    return Finding(*key[:1], label, *key[1:], found_by, num_inliers, status, "; ".join(evidence))


def _key(row: Mapping[str, Any]) -> Likeness:
    return Likeness(row["image_id"], row["eval_set"], row["query_id"])


def _list_same_files(
    images: pd.DataFrame, evaluated: Iterable[Mapping[str, Any]]
) -> Iterator[Likeness]:
    by_digest: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in evaluated:
        by_digest[row["sha256"]].append(row)
    same = images[images["sha256"].isin(list(by_digest))]
    for image_id, sha256 in zip(same["image_id"], same["sha256"], strict=True):
        for row in by_digest[sha256]:
            is_query = row["role"] == EvaluationRole.QUERY
            item = row["item_id"] if is_query else f"database:{row['item_id']}"
            yield Likeness(image_id, row["eval_set"], item)


def _describe_search(row: Mapping[str, Any] | None) -> Iterator[str]:
    if row is not None:
        yield (
            f"{row['num_inliers']} of {row['num_tentative']} correspondences agree in the "
            f"{row['probe']} query, similarity {row['similarity']:.3f}"
        )


def _describe_votes(said: Sequence[DecisionRow]) -> Iterator[str]:
    for decision in Decision:
        if who := sorted(vote.reviewer for vote in said if vote.decision is decision):
            yield f"{decision}: {', '.join(who)}"
