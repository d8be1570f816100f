"""False accepts when unrelated photographs bear the same overlay. JSON on standard output."""

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
from burnt_overlays import OVERLAYS, fill_canvas, save_as_jpeg
from labelled_photos import LabelledPhoto, Pair, list_true_pairs, load_photos, sample_cross_pairs
from threadpoolctl import threadpool_limits

from curation.pair_answer import Verification
from curation.sift import SiftSettings, extract_sift
from curation.verification import verify_pair
from curation.verification_settings import VerificationSettings
from manifests.features import LocalFeatures
from manifests.rows import GUARD_REASONS, PairVerdict

VERIFICATION = VerificationSettings()


def main() -> None:
    arguments = _parse_arguments()
    cv2.setNumThreads(1)
    sift = SiftSettings(
        long_side_px=arguments.long_side_px,
        max_features=arguments.max_features,
        contrast_threshold=arguments.contrast_threshold,
    )
    photos = load_photos(arguments.photos)
    cross_pairs = sample_cross_pairs(photos, arguments.pairs)
    with threadpool_limits(1):
        true = _verify_true_pairs(photos, sift)
        verified = [pair for pair, found in true.items() if _is_accepted(found)]
        # Cutting and saving costs features of its own: no overlay is to blame for that.
        plain = _describe(None, photos, sift)
        verified = [pair for pair in verified if _is_accepted(_verify(plain, pair))]
        overlays = {
            name: _measure(name, photos, cross_pairs, verified, sift) for name in (None, *OVERLAYS)
        }
    summary = {
        "num_photos": len(photos),
        "num_cross_pairs": len(cross_pairs),
        "sift": sift.model_dump(),
        "min_inliers": VERIFICATION.min_inliers,
        "without_overlay": _summarise_true(list(true.values())),
        "overlays": {name or "none": row for name, row in overlays.items()},
    }
    json.dump(summary, sys.stdout, indent=2)
    print()


def _parse_arguments() -> argparse.Namespace:
    default = SiftSettings()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, help="labelled folder; default: drawn views")
    parser.add_argument("--pairs", type=int, default=400, help="pairs of different places")
    parser.add_argument("--long-side-px", type=int, default=default.long_side_px)
    parser.add_argument("--max-features", type=int, default=default.max_features)
    parser.add_argument("--contrast-threshold", type=float, default=default.contrast_threshold)
    return parser.parse_args()


def _verify_true_pairs(photos: list[LabelledPhoto], sift: SiftSettings) -> dict[Pair, Verification]:
    features = [extract_sift(photo.pixels, sift) for photo in photos]
    return {pair: _verify(features, pair) for pair in list_true_pairs(photos)}


def _measure(
    name: str | None,
    photos: list[LabelledPhoto],
    cross_pairs: list[Pair],
    verified: list[Pair],
    sift: SiftSettings,
) -> dict[str, Any]:
    """Burn one overlay into every photograph, and verify unrelated and true pairs."""
    features = _describe(name, photos, sift)
    cross = [_verify(features, pair) for pair in cross_pairs]
    true = [_verify(features, pair) for pair in verified]
    accepted = [found for found in cross if _is_accepted(found)]
    return {
        "reached_threshold": sum(_reached_threshold(found) for found in cross),
        "accepted": len(accepted),
        "accepted_share": round(len(accepted) / max(len(cross), 1), 4),
        "stopped_by": _count_guards(cross),
        "true_pairs": len(true),
        "true_pairs_kept": sum(_is_accepted(found) for found in true),
        "true_pairs_stopped_by": _count_guards(true),
    }


def _describe(
    name: str | None, photos: list[LabelledPhoto], sift: SiftSettings
) -> list[LocalFeatures]:
    return [extract_sift(_burn(name, photo, number), sift) for number, photo in enumerate(photos)]


def _burn(name: str | None, photo: LabelledPhoto, number: int) -> Any:  # noqa: ANN401
    canvas = fill_canvas(photo.pixels)
    return save_as_jpeg(canvas if name is None else OVERLAYS[name](canvas, number))


def _summarise_true(true: list[Verification]) -> dict[str, Any]:
    """True pairs of the photographs as they are: what the guards cost."""
    reached = [found for found in true if _reached_threshold(found)]
    refused = [found for found in reached if not _is_accepted(found)]
    return {
        "true_pairs": len(true),
        "reached_threshold": len(reached),
        "lost_by_guards": len(refused),
        "lost_share": round(len(refused) / max(len(reached), 1), 4),
        "stopped_by": _count_guards(refused),
    }


def _verify(features: list[LocalFeatures], pair: Pair) -> Verification:
    a, b = pair
    return verify_pair(features[a], features[b], VERIFICATION)


def _is_accepted(found: Verification) -> bool:
    return found.verdict is not PairVerdict.REJECTED


def _reached_threshold(found: Verification) -> bool:
    """Whether the pair would be verified if there were no guards."""
    return _is_accepted(found) or found.reason in GUARD_REASONS


def _count_guards(answers: list[Verification]) -> dict[str, int]:
    reasons = Counter(found.reason.value for found in answers if found.reason in GUARD_REASONS)
    return dict(sorted(reasons.items()))


if __name__ == "__main__":
    main()
