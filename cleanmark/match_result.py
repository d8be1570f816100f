"""What was found out about two photographs, in words and as a picture."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cleanmark.reporting.captions import add_caption
from cleanmark.reporting.correspondence_drawing import (
    DrawingSettings,
    Pixels,
    Points,
    View,
    draw_side_by_side,
)
from curation.correspondences import Correspondences, match_prepared
from curation.matchable_features import MatchableFeatures
from curation.pair_answer import Verification
from curation.pairs import Pair
from curation.verification_settings import VerificationSettings
from manifests.features import LocalFeatures
from manifests.rows import MEANINGS

_DRAWING = DrawingSettings(panel_px=720, gap_px=16, max_lines=50, line_px=1, max_outliers=120)


@dataclass(frozen=True, eq=False)
class Photograph:
    """One of the two images.

    Attributes:
        name: the path of the file, the id of the image, or the query of an evaluation set.
        pixels: upright RGB.
        features: its local features.
    """

    name: str
    pixels: Pixels
    features: LocalFeatures


@dataclass(frozen=True, eq=False)
class MatchResult:
    """What was found out about two photographs; `str` gives it in a few lines.

    Attributes:
        photograph_a: the first.
        photograph_b: the second.
        found: verdict, reason, agreeing correspondences, and the map from the first to the second
            in pixels of the described images.
        settings: how they were compared.
        notes: further lines, as heading and text.
    """

    photograph_a: Photograph
    photograph_b: Photograph
    found: Verification
    settings: VerificationSettings
    notes: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        found = self.found
        lines = [
            ("verdict", f"{found.verdict}: {MEANINGS[found.verdict]}"),
            ("reason", f"{found.reason}: {MEANINGS[found.reason]}"),
            ("features", _describe_features("A", self.photograph_a)),
            ("", _describe_features("B", self.photograph_b)),
            ("tentative", f"{found.num_tentative} correspondences after ratio and mutual test"),
            ("inliers", f"{found.num_inliers} agree with the model, {self._needed} are needed"),
            *_describe_model(found),
            *self.notes,
        ]
        return "\n".join(f"{name:<11}{text}" for name, text in lines)

    @property
    def _needed(self) -> int:
        return self.settings.min_inliers

    def draw(self) -> Pixels:
        """Draw both images with inliers, outliers, both frames and a caption; uint8 RGB."""
        outliers = self.find_outliers()
        a, b, found = self.photograph_a, self.photograph_b, self.found
        forth = _as_homography(found)
        back = None if forth is None else _invert(forth)
        outline_a, outline_b = map_frame(back, b.features), map_frame(forth, a.features)
        drawing = draw_side_by_side(
            _view(a, found.inliers.index_a, outliers.index_a, outline_a),
            _view(b, found.inliers.index_b, outliers.index_b, outline_b),
            _DRAWING,
        )
        return add_caption(drawing, self._title, self._describe(len(outliers), len(outline_b)))

    @property
    def _title(self) -> str:
        return f"{self.found.verdict.capitalize()}: {MEANINGS[self.found.reason]}"

    def _describe(self, num_outliers: int, num_corners: int) -> str:
        found = self.found
        a, b = (side.name.rpartition("/")[2] for side in (self.photograph_a, self.photograph_b))
        counts = f"{found.num_inliers} of {found.num_tentative} correspondences agree with one map"
        parts = [f"{a} and {b}: {counts}, {self._needed} are needed."]
        if found.num_inliers:
            parts.append(_describe_lines("Coloured", found.num_inliers, _DRAWING.max_lines))
        if num_outliers:
            parts.append(_describe_lines("Grey", num_outliers, _DRAWING.max_outliers))
        if num_corners:
            parts.append("Yellow: the frame of the other image, as that map has it.")
        return " ".join(parts)

    def find_outliers(self) -> Correspondences:
        """The tentative correspondences that do not agree with the model."""
        tentative = _find_tentative(self)
        return tentative.select(~np.isin(tentative.index_a, self.found.inliers.index_a))


def _find_tentative(result: MatchResult) -> Correspondences:
    """What the verifier started from; it keeps only what agrees."""
    a, b = (MatchableFeatures(side.features) for side in (result.photograph_a, result.photograph_b))
    pair = Pair.of(a, b)
    matches = match_prepared(pair.a, pair.b, result.settings.max_ratio)
    if not pair.is_turned:
        return matches
    # The verifier has an order of its own, and matches are not the same both ways.
    return Correspondences(matches.index_b, matches.index_a, matches.ratio)


def _view(
    photograph: Photograph, inliers: NDArray[np.intp], outliers: NDArray[np.intp], outline: Points
) -> View:
    features = photograph.features
    return View(
        photograph.pixels, features.xy[inliers], features.width, features.xy[outliers], outline
    )


def _as_homography(found: Verification) -> NDArray[np.float64] | None:
    """The model of a pair as (3, 3), from image a to image b; None without one."""
    if found.homography is not None or found.matrix is None:
        return found.homography
    return np.vstack([found.matrix, [0.0, 0.0, 1.0]])


def _invert(homography: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """The map back; None if this one collapses the plane."""
    if np.linalg.det(homography) == 0:
        return None
    return np.asarray(np.linalg.inv(homography), np.float64)


def map_frame(homography: NDArray[np.float64] | None, features: LocalFeatures) -> Points:
    """Corners (4, 2) of an image's frame in the other one; none if it crosses the horizon."""
    if homography is None:
        return np.empty((0, 2))
    width, height = features.width, features.height
    corners = np.array([[0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1]], np.float64)
    mapped = corners @ homography.T
    if (mapped[:, 2] <= 0).any():
        return np.empty((0, 2))
    frame: Points = mapped[:, :2] / mapped[:, 2:]
    return frame


def _describe_lines(colour: str, number: int, max_lines: int) -> str:
    meaning = {"Coloured": "what agrees", "Grey": "what does not"}[colour]
    extent = f", {max_lines} of {number} drawn" if number > max_lines else ""
    return f"{colour}: {meaning}{extent}."


def _describe_features(letter: str, photograph: Photograph) -> str:
    features = photograph.features
    size = f"{features.width} x {features.height} px"
    return f"{len(features)} in {letter}, {photograph.name} at {size}"


def _describe_model(found: Verification) -> list[tuple[str, str]]:
    if found.transform is None:
        return [("model", "none")]
    rows = np.reshape(found.transform, (-1, 3))
    lines = [("model", f"{found.model}, from pixels of A to pixels of B at these sizes")]
    if found.model == "homography":
        lines += [("", f"{x:12.4g} {y:12.4g} {w:12.4g}") for x, y, w in rows / rows[2, 2]]
        return lines
    for name, (x, y, shift) in zip(("x'", "y'"), rows, strict=True):
        lines.append(("", f"{name} = {x:8.4f} x {y:+8.4f} y {shift:+9.2f}"))
    return lines
