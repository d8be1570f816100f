"""What image size, first octave and feature budget cost and verify. JSON on standard output."""

import argparse
import importlib.util
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from labelled_photos import LabelledPhoto, Pair, list_true_pairs, load_photos, sample_cross_pairs
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from curation.images import decode_image, resize_long_side, to_grey
from curation.pair_answer import Verification
from curation.sift import SiftSettings, extract_sift
from curation.verification import verify_pair
from curation.verification_settings import VerificationSettings
from manifests.feature_store import BYTES_PER_FEATURE, write_features
from manifests.features import LocalFeatures
from manifests.rows import PairReason, PairVerdict

LONG_SIDES_PX = (400, 480, 560, 640, 800, 1024)
BUDGETS = (512, 1024, 2000)
STRICT_CONTRAST, LOOSE_CONTRAST = 0.04, 0.02
COLMAP_LONG_SIDES_PX = (480, 800)
COLMAP_BUDGET = 1024
FEWER_INLIERS = 15
VERIFICATION = VerificationSettings()

_OPENCV_FIRST_OCTAVE = -1
_COUNTED_REASONS = (
    PairReason.ENOUGH_INLIERS,
    PairReason.ENOUGH_AMONG_STRONGEST,
    PairReason.NEAR_DUPLICATE,
    PairReason.TOO_FEW_INLIERS,
    PairReason.TOO_FEW_TENTATIVE,
)
"""With these, the inliers are those of the pair; with others they were refused."""

Extract = Callable[[NDArray[np.uint8]], LocalFeatures]


@dataclass(frozen=True)
class Option:
    """One row of the table."""

    library: str
    long_side_px: int
    first_octave: int
    max_features: int
    contrast_threshold: float | None


REFERENCE = Option("opencv", 800, _OPENCV_FIRST_OCTAVE, 1000, STRICT_CONTRAST)
"""What the others are measured against."""


@dataclass
class Described:
    """The photographs under one option.

    Attributes:
        option: which.
        features: one per photograph.
        cpu_seconds: whole extraction, without decoding.
        detector_seconds: OpenCV's detector alone on the same images, in calls of its own.
    """

    option: Option
    features: list[LocalFeatures]
    cpu_seconds: float = 0.0
    detector_seconds: float = 0.0


def main() -> None:
    arguments = _parse_arguments()
    cv2.setNumThreads(1)
    photos = load_photos(arguments.photos)
    has_colmap = importlib.util.find_spec("pycolmap") is not None
    with threadpool_limits(1):
        described = _describe_interleaved(photos, _list_options(with_colmap=has_colmap))
        summary = _summarise(photos, described, arguments.cross_pairs)
        summary["pycolmap"] = "measured" if has_colmap else "not installed: pip install -e .[bench]"
        summary["stage_share"] = _measure_stage(photos, SiftSettings())
    json.dump(summary, sys.stdout, indent=2)
    print()


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, help="labelled folder; default: drawn views")
    parser.add_argument("--cross-pairs", type=int, default=600, help="pairs of different places")
    return parser.parse_args()


def _list_options(*, with_colmap: bool) -> list[Option]:
    """The grid, the reference and the default, each once."""
    default = SiftSettings()
    opencv = [
        Option("opencv", long_side_px, _OPENCV_FIRST_OCTAVE, max_features, contrast)
        for long_side_px, max_features, contrast in (
            *itertools.product(LONG_SIDES_PX, BUDGETS, [STRICT_CONTRAST]),
            *itertools.product(LONG_SIDES_PX, [1024], [LOOSE_CONTRAST]),
            (REFERENCE.long_side_px, REFERENCE.max_features, STRICT_CONTRAST),
            (default.long_side_px, default.max_features, default.contrast_threshold),
        )
    ]
    colmap = [
        Option("pycolmap", long_side_px, first_octave, COLMAP_BUDGET, None)
        for long_side_px, first_octave in itertools.product(COLMAP_LONG_SIDES_PX, (0, -1))
    ]
    return list(dict.fromkeys([*opencv, *(colmap if with_colmap else [])]))


def _describe_interleaved(photos: list[LabelledPhoto], options: list[Option]) -> list[Described]:
    """Describe photo by photo under every option, each time in another order.

    A slow moment of the machine, the first look at a photograph and the memory that the last
    option left behind hit all alike.
    """
    rng = np.random.default_rng(0)
    described = [Described(option, []) for option in options]
    extractors = [_make_extractor(option) for option in options]
    for photo in photos:
        for number in rng.permutation(len(options)).tolist():
            row = described[number]
            # Taking turns at being first: the second finds the photograph in the cache.
            for is_whole in rng.permutation([True, False]).tolist():
                if is_whole:
                    started = time.process_time()
                    row.features.append(extractors[number](photo.pixels))
                    row.cpu_seconds += time.process_time() - started
                elif row.option.library == "opencv":
                    row.detector_seconds += _time_detector(photo.pixels, row.option)
    return described


