"""Our verifier beside what others would write, on labelled photographs. JSON on standard output."""

import argparse
import importlib
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import groupby
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import llvmlite.binding as llvm
import numpy as np
import torch
from labelled_photos import (
    LabelledPhoto,
    Pair,
    list_cross_class_pairs,
    list_true_pairs,
    load_photos,
    sample_cross_queries,
)
from multiply_peak import measure_peak
from numpy.typing import NDArray
from peers import CASCADE, MIN_INLIERS, Answer, DescribedPhoto, Method, list_methods
from threadpoolctl import threadpool_limits
from verification_goals import judge_goals

from curation.images import resize_long_side, to_grey
from curation.kernels.processor import available_kernels
from curation.sift import SiftSettings, extract_sift
from curation.verification import verify_one_to_many
from manifests.rows import PairVerdict
from pipelines.allocator import keep_freed_memory

SLOW_METHODS = {"delf_script_affine_ransac": 24}
"""Pairs of each kind that a method of half a second per pair is put to, at most."""
CROSS_PAIRS = 300
ALWAYS = ("ours", "ours_exact", "flann_ratio_ransac", "torch_mutual_magsac")
PAIRS_PER_TURN = 150
PAIRS_PER_QUERY = 30
"""The verify stage compares an image with up to 100 others."""
PREVALENCE = 0.3
PAIRS_ON_TWO_CORES = 60
ROUNDS_ON_TWO_CORES = 3
"""Of each pair the fastest counts: in the first, photographs are prepared and code is loaded."""
REDUCED_DIMENSIONS = 40
OPERATIONS_PER_PAIR_OF_FEATURES = 2 * 128

Rows = list[dict[str, tuple[Answer, float]]]
"""Per pair: method -> answer and CPU seconds."""


def main() -> None:
    arguments = _parse_arguments()
    sift = SiftSettings(long_side_px=arguments.long_side, max_features=arguments.features)
    _behave_like_a_worker()
    methods, missing = list_methods()
    methods = {
        name: m for name, m in methods.items() if name in {*ALWAYS, *(arguments.methods or methods)}
    }
    photos = load_photos(arguments.photos)
    described = _describe(photos, sift)
    num_cross = CROSS_PAIRS if arguments.cross_pairs == "all" else int(arguments.cross_pairs)
    true_pairs = list_true_pairs(photos)
    every = -(-len(true_pairs) // arguments.true_pairs)
    groups = {
        "true": true_pairs[::every],
        "cross": sample_cross_queries(photos, num_cross, PAIRS_PER_QUERY),
    }
    with threadpool_limits(1):
        rows = {
            name: _verify_in_rounds(described, pairs, methods, arguments.rounds)
            for name, pairs in groups.items()
        }
    summary = {
        "processor": llvm.get_host_cpu_name(),
        "num_photos": len(photos),
        "long_side_px": arguments.long_side,
        "max_features": arguments.features,
        "mean_features": round(float(np.mean([len(photo.ours) for photo in described])), 1),
        "num_pairs": {name: len(pairs) for name, pairs in groups.items()},
        "min_inliers": MIN_INLIERS,
        "missing": missing,
        "methods": {name: _summarise(name, rows) for name in methods},
        "true_pairs_by_who_verifies_them": _count_agreement(rows["true"]),
        "share_of_peak": _measure_share_of_peak(described, groups, rows),
    }
    if arguments.two_cores:
        summary["two_processes_at_once"] = _run_two_processes(described, groups, [*methods])
    if arguments.cross_pairs == "all":
        summary["every_cross_class_pair"] = _explain_accepts(photos, described)
    summary["goals"] = judge_goals(summary)
    json.dump(summary, sys.stdout, indent=2)
    print()


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, help="labelled folder; default: drawn views")
    parser.add_argument(
        "--cross-pairs",
        default=str(CROSS_PAIRS),
        help="pairs of different places; `all`: ours judges every pair of different classes too",
    )
    parser.add_argument("--true-pairs", type=int, default=10_000, help="at most, of one place")
    parser.add_argument("--features", type=int, default=SiftSettings().max_features)
    parser.add_argument("--long-side", type=int, default=SiftSettings().long_side_px)
    parser.add_argument(
        "--methods", nargs="+", help="these beside ours, the script and torch; default: all"
    )
    parser.add_argument("--rounds", type=int, default=1, help="of each pair the fastest counts")
    parser.add_argument("--two-cores", action="store_true", help="also two processes at once")
    return parser.parse_args()


