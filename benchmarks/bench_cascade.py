"""What looks at sketches save, and what they lose. JSON on standard output."""

import argparse
import json
import sys
import time
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import cv2
from labelled_photos import Pair, list_true_pairs, load_photos, sample_cross_pairs
from threadpoolctl import threadpool_limits

from curation.cascade import CascadeSettings
from curation.matchable_features import MatchableFeatures
from curation.sift import SiftSettings, extract_sift
from curation.verification import verify_prepared
from curation.verification_settings import VerificationSettings
from manifests.rows import PairReason, PairVerdict

MODES = ("reject_early", "decide_early")
NUM_FEATURES = (256, 320, 384, 448, 512)
MIN_CONSISTENT = (3, 4, 5)


@dataclass(frozen=True)
class Answer:
    """What one setting says of a pair, and how long it takes."""

    is_verified: bool
    is_rejected_early: bool
    is_verified_early: bool
    num_inliers: int
    cpu_seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, help="labelled folder; default: drawn views")
    parser.add_argument("--cross-pairs", type=int, default=3000, help="pairs of different places")
    parser.add_argument("--every-pair", action="store_true", help="all pairs, of any two photos")
    parser.add_argument("--features", type=int, default=SiftSettings().max_features)
    parser.add_argument("--long-side", type=int, default=SiftSettings().long_side_px)
    arguments = parser.parse_args()
    sift = SiftSettings(long_side_px=arguments.long_side, max_features=arguments.features)
    cv2.setNumThreads(1)
    photos = load_photos(arguments.photos)
    described = [MatchableFeatures(extract_sift(photo.pixels, sift)) for photo in photos]
    pairs = list_true_pairs(photos) + sample_cross_pairs(photos, arguments.cross_pairs)
    if arguments.every_pair:
        pairs = list(combinations(range(len(photos)), 2))
    settings = _list_settings()
    with threadpool_limits(1):
        for pair in pairs:  # compiles, and prepares the photographs
            _verify_interleaved(described, pair, settings)
        answers = [_verify_interleaved(described, pair, settings) for pair in pairs]
    summary = {
        "num_photos": len(photos),
        "num_pairs": len(pairs),
        "verified_exactly": sum(row["exact"].is_verified for row in answers),
        "settings": {name: _summarise(name, answers) for name in settings},
    }
    json.dump(summary, sys.stdout, indent=2)
    print()


def _list_settings() -> dict[str, VerificationSettings]:
    settings = {"exact": VerificationSettings(cascade=CascadeSettings(mode="exact"))}
    for num_features in NUM_FEATURES:
        for min_consistent in MIN_CONSISTENT:
            cascade = CascadeSettings(
                mode="reject_early",
                num_features=num_features,
                share=0.0,
                min_consistent=min_consistent,
            )
            name = f"{num_features} features, {min_consistent} consistent"
            settings[name] = VerificationSettings(cascade=cascade)
    for mode in MODES:
        settings[f"default, {mode}"] = VerificationSettings(cascade=CascadeSettings(mode=mode))
    return settings


def _verify_interleaved(
    described: list[MatchableFeatures], pair: Pair, settings: dict[str, VerificationSettings]
) -> dict[str, Answer]:
    return {
        name: _verify(described[pair[0]], described[pair[1]], setting)
        for name, setting in settings.items()
    }


def _verify(a: MatchableFeatures, b: MatchableFeatures, settings: VerificationSettings) -> Answer:
    started = time.process_time()
    found = verify_prepared(a, b, settings)
    return Answer(
        is_verified=found.verdict is not PairVerdict.REJECTED,
        is_rejected_early=found.reason is PairReason.FEW_AMONG_STRONGEST,
        is_verified_early=found.reason is PairReason.ENOUGH_AMONG_STRONGEST,
        num_inliers=found.num_inliers,
        cpu_seconds=time.process_time() - started,
    )


def _summarise(name: str, answers: list[dict[str, Answer]]) -> dict[str, Any]:
    true = [row for row in answers if row["exact"].is_verified]
    others = [row for row in answers if not row["exact"].is_verified]
    early = [row["exact"].num_inliers for row in answers if row[name].is_rejected_early]
    verified_early = [row["exact"].num_inliers for row in answers if row[name].is_verified_early]
    return {
        "decisions_lost": sum(not row[name].is_verified for row in true),
        "decisions_gained": sum(row[name].is_verified for row in others),
        "verified_early": len(verified_early),
        "fewest_inliers_verified_early": min(verified_early, default=None),
        "most_inliers_rejected_early": max(early, default=0),
        "others_rejected_early": sum(row[name].is_rejected_early for row in others),
        "cpu_ms_per_verified_pair": _mean_ms(name, true),
        "cpu_ms_per_other_pair": _mean_ms(name, others),
    }


def _mean_ms(name: str, rows: list[dict[str, Answer]]) -> float:
    total_seconds = sum(row[name].cpu_seconds for row in rows)
    return round(1e3 * total_seconds / max(len(rows), 1), 3)


if __name__ == "__main__":
    main()
