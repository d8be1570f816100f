"""Our verifier beside the two scripts that most people would write. JSON on standard output."""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from labelled_photos import LabelledPhoto, Pair, list_true_pairs, load_photos, sample_cross_pairs
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from curation.images import resize_long_side, to_grey
from curation.sift import SiftSettings, extract_sift
from curation.verification import CascadeSettings, VerificationSettings, verify_pair
from manifests.features import LocalFeatures
from manifests.rows import PairVerdict

SIFT = SiftSettings()
VERIFICATION = VerificationSettings()
EXACT = VerificationSettings(cascade=CascadeSettings(mode="exact"))
NAIVE_RATIO = 0.75
NAIVE_TOLERANCE_PX = 5.0
PAIRS_PER_TURN = 10


@dataclass(frozen=True)
class DescribedPhoto:
    """One photograph as every method wants it; all see the same pixels and the same budget."""

    ours: LocalFeatures
    xy: NDArray[np.float32]
    descriptors: NDArray[np.float32]


@dataclass(frozen=True)
class Answer:
    """What a method says of a pair."""

    is_verified: bool
    num_inliers: int


Method = Callable[[DescribedPhoto, DescribedPhoto], Answer]


def main() -> None:
    arguments = _parse_arguments()
    cv2.setNumThreads(1)
    photos = load_photos(arguments.photos)
    described = [_describe(photo) for photo in photos]
    groups = {
        "true": list_true_pairs(photos),
        "cross": sample_cross_pairs(photos, arguments.cross_pairs),
    }
    with threadpool_limits(1):
        for verify in METHODS.values():
            verify(described[0], described[1])  # compiles
        answers = {name: _verify_interleaved(described, pairs) for name, pairs in groups.items()}
    summary = {
        "num_photos": len(photos),
        "num_pairs": {name: len(pairs) for name, pairs in groups.items()},
        "min_inliers": VERIFICATION.min_inliers,
        "methods": {name: _summarise(name, answers) for name in METHODS},
        "true_pairs_by_who_verifies_them": _count_agreement(answers["true"]),
    }
    json.dump(summary, sys.stdout, indent=2)
    print()


def verify_ours(a: DescribedPhoto, b: DescribedPhoto) -> Answer:
    found = verify_pair(a.ours, b.ours, VERIFICATION)
    return Answer(found.verdict is not PairVerdict.REJECTED, found.num_inliers)


def verify_ours_exactly(a: DescribedPhoto, b: DescribedPhoto) -> Answer:
    found = verify_pair(a.ours, b.ours, EXACT)
    return Answer(found.verdict is not PairVerdict.REJECTED, found.num_inliers)


def verify_flann_ransac(a: DescribedPhoto, b: DescribedPhoto) -> Answer:
    cv2.setRNGSeed(0)  # the trees are random
    matcher = cv2.FlannBasedMatcher({"algorithm": 1, "trees": 5}, {"checks": 50})
    return _verify_by_homography(matcher, a, b, cv2.RANSAC)


def verify_brute_force_magsac(a: DescribedPhoto, b: DescribedPhoto) -> Answer:
    return _verify_by_homography(cv2.BFMatcher(cv2.NORM_L2), a, b, cv2.USAC_MAGSAC)


METHODS: dict[str, Method] = {
    "ours": verify_ours,
    "ours_exact": verify_ours_exactly,
    "flann_ratio_ransac": verify_flann_ransac,
    "brute_force_ratio_magsac": verify_brute_force_magsac,
}


def _verify_by_homography(
    matcher: Any,  # noqa: ANN401  (OpenCV's matchers have no common type)
    a: DescribedPhoto,
    b: DescribedPhoto,
    estimator: int,
) -> Answer:
    if min(len(a.xy), len(b.xy)) < 2:
        return Answer(is_verified=False, num_inliers=0)
    neighbours = matcher.knnMatch(a.descriptors, b.descriptors, k=2)
    good = [best for best, second in neighbours if best.distance < NAIVE_RATIO * second.distance]
    if len(good) < 4:
        return Answer(is_verified=False, num_inliers=0)
    xy_a = a.xy[[match.queryIdx for match in good]]
    xy_b = b.xy[[match.trainIdx for match in good]]
    _, mask = cv2.findHomography(xy_a, xy_b, estimator, NAIVE_TOLERANCE_PX)
    num_inliers = 0 if mask is None else int(mask.sum())
    return Answer(num_inliers >= VERIFICATION.min_inliers, num_inliers)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, help="labelled folder; default: drawn views")
    parser.add_argument("--cross-pairs", type=int, default=600, help="pairs of different places")
    return parser.parse_args()


def _describe(photo: LabelledPhoto) -> DescribedPhoto:
    grey = resize_long_side(to_grey(photo.pixels), SIFT.long_side_px)
    keypoints, descriptors = cv2.SIFT.create(SIFT.max_features).detectAndCompute(grey, None)
    xy = np.array([keypoint.pt for keypoint in keypoints], np.float32).reshape(-1, 2)
    if descriptors is None:
        descriptors = np.empty((0, 128), np.float32)
    return DescribedPhoto(extract_sift(photo.pixels, SIFT), xy, descriptors)


def _verify_interleaved(
    described: list[DescribedPhoto], pairs: list[Pair]
) -> list[dict[str, tuple[Answer, float]]]:
    """Put every pair to every method; method -> answer and CPU seconds, per pair.

    The methods take turns after a few pairs each, so that a drift of the machine meets all alike
    and none finds its caches emptied by another at every pair.
    """
    answers: list[dict[str, tuple[Answer, float]]] = [{} for _ in pairs]
    for start in range(0, len(pairs), PAIRS_PER_TURN):
        turn = range(start, min(start + PAIRS_PER_TURN, len(pairs)))
        for name, verify in METHODS.items():
            for number in turn:
                a, b = pairs[number]
                started = time.process_time()
                answer = verify(described[a], described[b])
                answers[number][name] = answer, time.process_time() - started
    return answers


def _summarise(
    method: str, answers: dict[str, list[dict[str, tuple[Answer, float]]]]
) -> dict[str, Any]:
    counts = {
        f"{name}_pairs_verified": sum(row[method][0].is_verified for row in rows)
        for name, rows in answers.items()
    }
    ratios = {
        f"cpu_time_relative_to_ours_{name}_pairs": round(
            sum(row[method][1] for row in rows) / sum(row["ours"][1] for row in rows), 2
        )
        for name, rows in answers.items()
        if rows
    }
    recall = counts["true_pairs_verified"] / max(len(answers["true"]), 1)
    across = max((row[method][0].num_inliers for row in answers["cross"]), default=0)
    return {**counts, "recall": round(recall, 3), "max_inliers_across": across, **ratios}


def _count_agreement(rows: list[dict[str, tuple[Answer, float]]]) -> dict[str, int]:
    who = Counter(
        " + ".join(name for name in METHODS if row[name][0].is_verified) or "nobody" for row in rows
    )
    return dict(sorted(who.items()))


if __name__ == "__main__":
    main()