def _behave_like_a_worker() -> None:
    keep_freed_memory()
    importlib.import_module("curation.preload")  # loads all compiled code
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def _describe(photos: list[LabelledPhoto], sift: SiftSettings) -> list[DescribedPhoto]:
    """Extraction is not timed; all methods see the same pixels at the same budget."""
    raw = [_detect(photo, sift) for photo in photos]
    units = [_root_sift(descriptors) for _, descriptors, _ in raw]
    everything = np.concatenate(units).astype(np.float64)
    _, axes = np.linalg.eigh(np.cov(everything.T))
    projection = axes[:, -REDUCED_DIMENSIONS:].astype(np.float32)
    return [
        DescribedPhoto(
            extract_sift(photo.pixels, sift), xy, descriptors, unit, unit @ projection, shape
        )
        for photo, (xy, descriptors, shape), unit in zip(photos, raw, units, strict=True)
    ]


def _detect(
    photo: LabelledPhoto, sift: SiftSettings
) -> tuple[NDArray[np.float32], NDArray[np.float32], tuple[int, int]]:
    grey = resize_long_side(to_grey(photo.pixels), sift.long_side_px)
    keypoints, descriptors = cv2.SIFT.create(sift.max_features).detectAndCompute(grey, None)
    xy = np.array([keypoint.pt for keypoint in keypoints], np.float32).reshape(-1, 2)
    if descriptors is None:
        descriptors = np.empty((0, 128), np.float32)
    return xy, np.asarray(descriptors, np.float32), (grey.shape[1], grey.shape[0])


def _root_sift(descriptors: NDArray[np.float32]) -> NDArray[np.float32]:
    total = np.maximum(descriptors.sum(axis=1, keepdims=True), 1e-12)
    return np.sqrt(descriptors / total)


def _verify_in_rounds(
    described: list[DescribedPhoto],
    pairs: list[Pair],
    methods: dict[str, Method],
    num_rounds: int,
) -> Rows:
    """Of each pair, the fastest of some rounds, with every method alike."""
    rounds = (_verify_interleaved(described, pairs, methods) for _ in range(num_rounds))
    return [
        {name: min((row[name] for row in rows), key=lambda timed: timed[1]) for name in rows[0]}
        for rows in zip(*rounds, strict=True)
    ]


