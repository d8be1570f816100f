"""The rule that keeps or drops an image.

An image with a wrong label finds nobody in its class who photographed the same thing. The
published rule (Weyand et al. 2020, section on pre-processing) keeps an image that at least three
other images of its class verify with at least 30 inliers, and a class of which at least two
images are kept. It is the policy `degree`; `component` and `kcore` are stricter readings.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from curation.duplicates import DuplicateGroups
from curation.match_graph import DirectedScore, EdgeRule, MatchGraph, ScoreColumns
from manifests.rows import ImageReason
from manifests.strict_model import StrictModel


class CleanSettings(StrictModel):
    """What an image must show to stay.

    Raising `min_inliers` or `min_verified_neighbours` never keeps more images with the policies
    `degree` and `kcore`. It can with `component`: a higher `min_inliers` may cut the largest
    component down to the size of the next, and equally large components are all kept.
    """

    policy: Literal["degree", "component", "kcore"] = "degree"
    """`degree`: the image has `min_verified_neighbours`. `component`: it lies in the largest
    connected component, which has at least one photograph more than that; equally large ones are
    all kept. `kcore`: it has that many neighbours that are kept too."""
    min_inliers: int = Field(30, ge=1)
    """A pair with at least this many inliers is verified. 30 is the published figure for DELF;
    calibrate it when the local feature changes. At least `verify.min_inliers`; with
    `verify.cascade.mode: decide_early`, which does not count further, at most 1.2 times that."""
    min_verified_neighbours: int = Field(3, ge=1)
    """Photographs of the class that verify the image, copies counted once, its own not at all."""
    min_class_images: int = Field(2, ge=1)
    """Photographs, copies counted once, that must be kept for the class to survive."""
    edges: EdgeRule = "either"
    """Which directions of a pair must pass; all the same when the verifier is symmetric."""
    duplicates: Literal["keep", "drop"] = "keep"
    """`keep`: a copy stays if it earns its place itself. `drop`: of the copies of a photograph
    only the best that earns its place stays."""


@dataclass(frozen=True)
class ClassImage:
    """An image that enters the cleaning."""

    image_id: str
    has_features: bool


@dataclass(frozen=True)
class ImageVerdict:
    """One row of the table `verdicts`, with its columns.

    Attributes:
        image_id: the image.
        landmark_id: its class.
        kept: whether it is in the clean split.
        reason: why it was kept or dropped.
        num_verified_neighbours: other photographs that verify it, copies counted once.
        component_id: smallest image id of its connected component; None without features.
        duplicate_of: the representative of its copies: the best one that is kept, or the best
            one if none is; None for the representative and for an image without copies.
    """

    image_id: str
    landmark_id: int
    kept: bool
    reason: ImageReason
    num_verified_neighbours: int
    component_id: str | None
    duplicate_of: str | None


def split_class(
    landmark_id: int,
    images: Collection[ClassImage],
    scores: Iterable[DirectedScore] | ScoreColumns,
    duplicates: DuplicateGroups,
    settings: CleanSettings,
) -> list[ImageVerdict]:
    """Decide for every image of one class whether it stays, and say why.

    Args:
        landmark_id: the class.
        images: all its images, each once.
        scores: of pairs inside the class that no guard of the verifier refused.
        duplicates: groups of copies; those of other classes are ignored.
        settings: the rule.

    Returns:
        One verdict per image, by ascending image id. The order of the input does not matter.

    Raises:
        ValueError: an image occurs twice, an image without features has inliers, or a score
            does not fit the class (see `MatchGraph`).
    """
    has_features = {image.image_id: image.has_features for image in images}
    if len(has_features) != len(images):
        raise ValueError(f"class {landmark_id} lists an image twice: pass every image once")
    graph = MatchGraph(
        has_features.keys(),
        scores,
        duplicates,
        edges=settings.edges,
        min_inliers=settings.min_inliers,
    )
    components = graph.label_components()
    reasons = _judge_images(has_features, graph, components, settings)
    reasons = _give_up_small_class(reasons, graph, settings)
    representatives = _choose_representatives(reasons, graph)
    if settings.duplicates == "drop":
        reasons = _drop_copies(reasons, representatives)
    return [
        ImageVerdict(
            image_id=image_id,
            landmark_id=landmark_id,
            kept=reasons[image_id] is ImageReason.VERIFIED,
            reason=reasons[image_id],
            num_verified_neighbours=graph.count_verified_neighbours(image_id),
            component_id=components[image_id] if has_features[image_id] else None,
            duplicate_of=representatives.get(image_id),
        )
        for image_id in sorted(has_features)
    ]


def _judge_images(
    has_features: Mapping[str, bool],
    graph: MatchGraph,
    components: Mapping[str, str],
    settings: CleanSettings,
) -> dict[str, ImageReason]:
    """The verdict on each image by itself, before its class and its copies are looked at."""
    earners = _find_earners(graph, components, settings)
    reasons: dict[str, ImageReason] = {}
    for image_id, described in has_features.items():
        if not described:
            _check_no_contact(image_id, graph)
            reasons[image_id] = ImageReason.NO_FEATURES
        elif image_id in earners:
            reasons[image_id] = ImageReason.VERIFIED
        else:
            reasons[image_id] = _explain_drop(image_id, graph, earners, settings)
    return reasons


def _check_no_contact(image_id: str, graph: MatchGraph) -> None:
    if graph.has_contact(image_id):
        raise ValueError(
            f"image {image_id} has no features and yet a pair with enough inliers: "
            "the tables of features and of matches are not of one run; verify again"
        )


def _find_earners(
    graph: MatchGraph, components: Mapping[str, str], settings: CleanSettings
) -> frozenset[str]:
    """Images that meet the policy."""
    if settings.policy == "component":
        return _find_largest_components(graph, components, settings.min_verified_neighbours + 1)
    if settings.policy == "kcore":
        return graph.find_core(settings.min_verified_neighbours)
    return frozenset(
        image_id
        for image_id in graph.image_ids
        if graph.count_verified_neighbours(image_id) >= settings.min_verified_neighbours
    )


def _find_largest_components(
    graph: MatchGraph, components: Mapping[str, str], min_photographs: int
) -> frozenset[str]:
    members: dict[str, set[str]] = {}
    for image_id, component_id in components.items():
        members.setdefault(component_id, set()).add(image_id)
    sizes = {name: graph.count_photographs(images) for name, images in members.items()}
    largest = max(sizes.values(), default=0)
    if largest < min_photographs:
        return frozenset()
    return frozenset(i for i, component_id in components.items() if sizes[component_id] == largest)


def _explain_drop(
    image_id: str, graph: MatchGraph, earners: Collection[str], settings: CleanSettings
) -> ImageReason:
    """The most telling true reason for an image with features that does not meet the policy."""
    if not graph.has_contact(image_id):
        has_copies = len(graph.duplicates.list_copies(image_id)) > 1
        return (
            ImageReason.ONLY_DUPLICATES_VERIFIED
            if has_copies
            else ImageReason.NO_VERIFIED_NEIGHBOUR
        )
    if settings.policy == "component" and earners:
        return ImageReason.NOT_IN_LARGEST_COMPONENT
    if graph.count_verified_neighbours(image_id) < settings.min_verified_neighbours:
        return ImageReason.TOO_FEW_VERIFIED_NEIGHBOURS
    # Only `kcore` comes here: `degree` keeps an image with enough neighbours, and a component
    # that is too small holds no such image.
    return ImageReason.NOT_IN_CORE


def _give_up_small_class(
    reasons: Mapping[str, ImageReason], graph: MatchGraph, settings: CleanSettings
) -> dict[str, ImageReason]:
    """Relabel what would have been kept when too few photographs would remain."""
    earners = [i for i, reason in reasons.items() if reason is ImageReason.VERIFIED]
    if graph.count_photographs(earners) >= settings.min_class_images:
        return dict(reasons)
    return {**reasons, **dict.fromkeys(earners, ImageReason.CLASS_TOO_SMALL)}


def _choose_representatives(
    reasons: Mapping[str, ImageReason], graph: MatchGraph
) -> dict[str, str]:
    """For each copy the representative it is a copy of; representatives have no entry.

    A small copy may earn its place where the best one does not; then it represents them, so
    that a dropped copy always points to a photograph that was kept, if any was.
    """
    representatives: dict[str, str] = {}
    for group in graph.duplicates.groups:
        kept = (i for i in group if reasons[i] is ImageReason.VERIFIED)
        representative = next(kept, group[0])
        representatives.update({i: representative for i in group if i != representative})
    return representatives


def _drop_copies(
    reasons: Mapping[str, ImageReason], representatives: Mapping[str, str]
) -> dict[str, ImageReason]:
    """Relabel every copy of a photograph that stays, whether or not it earned a place."""
    copies = (
        copy
        for copy, representative in representatives.items()
        if reasons[representative] is ImageReason.VERIFIED
    )
    return {**reasons, **dict.fromkeys(copies, ImageReason.DUPLICATE)}
