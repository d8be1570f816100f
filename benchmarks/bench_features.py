"""What image size and feature budget cost, and what they verify. JSON on standard output."""

import argparse
import itertools
import json
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from labelled_photos import LabelledPhoto, Pair, list_true_pairs, load_photos, sample_cross_pairs
from threadpoolctl import threadpool_limits

from curation.sift import SiftSettings, extract_sift
from curation.verification import VerificationSettings, verify_pair
from manifests.features import LocalFeatures
from manifests.rows import PairVerdict

LONG_SIDES_PX = (480, 640, 800, 1024)
BUDGETS = (1000, 2000)
VERIFICATION = VerificationSettings()


def main() -> None:
    arguments = _parse_arguments()
    cv2.setNumThreads(1)
    photos = load_photos(arguments.photos)
    true_pairs = list_true_pairs(photos)
    cross_pairs = sample_cross_pairs(photos, arguments.cross_pairs)
    options = [
        SiftSettings(long_side_px=long_side_px, max_features=max_features)
        for long_side_px, max_features in itertools.product(LONG_SIDES_PX, BUDGETS)
    ]
    with threadpool_limits(1):
        described, cpu_seconds = _describe_interleaved(photos, options)
        measured = [
            _measure(option, features, seconds, true_pairs, cross_pairs)
            for option, features, seconds in zip(options, described, cpu_seconds, strict=True)
        ]
    reference = next(row for row in measured if _is_default(row))["cpu_ms_per_image"]
    for row in measured:
        row["time_relative_to_default"] = round(row["cpu_ms_per_image"] / reference, 3)
    summary = {
        "num_photos": len(photos),
        "num_true_pairs": len(true_pairs),
        "num_cross_pairs": len(cross_pairs),
        "min_inliers": VERIFICATION.min_inliers,
        "settings": measured,
    }
    json.dump(summary, sys.stdout, indent=2)
    print()


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, help="labelled folder; default: drawn views")
    parser.add_argument("--cross-pairs", type=int, default=600, help="pairs of different places")
    return parser.parse_args()


def _describe_interleaved(
    photos: list[LabelledPhoto], options: list[SiftSettings]
) -> tuple[list[list[LocalFeatures]], list[float]]:
    """Describe photo by photo under every setting, each time in another order.

    A slow moment of the machine, the first look at a photograph and the memory that the last
    setting left behind hit all settings alike.
    """
    rng = np.random.default_rng(0)
    described: list[list[LocalFeatures]] = [[] for _ in options]
    cpu_seconds = [0.0] * len(options)
    for photo in photos:
        for number in rng.permutation(len(options)).tolist():
            started = time.process_time()
            features = extract_sift(photo.pixels, options[number])
            cpu_seconds[number] += time.process_time() - started
            described[number].append(features)
    return described, cpu_seconds


def _measure(
    option: SiftSettings,
    features: list[LocalFeatures],
    cpu_seconds: float,
    true_pairs: list[Pair],
    cross_pairs: list[Pair],
) -> dict[str, Any]:
    verified = [pair for pair in true_pairs if _is_verified(features, pair)]
    across = [_count_inliers(features, pair) for pair in cross_pairs]
    return {
        "long_side_px": option.long_side_px,
        "max_features": option.max_features,
        "cpu_ms_per_image": round(1000 * cpu_seconds / len(features), 1),
        "features_per_image": round(sum(len(f) for f in features) / len(features)),
        "true_pairs_verified": len(verified),
        "images_with_partner": len(set(itertools.chain.from_iterable(verified))),
        "cross_pairs_verified": sum(_is_verified(features, pair) for pair in cross_pairs),
        "max_inliers_across": max(across, default=0),
    }


def _is_verified(features: list[LocalFeatures], pair: Pair) -> bool:
    a, b = pair
    found = verify_pair(features[a], features[b], VERIFICATION)
    return found.verdict is not PairVerdict.REJECTED


def _count_inliers(features: list[LocalFeatures], pair: Pair) -> int:
    a, b = pair
    return verify_pair(features[a], features[b], VERIFICATION).num_inliers


def _is_default(row: dict[str, Any]) -> bool:
    default = SiftSettings()
    return (row["long_side_px"], row["max_features"]) == (
        default.long_side_px,
        default.max_features,
    )


if __name__ == "__main__":
    main()
