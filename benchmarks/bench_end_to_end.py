"""From a decoded photograph to its verified pairs: ours beside the script that many would write.

Each photograph is described and verified with its neighbours, 100 of them where there are as many,
photograph by photograph in turns. The script describes with OpenCV's SIFT at the same size and
budget, matches by FLANN's kd-tree at ratio 0.75 and fits a homography by RANSAC.

    .venv/bin/python benchmarks/bench_end_to_end.py [--photos DIR] > end_to_end.json
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from labelled_photos import LabelledPhoto, load_photos
from numpy.typing import NDArray
from peers import SCRIPT_RATIO, SCRIPT_TOLERANCE_PX
from threadpoolctl import threadpool_limits

from curation.images import resize_long_side, to_grey
from curation.sift import SiftSettings, extract_sift
from curation.verification import verify_one_to_many
from curation.verification_settings import VerificationSettings
from manifests.features import LocalFeatures
from manifests.rows import PairVerdict

Described = tuple[Sequence[cv2.KeyPoint], NDArray[np.float32] | None]
SIFT, VERIFICATION = SiftSettings(), VerificationSettings()


class Ours:
    """Described once, verified one against many, as the stages do it."""

    def describe(self, photo: LabelledPhoto) -> LocalFeatures:
        """Local features of one photograph."""
        return extract_sift(photo.pixels, SIFT)

    def count_verified(self, query: LocalFeatures, others: list[LocalFeatures]) -> int:
        """How many of the others show what the query shows."""
        answers = verify_one_to_many(query, others, VERIFICATION)
        return sum(answer.verdict is not PairVerdict.REJECTED for answer in answers)


class Script:
    """Described once, then matched and fitted pair by pair."""

    def describe(self, photo: LabelledPhoto) -> Described:
        """Key points and descriptors of one photograph."""
        grey = resize_long_side(to_grey(photo.pixels), SIFT.long_side_px)
        return cv2.SIFT.create(SIFT.max_features).detectAndCompute(grey, None)

    def count_verified(self, query: Described, others: list[Described]) -> int:
        """How many of the others show what the query shows."""
        return sum(self._verify(query, other) for other in others)

    def _verify(self, query: Described, other: Described) -> bool:
        if query[1] is None or other[1] is None or min(len(query[0]), len(other[0])) < 2:
            return False
        matcher = cv2.FlannBasedMatcher({"algorithm": 1, "trees": 5}, {"checks": 50})
        pairs = matcher.knnMatch(query[1], other[1], k=2)
        good = [a for a, b in pairs if a.distance < SCRIPT_RATIO * b.distance]
        if len(good) < 4:
            return False
        xy_a = np.array([query[0][match.queryIdx].pt for match in good])
        xy_b = np.array([other[0][match.trainIdx].pt for match in good])
        _, mask = cv2.findHomography(xy_a, xy_b, cv2.RANSAC, SCRIPT_TOLERANCE_PX)
        return mask is not None and int(mask.sum()) >= VERIFICATION.min_inliers


WAYS = {"ours": Ours(), "script": Script()}


def measure(
    photos: list[LabelledPhoto], num_queries: int, num_neighbours: int
) -> dict[str, dict[str, float]]:
    """Wall and processor seconds of both, image by image in turns, and what they verified."""
    totals = {way: dict.fromkeys(("wall_s", "cpu_s", "verified"), 0.0) for way in WAYS}
    described: dict[str, list[Any]] = {way: [] for way in WAYS}
    for photo in photos:
        for way, method in WAYS.items():
            begun = time.perf_counter(), time.process_time()
            described[way].append(method.describe(photo))
            _add_time(totals[way], begun, num_queries / len(photos))
    queries = np.linspace(0, len(photos) - 1, num_queries).astype(int).tolist()
    for query in queries:
        others = [n % len(photos) for n in range(query + 1, query + 1 + num_neighbours)]
        for way, method in WAYS.items():
            candidates = [described[way][other] for other in others]
            begun = time.perf_counter(), time.process_time()
            totals[way]["verified"] += method.count_verified(described[way][query], candidates)
            _add_time(totals[way], begun, 1.0)
    return totals


def _add_time(total: dict[str, float], begun: tuple[float, float], share: float) -> None:
    total["wall_s"] += share * (time.perf_counter() - begun[0])
    total["cpu_s"] += share * (time.process_time() - begun[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, help="labelled folder; default: drawn views")
    parser.add_argument("--queries", type=int, default=36, help="photographs that are verified")
    parser.add_argument("--neighbours", type=int, default=100, help="of each")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    photos = load_photos(arguments.photos)
    num_neighbours = min(arguments.neighbours, len(photos) - 1)
    num_queries = min(arguments.queries, len(photos))
    with threadpool_limits(1):
        measure(photos[:3], 1, 2)  # compiles
        totals = measure(photos, num_queries, num_neighbours)
    summary: dict[str, Any] = {
        "num_photos": len(photos),
        "num_queries": num_queries,
        "neighbours_per_query": num_neighbours,
        "ways": {way: {k: round(v, 3) for k, v in t.items()} for way, t in totals.items()},
        "script_relative_to_ours": {
            clock: round(totals["script"][clock] / totals["ours"][clock], 1)
            for clock in ("wall_s", "cpu_s")
        },
    }
    json.dump(summary, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
