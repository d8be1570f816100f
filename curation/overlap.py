"""Which training images people must look at, because they may show an evaluation landmark.

Two channels propose candidates: pixels (nearest neighbours of a query, put to the verifier) and
names (classes called after a city of the evaluation set). Neither removes anything: that is for
people to decide, and for `curation.removal_policies` to carry out.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from manifests.rows import (
    GUARD_REASONS,
    CandidateSource,
    CandidateVerdict,
    PairReason,
    PairVerdict,
)
from manifests.strict_model import StrictModel

ProbeName = Literal["crop", "whole"]
"""The views of a query: its landmark's box, or the whole photograph."""


class OverlapSettings(StrictModel):
    """What is worth a person's look; laxer than cleaning, because people filter what is wrong."""

    min_inliers: int = Field(20, ge=1)
    """A training image that shares this many inliers with a query is always shown."""
    top_k: int = Field(100, ge=1)
    """Nearest training images of each probe that are put to the verifier."""
    always_show_top: int = Field(5, ge=0)
    """Nearest training images of a query that are shown whatever the verifier says of them, so
    that a verifier that fails cannot hide an overlap."""


@dataclass(frozen=True)
class ProbeMatch:
    """One probe of a query against one training image, as the verifier judged it.

    Attributes:
        eval_set: name of the evaluation set.
        query_id: the query; its probes share it.
        probe: which view of the query was used.
        image_id: the training image.
        landmark_id: its class.
        similarity: cosine of the global descriptors.
        num_features_query: local features of the probe.
        num_features_image: local features of the training image.
        num_tentative: correspondences before geometry.
        num_inliers: correspondences that agree with the model.
        model: kind of geometric model, None if none.
        transform: the model, row-major, from probe to training image; None if none.
        verdict: of the verifier.
        reason: of the verifier.
    """

    eval_set: str
    query_id: str
    probe: ProbeName
    image_id: str
    landmark_id: int
    similarity: float
    num_features_query: int
    num_features_image: int
    num_tentative: int
    num_inliers: int
    model: str | None
    transform: tuple[float, ...] | None
    verdict: PairVerdict
    reason: PairReason


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One row of the table `candidates`, with its columns.

    For a visual candidate `similarity` is the best over the query's probes, as is `rank`; the
    other evidence is that of `probe`. A text candidate has no evidence but the name.
    """

    eval_set: str
    query_id: str
    image_id: str
    landmark_id: int
    landmark_name: str | None
    source: CandidateSource
    rank: int | None = None
    probe: ProbeName | None = None
    num_features_query: int | None = None
    num_features_image: int | None = None
    similarity: float | None = None
    num_tentative: int | None = None
    num_inliers: int | None = None
    model: str | None = None
    transform: tuple[float, ...] | None = None
    verdict: CandidateVerdict
    reason: PairReason | CandidateVerdict


def select_visual_candidates(
    matches: Iterable[ProbeMatch],
    landmark_names: Mapping[int, str],
    settings: OverlapSettings,
) -> list[Candidate]:
    """Choose the training images that people compare with each query.

    Shown are all images with `min_inliers`, also those that a guard of the verifier refused, and
    the nearest `always_show_top`. Rank 1 has the greatest similarity over the query's probes;
    ties go to the smaller image id.

    Args:
        matches: of any number of queries, each probe and image at most once.
        landmark_names: readable class names, as far as known.
        settings: thresholds.

    Returns:
        One candidate per query and image, by evaluation set, query and rank.

    Raises:
        ValueError: a probe met an image twice, an image has two classes, or the verifier asked
            for more inliers than `min_inliers`.
    """
    by_query: defaultdict[tuple[str, str], list[ProbeMatch]] = defaultdict(list)
    for match in matches:
        by_query[match.eval_set, match.query_id].append(match)
    return [
        candidate
        for query in sorted(by_query)
        for candidate in _select_for_query(by_query[query], landmark_names, settings)
    ]


def _select_for_query(
    matches: Iterable[ProbeMatch], landmark_names: Mapping[int, str], settings: OverlapSettings
) -> list[Candidate]:
    by_image: defaultdict[str, list[ProbeMatch]] = defaultdict(list)
    for match in matches:
        by_image[match.image_id].append(match)
    for views in by_image.values():
        _check_views(views)
    similarity = {
        image_id: max(m.similarity for m in views) for image_id, views in by_image.items()
    }
    nearest_first = sorted(by_image, key=lambda image_id: (-similarity[image_id], image_id))
    candidates = []
    for rank, image_id in enumerate(nearest_first, start=1):
        best = _choose_probe(by_image[image_id], settings)
        if rank <= settings.always_show_top or _has_evidence(best, settings):
            name = landmark_names.get(best.landmark_id)
            candidates.append(_describe(best, name, rank, similarity[image_id], settings))
    return candidates


def _has_evidence(match: ProbeMatch, settings: OverlapSettings) -> bool:
    return match.num_inliers >= settings.min_inliers or match.verdict is PairVerdict.DUPLICATE


def _check_views(views: Collection[ProbeMatch]) -> None:
    where = "; ".join(f"{m.eval_set} {m.query_id} {m.probe} x {m.image_id}" for m in views)
    if len({match.probe for match in views}) != len(views):
        raise ValueError(f"{where}: a probe met this image twice; verify each pair once")
    if len({match.landmark_id for match in views}) != 1:
        raise ValueError(f"{where}: the image has two classes; search one version of the split")


def _choose_probe(views: Iterable[ProbeMatch], settings: OverlapSettings) -> ProbeMatch:
    """Choose the view to show: a match before none, then most inliers, then the crop.

    A match comes first because many inliers may be a watermark that the verifier refused.
    """

    def rank(match: ProbeMatch) -> tuple[bool, int, bool]:
        is_match = _judge(match, settings)[0] is CandidateVerdict.MATCH
        return (not is_match, -match.num_inliers, match.probe != "crop")

    return min(views, key=rank)


def _judge(match: ProbeMatch, settings: OverlapSettings) -> tuple[CandidateVerdict, PairReason]:
    """Say in a reviewer's words what the verifier found."""
    if match.verdict is PairVerdict.DUPLICATE:
        return CandidateVerdict.MATCH, match.reason
    enough = match.num_inliers >= settings.min_inliers
    if match.verdict is PairVerdict.VERIFIED:
        if enough:
            return CandidateVerdict.MATCH, match.reason
        return CandidateVerdict.BELOW_THRESHOLD, PairReason.TOO_FEW_INLIERS
    if match.reason in GUARD_REASONS:
        return CandidateVerdict.REJECTED, match.reason
    if enough:
        raise ValueError(
            f"{match.eval_set} {match.query_id} x {match.image_id}: {match.num_inliers} inliers "
            f"are enough for the overlap (min_inliers {settings.min_inliers}) but not for the "
            "verifier; verify the probes with the threshold of the overlap"
        )
    return CandidateVerdict.BELOW_THRESHOLD, match.reason


def _describe(
    match: ProbeMatch,
    landmark_name: str | None,
    rank: int,
    similarity: float,
    settings: OverlapSettings,
) -> Candidate:
    verdict, reason = _judge(match, settings)
    return Candidate(
        eval_set=match.eval_set,
        query_id=match.query_id,
        image_id=match.image_id,
        landmark_id=match.landmark_id,
        landmark_name=landmark_name,
        source=CandidateSource.VISUAL,
        rank=rank,
        probe=match.probe,
        num_features_query=match.num_features_query,
        num_features_image=match.num_features_image,
        similarity=similarity,
        num_tentative=match.num_tentative,
        num_inliers=match.num_inliers,
        model=match.model,
        transform=match.transform,
        verdict=verdict,
        reason=reason,
    )
