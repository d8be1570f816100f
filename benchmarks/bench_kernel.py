"""Our nearest neighbour search beside others, and its share of the processor's peak.

JSON on standard output.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import cv2
import faiss
import llvmlite.binding as llvm
import numpy as np
from multiply_peak import measure_peak
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from curation.kernels.packed_columns import MeasuredDescriptors
from curation.kernels.portable_search import PortableColumns
from curation.kernels.processor import available_kernels
from curation.matchable_features import index_descriptors
from curation.sift import root_sift
from curation.sketches import SKETCH_BYTES, sketch_descriptors
from manifests.features import DESCRIPTOR_BYTES

Search = Callable[[], object]
CALLS_PER_TURN = 4
"""An image is compared with many, one after the other: its descriptors stay in the caches."""
SKETCHES = "_sketches"
"""Behind the name of a kernel, the same search among sketches."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=int, nargs="+", default=[384, 640, 1000, 2000])
    parser.add_argument("--repetitions", type=int, default=30)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    faiss.omp_set_num_threads(1)
    with threadpool_limits(1):
        peaks = {kernel.name: measure_peak(kernel) for kernel in available_kernels()}
        sizes = {
            count: _measure(count, arguments.repetitions, peaks) for count in arguments.features
        }
    summary = {"processor": llvm.get_host_cpu_name(), "peak_gops": peaks, "num_features": sizes}
    json.dump(summary, sys.stdout, indent=2)
    print()


def _measure(count: int, repetitions: int, peaks: dict[str, float]) -> dict[str, Any]:
    """Milliseconds and rates of all searches, in turn, the median of the repetitions."""
    a, b = (_draw_descriptors(seed, count) for seed in (0, 1))
    searches = _list_searches(a, b)
    times: dict[str, list[float]] = {name: [] for name in searches}
    for _ in range(repetitions):
        for name, search in searches.items():
            search()  # compiles, and brings the descriptors back into the caches
            started = time.process_time()
            for _ in range(CALLS_PER_TURN):
                search()
            times[name].append((time.process_time() - started) / CALLS_PER_TURN)
    seconds = {name: float(np.median(values)) for name, values in times.items()}
    ours = seconds[next(iter(seconds))]
    return {name: _describe(name, count, value, ours, peaks) for name, value in seconds.items()}


def _describe(
    name: str, count: int, seconds: float, ours: float, peaks: dict[str, float]
) -> dict[str, float]:
    num_values = SKETCH_BYTES if name.endswith(SKETCHES) else DESCRIPTOR_BYTES
    peak = peaks.get(name.removesuffix(SKETCHES))
    gops = 2 * num_values * count**2 / seconds / 1e9
    described = {
        "cpu_ms": round(seconds * 1e3, 4),
        "gops": round(gops, 1),
        "time_relative_to_ours": round(seconds / ours, 2),
    }
    if peak is not None:
        described["share_of_peak"] = round(gops / peak, 3)
    return described


def _list_searches(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> dict[str, Search]:
    """Ours find the best two of every row and the best of every column; others as they can."""
    a32, b32 = a.astype(np.float32), b.astype(np.float32)
    rows, columns = MeasuredDescriptors.of(a), MeasuredDescriptors.of(b)
    ours: dict[str, Search] = {
        kernel.name: partial(index_descriptors(columns, kernel).find_neighbours, rows)
        for kernel in available_kernels()
    }
    sketches = [MeasuredDescriptors.of(sketch_descriptors(s, are_short=False)) for s in (a, b)]
    for kernel in available_kernels():
        index = index_descriptors(sketches[1], kernel)
        ours[kernel.name + SKETCHES] = partial(index.find_neighbours, sketches[0])
    ours["portable"] = partial(PortableColumns(columns).find_neighbours, rows)
    first = next(iter(ours))
    return {
        **ours,
        f"{first}_with_packing": lambda: _prepare_and_search(a, b),
        "numpy_product_alone": lambda: a32 @ b32.T,
        "numpy_product_and_partition": lambda: _search_with_numpy(a32, b32),
        "faiss_knn_2_one_way": lambda: faiss.knn(a32, b32, 2),
        "opencv_brute_force_knn_2_one_way": lambda: cv2.BFMatcher().knnMatch(a32, b32, 2),
        "opencv_flann_kd_tree_knn_2_one_way": lambda: _search_with_flann(a32, b32),
    }


def _prepare_and_search(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> object:
    columns = index_descriptors(MeasuredDescriptors.of(b))
    return columns.find_neighbours(MeasuredDescriptors.of(a))


def _search_with_numpy(a: NDArray[np.float32], b: NDArray[np.float32]) -> object:
    products = a @ b.T
    squared = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1) - 2 * products
    return np.partition(squared, 1, axis=1)[:, :2], squared.argmin(axis=1), squared.argmin(axis=0)


def _search_with_flann(a: NDArray[np.float32], b: NDArray[np.float32]) -> object:
    matcher = cv2.FlannBasedMatcher({"algorithm": 1, "trees": 5}, {"checks": 50})
    return matcher.knnMatch(a, b, k=2)


def _draw_descriptors(seed: int, count: int) -> NDArray[np.uint8]:
    """Histograms as sparse as those of SIFT."""
    return root_sift(np.random.default_rng(seed).gamma(0.3, 1.0, (count, 128)))


if __name__ == "__main__":
    main()