def _verify_interleaved(
    described: list[DescribedPhoto], pairs: list[Pair], methods: dict[str, Method]
) -> Rows:
    """Put every pair to every method, all pairs of one photograph at a time.

    The methods take turns after some pairs, so that a drift of the machine meets all alike,
    and each begins its turn with a pair that is not timed, so that none finds the caches as
    another left them.
    """
    rows: Rows = [{} for _ in pairs]
    for turn in _cut_into_turns(pairs):
        for name, verify in methods.items():
            every = -(-len(pairs) // SLOW_METHODS.get(name, len(pairs)))
            asked = [[number for number in numbers if number % every == 0] for numbers in turn]
            first_a, first_b = pairs[turn[0][0]]
            verify(described[first_a], [described[first_b]])
            for numbers in filter(None, asked):
                others = [described[pairs[number][1]] for number in numbers]
                started = time.process_time()
                answers = verify(described[pairs[numbers[0]][0]], others)
                seconds = (time.process_time() - started) / len(numbers)
                for number, answer in zip(numbers, answers, strict=True):
                    rows[number][name] = answer, seconds
    return rows


def _cut_into_turns(pairs: list[Pair]) -> Iterator[list[list[int]]]:
    """Numbers of pairs, grouped by the first photograph, in turns of at least `PAIRS_PER_TURN`."""
    turn: list[list[int]] = []
    for _, numbers in groupby(range(len(pairs)), key=lambda number: pairs[number][0]):
        turn.append(list(numbers))
        if sum(map(len, turn)) >= PAIRS_PER_TURN:
            yield turn
            turn = []
    if turn:
        yield turn


def _summarise(method: str, groups: dict[str, Rows]) -> dict[str, Any]:
    asked = {kind: [row for row in rows if method in row] for kind, rows in groups.items()}
    rates = {kind: _rate(method, rows) for kind, rows in asked.items()}
    recall, false_rate = rates["true"], rates["cross"]
    found, wrong = (
        sum(row[method][0].is_verified for row in asked[kind]) for kind in ("true", "cross")
    )
    precision = found / max(found + wrong, 1)
    balanced = PREVALENCE * recall + (1 - PREVALENCE) * false_rate
    precision_at = PREVALENCE * recall / balanced if balanced else 0.0
    mix = {kind: _mean_ms(method, rows) for kind, rows in asked.items()}
    mix["mix"] = PREVALENCE * mix["true"] + (1 - PREVALENCE) * mix["cross"]
    return {
        "num_pairs": {kind: len(rows) for kind, rows in asked.items()},
        "true_pairs_verified": found,
        "cross_pairs_verified": wrong,
        "max_inliers_across": max(
            (row[method][0].num_inliers for row in asked["cross"]), default=0
        ),
        "recall": round(recall, 4),
        "precision": round(precision, 4),
        "f1": _f1(precision, recall),
        "f1_at_30_percent_true": _f1(precision_at, recall),
        "pairs_per_cpu_second": {kind: round(1e3 / ms, 1) for kind, ms in mix.items() if ms},
        "cpu_time_relative_to_ours": _relate(method, "ours", groups),
        "cpu_time_relative_to_ours_exact": _relate(method, "ours_exact", groups),
    }


def _relate(method: str, ours: str, groups: dict[str, Rows]) -> dict[str, float]:
    """Times of a method over times of ours, on the pairs that both were asked."""
    both = {kind: [row for row in rows if method in row] for kind, rows in groups.items()}
    theirs = {kind: _mean_ms(method, rows) for kind, rows in both.items()}
    reference = {kind: _mean_ms(ours, rows) for kind, rows in both.items()}
    for times in (theirs, reference):
        times["mix"] = PREVALENCE * times["true"] + (1 - PREVALENCE) * times["cross"]
    return {kind: round(theirs[kind] / reference[kind], 2) for kind in theirs if reference[kind]}


def _rate(method: str, rows: Rows) -> float:
    return sum(row[method][0].is_verified for row in rows) / max(len(rows), 1)


def _mean_ms(method: str, rows: Rows) -> float:
    return 1e3 * sum(row[method][1] for row in rows) / max(len(rows), 1)


def _f1(precision: float, recall: float) -> float:
    return round(2 * precision * recall / max(precision + recall, 1e-12), 4)


def _count_agreement(rows: Rows) -> dict[str, int]:
    """Which of the methods that were asked everything verify each pair."""
    compared = ("ours", "ours_exact", "flann_ratio_ransac", "hloc_two_view_geometry")
    who = Counter(
        " + ".join(name for name in compared if name in row and row[name][0].is_verified)
        or "nobody"
        for row in rows
    )
    return dict(sorted(who.items()))


def _measure_share_of_peak(
    described: list[DescribedPhoto], groups: dict[str, list[Pair]], rows: dict[str, Rows]
) -> dict[str, float]:
    """8-bit operations of whole pairs in the exact mode, over what one core can do."""
    if not available_kernels():
        return {}
    peak = measure_peak(available_kernels()[0])
    shares = {}
    for kind, pairs in groups.items():
        products = sum(len(described[a].ours) * len(described[b].ours) for a, b in pairs)
        seconds = sum(row["ours_exact"][1] for row in rows[kind])
        gops = OPERATIONS_PER_PAIR_OF_FEATURES * products / max(seconds, 1e-12) / 1e9
        shares[kind] = round(gops / peak, 3)
    return {"peak_gops": peak, **shares}


def _run_two_processes(
    described: list[DescribedPhoto], groups: dict[str, list[Pair]], names: list[str]
) -> dict[str, Any]:
    """The same pairs in two processes at once: pairs a second of both together."""
    some = {kind: pairs[:: -(-len(pairs) // PAIRS_ON_TWO_CORES)] for kind, pairs in groups.items()}
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        both = list(pool.map(_measure_alone, [described] * 2, [some] * 2, [names] * 2))
    return {
        name: {
            kind: round(sum(one[name]["pairs_per_cpu_second"][kind] for one in both), 1)
            for kind in ("true", "cross", "mix")
        }
        | {"relative_to_ours": both[0][name]["cpu_time_relative_to_ours"]["mix"]}
        for name in both[0]
    }


def _measure_alone(
    described: list[DescribedPhoto], groups: dict[str, list[Pair]], names: list[str]
) -> dict[str, dict[str, Any]]:
    _behave_like_a_worker()
    with threadpool_limits(1):
        all_methods, _ = list_methods()
        methods = {name: all_methods[name] for name in names if name not in SLOW_METHODS}
        rows = {
            kind: _verify_in_rounds(described, pairs, methods, ROUNDS_ON_TWO_CORES)
            for kind, pairs in groups.items()
        }
    return {name: _summarise(name, rows) for name in methods}


def _explain_accepts(
    photos: list[LabelledPhoto], described: list[DescribedPhoto]
) -> dict[str, Any]:
    """Every pair of photographs of different classes that we accept at the default settings."""
    pairs = list_cross_class_pairs(photos)
    accepted: list[dict[str, Any]] = []
    for query, numbered in groupby(pairs, key=lambda pair: pair[0]):
        others = [other for _, other in numbered]
        candidates = (described[other].ours for other in others)
        answers = verify_one_to_many(described[query].ours, candidates, CASCADE)
        accepted += [
            {
                "pair": [photos[query].image_id, photos[other].image_id],
                "num_inliers": found.num_inliers,
                "places": [photos[query].place, photos[other].place],
                "is_explained": photos[query].place == photos[other].place,
            }
            for other, found in zip(others, answers, strict=True)
            if found.verdict is not PairVerdict.REJECTED
        ]
    explained = [accept for accept in accepted if accept["is_explained"]]
    return {
        "num_pairs": len(pairs),
        "num_accepted": len(accepted),
        "num_unexplained": len(accepted) - len(explained),
        "explained_by_place": dict(Counter(accept["places"][0] for accept in explained)),
        "accepted": accepted,
    }


if __name__ == "__main__":
    main()
