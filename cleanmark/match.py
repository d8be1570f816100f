"""Verify two image files, as the job would, and show what was found."""

import io
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from cleanmark.reporting.captions import add_caption
from cleanmark.reporting.correspondence_drawing import (
    DrawingSettings,
    Pixels,
    View,
    draw_side_by_side,
)
from curation.images import ImageError, decode_image
from curation.sift import SiftSettings, extract_sift
from curation.verification import CascadeSettings, Verification, VerificationSettings, verify_pair
from manifests.atomic import write_bytes
from manifests.features import LocalFeatures
from manifests.input_error import InputError
from manifests.rows import MEANINGS, PairReason, PairVerdict
from manifests.strict_model import StrictModel

_DRAWING = DrawingSettings(panel_px=720, gap_px=16, max_lines=50, line_px=1)


class MatchError(InputError):
    """A file that cannot be compared; the message names it."""


class MatchSettings(StrictModel):
    """How two files are compared: as a job does, but with all features of hopeless pairs too."""

    features: SiftSettings = SiftSettings()
    verification: VerificationSettings = VerificationSettings(cascade=CascadeSettings(mode="exact"))


@dataclass(frozen=True, eq=False)
class Photograph:
    """A file that was read: its path, its upright RGB pixels and its local features."""

    path: Path
    pixels: Pixels
    features: LocalFeatures


@dataclass(frozen=True, eq=False)
class MatchResult:
    """What was found out about two files; `str` gives it in a few lines.

    Attributes:
        photograph_a: the first file.
        photograph_b: the second.
        found: verdict, reason, correspondences, and the affine map from the first to the second
            in pixels of the described images.
        settings: how they were compared.
    """

    photograph_a: Photograph
    photograph_b: Photograph
    found: Verification
    settings: MatchSettings

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
        ]
        return "\n".join(f"{name:<11}{text}" for name, text in lines)

    @property
    def _needed(self) -> int:
        return self.settings.verification.min_inliers

    def draw(self) -> Pixels:
        """Draw both images with the inliers joined, and a caption; uint8 RGB."""
        drawing = draw_side_by_side(
            _view(self.photograph_a, self.found.inliers.index_a),
            _view(self.photograph_b, self.found.inliers.index_b),
            _DRAWING,
        )
        return add_caption(drawing, self._title, self._details)

    @property
    def _title(self) -> str:
        return f"{self.found.verdict.capitalize()}: {MEANINGS[self.found.reason]}"

    @property
    def _details(self) -> str:
        found = self.found
        text = (
            f"{self.photograph_a.path.name} and {self.photograph_b.path.name}: "
            f"{found.num_inliers} of {found.num_tentative} correspondences agree with one "
            f"affine map, {self._needed} are needed."
        )
        if found.num_inliers > _DRAWING.max_lines:
            text += f" The drawing shows {_DRAWING.max_lines} of these {found.num_inliers}."
        return text


def match_files(
    path_a: Path, path_b: Path, settings: MatchSettings, picture: Path | None = None
) -> MatchResult:
    """Verify that two image files show the same surface.

    Args:
        path_a: the first file: JPEG, PNG, GIF or WebP.
        path_b: the second file.
        settings: how features are extracted and verified.
        picture: where a PNG of the result is written; None for nowhere.

    Raises:
        MatchError: a file is missing or is no usable image, or the picture cannot be written.
    """
    bytes_a, bytes_b = _read(path_a), _read(path_b)
    photograph_a = _describe(path_a, bytes_a, settings.features)
    photograph_b = _describe(path_b, bytes_b, settings.features)
    found = verify_pair(photograph_a.features, photograph_b.features, settings.verification)
    if bytes_a == bytes_b:
        found = replace(found, verdict=PairVerdict.DUPLICATE, reason=PairReason.SAME_BYTES)
    result = MatchResult(photograph_a, photograph_b, found, settings)
    if picture is not None:
        _write_png(picture, result.draw())
    return result


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise MatchError(f"{path}: {error.strerror or error}; give an image file") from error


def _describe(path: Path, data: bytes, settings: SiftSettings) -> Photograph:
    try:
        pixels = decode_image(data).pixels
    except ImageError as error:
        raise MatchError(f"{path}: {error.reason}; give a whole image file") from error
    return Photograph(path, pixels, extract_sift(pixels, settings))


def _view(photograph: Photograph, indices: np.ndarray[tuple[int], np.dtype[np.intp]]) -> View:
    features = photograph.features
    return View(photograph.pixels, features.xy[indices], features.width)


def _write_png(path: Path, pixels: Pixels) -> None:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", optimize=True)
    try:
        write_bytes(path, stream.getvalue())
    except OSError as error:
        raise MatchError(
            f"{path}: {error.strerror or error}; give another place for the picture"
        ) from error


def _describe_features(letter: str, photograph: Photograph) -> str:
    features = photograph.features
    size = f"{features.width} x {features.height} px"
    return f"{len(features)} in {letter}, {photograph.path} at {size}"


def _describe_model(found: Verification) -> list[tuple[str, str]]:
    if found.matrix is None:
        return [("model", "none")]
    (a, b, x), (c, d, y) = found.matrix.tolist()
    return [
        ("model", "affine, from pixels of A to pixels of B at these sizes"),
        ("", f"x' = {a:8.4f} x {b:+8.4f} y {x:+9.2f}"),
        ("", f"y' = {c:8.4f} x {d:+8.4f} y {y:+9.2f}"),
    ]