def _make_extractor(option: Option) -> Extract:
    if option.library == "pycolmap":
        from colmap_sift import make_colmap_extractor  # an extra, which may be missing

        return make_colmap_extractor(option.long_side_px, option.max_features, option.first_octave)
    settings = _sift_settings(option)
    return lambda pixels: extract_sift(pixels, settings)


def _sift_settings(option: Option) -> SiftSettings:
    return SiftSettings(
        long_side_px=option.long_side_px,
        max_features=option.max_features,
        contrast_threshold=option.contrast_threshold or STRICT_CONTRAST,
    )


def _time_detector(pixels: NDArray[np.uint8], option: Option) -> float:
    grey = resize_long_side(to_grey(pixels), option.long_side_px)
    detector = cv2.SIFT.create(
        nfeatures=option.max_features,
        contrastThreshold=_sift_settings(option).contrast_threshold,
    )
    started = time.process_time()
    detector.detectAndCompute(grey, None)
    return time.process_time() - started


def _summarise(
    photos: list[LabelledPhoto], described: list[Described], num_cross_pairs: int
) -> dict[str, Any]:
    true_pairs = list_true_pairs(photos)
    cross_pairs = sample_cross_pairs(photos, num_cross_pairs)
    rows = [_measure(row, true_pairs, cross_pairs) for row in described]
    options = [row.option for row in described]
    reference = rows[options.index(REFERENCE)]
    for row in rows:
        relative = row["cpu_ms_per_image"] / reference["cpu_ms_per_image"]
        row["time_relative_to_reference"] = round(relative, 3)
    return {
        "num_photos": len(photos),
        "num_true_pairs": len(true_pairs),
        "num_cross_pairs": len(cross_pairs),
        "min_inliers": VERIFICATION.min_inliers,
        "reference": asdict(REFERENCE),
        "default": SiftSettings().model_dump(),
        "settings": rows,
    }


def _measure(
    described: Described, true_pairs: list[Pair], cross_pairs: list[Pair]
) -> dict[str, Any]:
    true = [(pair, _verify(described, pair)) for pair in true_pairs]
    cross = [_verify(described, pair) for pair in cross_pairs]
    verified = [pair for pair, found in true if _is_verified(found)]
    sizes = [BYTES_PER_FEATURE * len(features) for features in described.features]
    around = 1 - described.detector_seconds / described.cpu_seconds
    return {
        **asdict(described.option),
        "cpu_ms_per_image": round(1000 * described.cpu_seconds / len(sizes), 1),
        "share_around_detector": round(around, 3) if described.detector_seconds else None,
        "features_per_image": round(sum(sizes) / BYTES_PER_FEATURE / len(sizes)),
        "stored_bytes_mean": round(sum(sizes) / len(sizes)),
        "stored_bytes_max": max(sizes),
        "true_pairs_verified": len(verified),
        f"true_pairs_with_{FEWER_INLIERS}_inliers": sum(_has_fewer(found) for _, found in true),
        "images_with_partner": len(set(itertools.chain.from_iterable(verified))),
        "cross_pairs_verified": sum(_is_verified(found) for found in cross),
        "max_inliers_across": max((found.num_inliers for found in cross), default=0),
    }


def _verify(described: Described, pair: Pair) -> Verification:
    a, b = pair
    return verify_pair(described.features[a], described.features[b], VERIFICATION)


def _is_verified(found: Verification) -> bool:
    return found.verdict is not PairVerdict.REJECTED


def _has_fewer(found: Verification) -> bool:
    return found.num_inliers >= FEWER_INLIERS and found.reason in _COUNTED_REASONS


def _measure_stage(photos: list[LabelledPhoto], settings: SiftSettings) -> dict[str, float]:
    """Shares of the processor time of the describe stage, from the bytes to the stored features."""
    seconds = dict.fromkeys(("decode", "resize", "detector", "pack", "write"), 0.0)
    option = Option(
        "opencv",
        settings.long_side_px,
        _OPENCV_FIRST_OCTAVE,
        settings.max_features,
        settings.contrast_threshold,
    )
    described: list[LocalFeatures] = []
    for photo in photos:
        data = cv2.imencode(".jpg", photo.pixels[:, :, ::-1])[1].tobytes()
        begun = time.process_time()
        pixels = decode_image(data).pixels
        decoded = time.process_time()
        resize_long_side(to_grey(pixels), settings.long_side_px)
        resized = time.process_time()
        described.append(extract_sift(pixels, settings))
        extraction = time.process_time() - resized
        detector = _time_detector(pixels, option)
        seconds["decode"] += decoded - begun
        seconds["resize"] += resized - decoded
        seconds["detector"] += detector
        seconds["pack"] += extraction - detector - (resized - decoded)
    with tempfile.TemporaryDirectory() as folder:
        begun = time.process_time()
        index_path = Path(folder) / "part.parquet"
        write_features(index_path, [(str(n), f, "ok") for n, f in enumerate(described)])
        seconds["write"] = time.process_time() - begun
    return {step: round(value / sum(seconds.values()), 3) for step, value in seconds.items()}


if __name__ == "__main__":
    main()
