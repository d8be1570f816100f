"""Verify two image files, as the job would, and show what was found."""

import io
from dataclasses import replace
from pathlib import Path

from PIL import Image

from cleanmark.match_result import MatchResult, Photograph
from cleanmark.reporting.correspondence_drawing import Pixels
from curation.cascade import CascadeSettings
from curation.images import ImageError, decode_image
from curation.sift import SiftSettings, extract_sift
from curation.verification import verify_pair
from curation.verification_settings import VerificationSettings
from manifests.atomic import write_bytes
from manifests.input_error import InputError
from manifests.rows import PairReason, PairVerdict
from manifests.strict_model import StrictModel


class MatchError(InputError):
    """A file that cannot be compared; the message names it."""


class MatchSettings(StrictModel):
    """How two files are compared: as a job does, but with all features of hopeless pairs too."""

    features: SiftSettings = SiftSettings()
    verification: VerificationSettings = VerificationSettings(cascade=CascadeSettings(mode="exact"))


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
    result = MatchResult(photograph_a, photograph_b, found, settings.verification)
    if picture is not None:
        write_png(picture, result.draw())
    return result


def write_png(path: Path, pixels: Pixels) -> None:
    """Write a picture, uint8 RGB.

    Raises:
        MatchError: it cannot be written there.
    """
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", optimize=True)
    try:
        write_bytes(path, stream.getvalue())
    except OSError as error:
        raise MatchError(
            f"{path}: {error.strerror or error}; give another place for the picture"
        ) from error


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
    return Photograph(str(path), pixels, extract_sift(pixels, settings))
