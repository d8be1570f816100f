"""What became of the planted images: which canaries were found, which controls were accepted."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from curation.canaries import SAME_LANDMARK, SCRAMBLED
from manifests.certificates.covered_tables import ProbeRole

Row = Mapping[str, Any]
OTHER_LANDMARK: Final = "other_landmark"
OTHER_LANDMARK_WORDS: Final = (
    "A canary and a query of another landmark, as far as the ground truth names landmarks."
)


@dataclass(frozen=True)
class Probe:
    """One trial; the columns of the table `probes`."""

    role: ProbeRole
    kind: str
    probe_id: str
    eval_set: str
    query_id: str
    found: bool


def judge_probes(
    planted: Iterable[Row],
    matches: Iterable[Row],
    landmarks: Mapping[str, Mapping[str, str]],
) -> list[Probe]:
    """Say of each planted image whether the search found it.

    A view of a query's photograph must be found by that query; another photograph of the landmark
    by any query of the landmark. A scrambled view is accepted if any query finds it, and a canary
    is a control for every query of another landmark.

    Args:
        planted: rows of what was planted.
        matches: eval_set, query_id and image_id of every pair that the search accepted.
        landmarks: evaluation set -> query -> landmark, of queries whose landmark is known.
    """
    found_by: dict[str, set[tuple[str, str]]] = {}
    for match in matches:
        found_by.setdefault(match["image_id"], set()).add((match["eval_set"], match["query_id"]))
    probes: list[Probe] = []
    for row in planted:
        found = found_by.get(row["image_id"], set())
        known = landmarks[row["eval_set"]]
        if row["kind"] in SCRAMBLED:
            probes.append(_make(ProbeRole.CONTROL, row, row["kind"], row["query_id"], bool(found)))
            continue
        wanted = {(row["eval_set"], query_id) for query_id in _list_wanted(row, known)}
        is_found = bool(found & wanted)
        probes.append(_make(ProbeRole.CANARY, row, row["kind"], row["query_id"], is_found))
        probes += _judge_other_landmarks(row, found, known)
    return probes


def count_trials(probes: Iterable[Probe], kind: str) -> dict[str, int]:
    """Evaluation set -> number of trials of a kind."""
    counts: dict[str, int] = {}
    for probe in probes:
        if probe.kind == kind:
            counts[probe.eval_set] = counts.get(probe.eval_set, 0) + 1
    return counts


def _list_wanted(row: Row, known: Mapping[str, str]) -> Sequence[str]:
    if row["kind"] not in SAME_LANDMARK:
        return [row["query_id"]]
    landmark = known[row["query_id"]]
    return [query_id for query_id, other in known.items() if other == landmark]


def _judge_other_landmarks(
    row: Row, found: set[tuple[str, str]], known: Mapping[str, str]
) -> Iterator[Probe]:
    landmark = known.get(row["query_id"])
    if landmark is None:
        return
    for query_id in sorted(known):
        if known[query_id] != landmark:
            is_found = (row["eval_set"], query_id) in found
            yield _make(ProbeRole.CONTROL, row, OTHER_LANDMARK, query_id, is_found)


def _make(role: ProbeRole, row: Row, kind: str, query_id: str, found: bool) -> Probe:  # noqa: FBT001
    return Probe(role, kind, row["image_id"], row["eval_set"], query_id, found)
