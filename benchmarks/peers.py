"""Verifiers to be compared: ours, and what others would write. All compare one photo with many."""

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from curation.cascade import CascadeSettings
from curation.kernels.processor import AVX2, DotProductKernel, available_kernels
from curation.matchable_features import MatchableFeatures
from curation.verification import verify_prepared_to_many
from curation.verification_settings import VerificationSettings
from manifests.features import LocalFeatures
from manifests.rows import PairVerdict

CASCADE = VerificationSettings()
EXACT = VerificationSettings(cascade=CascadeSettings(mode="exact"))
MIN_INLIERS = CASCADE.min_inliers
SCRIPT_RATIO, SCRIPT_TOLERANCE_PX = 0.75, 5.0
HLOC_RATIO = 0.8
DELF_DISTANCE, DELF_TOLERANCE_PX, DELF_TRIALS = 0.7, 20.0, 1000


@dataclass(frozen=True)
class DescribedPhoto:
    """One photograph as every method wants it; all see the same pixels and the same budget.

    Attributes:
        ours: our features.
        xy: OpenCV's key points, float32 (n, 2).
        descriptors: OpenCV's descriptors, float32 (n, 128).
        unit: the same as RootSIFT of unit length, float32 (n, 128).
        reduced: `unit` on 40 principal axes, float32 (n, 40).
        shape: width and height in pixels.
    """

    ours: LocalFeatures
    xy: NDArray[np.float32]
    descriptors: NDArray[np.float32]
    unit: NDArray[np.float32]
    reduced: NDArray[np.float32]
    shape: tuple[int, int]


@dataclass(frozen=True)
class Answer:
    """What a method says of a pair."""

    is_verified: bool
    num_inliers: int


Method = Callable[[DescribedPhoto, Sequence[DescribedPhoto]], list[Answer]]
Points = NDArray[np.float32]
Inliers = Callable[[Points, Points], int]


def list_methods() -> tuple[dict[str, Method], list[str]]:
    """The methods that can run here, ours first, and the names of those that cannot."""
    methods: dict[str, Method] = {
        "ours": _verify_ours(CASCADE),
        "ours_exact": _verify_ours(EXACT),
        "flann_ratio_ransac": _pair_by_pair(_match_flann, _count_homography(cv2.RANSAC)),
        "flann_ratio_affine": _pair_by_pair(_match_flann, _count_affine),
        "brute_force_ratio_magsac": _pair_by_pair(
            _match_brute_force, _count_homography(cv2.USAC_MAGSAC)
        ),
        "torch_mutual_magsac": _pair_by_pair(
            lambda a, b: _match_torch(a, b, SCRIPT_RATIO), _count_homography(cv2.USAC_MAGSAC)
        ),
    }
    missing = []
    if AVX2 in available_kernels():
        methods["ours_avx2"] = _verify_ours(CASCADE, AVX2)
        methods["ours_exact_avx2"] = _verify_ours(EXACT, AVX2)
    for package, name, method in (
        ("pycolmap", "hloc_two_view_geometry", _verify_hloc),
        ("skimage", "delf_script_affine_ransac", _verify_delf),
    ):
        if importlib.util.find_spec(package) is None:
            missing.append(f"{name}: needs {package} (extra `bench`)")
        else:
            methods[name] = method
    return methods, missing


def _verify_ours(settings: VerificationSettings, kernel: DotProductKernel | None = None) -> Method:
    """As the verify stage does: images that come again are prepared already."""
    prepared: dict[int, MatchableFeatures] = {}

    def prepare(photo: DescribedPhoto) -> MatchableFeatures:
        # The photographs outlive the method, so that an id stays one photograph's.
        if id(photo) not in prepared:
            prepared[id(photo)] = MatchableFeatures(photo.ours, kernel)
        return prepared[id(photo)]

    def verify(query: DescribedPhoto, others: Sequence[DescribedPhoto]) -> list[Answer]:
        found = verify_prepared_to_many(prepare(query), map(prepare, others), settings)
        return [
            Answer(answer.verdict is not PairVerdict.REJECTED, answer.num_inliers)
            for answer in found
        ]

    return verify


def _pair_by_pair(
    match: Callable[[DescribedPhoto, DescribedPhoto], tuple[Points, Points]], count: Inliers
) -> Method:
    def verify(query: DescribedPhoto, others: Sequence[DescribedPhoto]) -> list[Answer]:
        return [_accept(count(*match(query, other))) for other in others]

    return verify


def _accept(num_inliers: int) -> Answer:
    return Answer(num_inliers >= MIN_INLIERS, num_inliers)


def _match_flann(a: DescribedPhoto, b: DescribedPhoto) -> tuple[Points, Points]:
    cv2.setRNGSeed(0)  # the trees are random
    matcher = cv2.FlannBasedMatcher({"algorithm": 1, "trees": 5}, {"checks": 50})
    return _match_by_ratio(matcher, a, b)


def _match_brute_force(a: DescribedPhoto, b: DescribedPhoto) -> tuple[Points, Points]:
    return _match_by_ratio(cv2.BFMatcher(cv2.NORM_L2), a, b)


def _match_by_ratio(
    matcher: Any,  # noqa: ANN401  (OpenCV's matchers have no common type)
    a: DescribedPhoto,
    b: DescribedPhoto,
) -> tuple[Points, Points]:
    if min(len(a.xy), len(b.xy)) < 2:
        return a.xy[:0], b.xy[:0]
    neighbours = matcher.knnMatch(a.descriptors, b.descriptors, k=2)
    good = [best for best, second in neighbours if best.distance < SCRIPT_RATIO * second.distance]
    return a.xy[[match.queryIdx for match in good]], b.xy[[match.trainIdx for match in good]]


def _match_torch(a: DescribedPhoto, b: DescribedPhoto, max_ratio: float) -> tuple[Points, Points]:
    rows, columns = _find_mutual(a, b, max_ratio)
    return a.xy[rows], b.xy[columns]


def _find_mutual(
    a: DescribedPhoto, b: DescribedPhoto, max_ratio: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Mutual nearest neighbours by one product in float32, as hloc's NN-ratio matcher."""
    if min(len(a.xy), len(b.xy)) < 2:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    products = torch.from_numpy(a.unit) @ torch.from_numpy(b.unit).T
    (best, second), (nearest, _) = (part.T for part in products.topk(2, dim=1))
    is_good = 1 - best <= max_ratio**2 * (1 - second)
    is_good &= products.argmax(dim=0)[nearest] == torch.arange(len(nearest))
    rows = torch.nonzero(is_good)[:, 0]
    return rows.numpy(), nearest[rows].numpy()


def _count_homography(estimator: int) -> Inliers:
    def count(xy_a: Points, xy_b: Points) -> int:
        if len(xy_a) < 4:
            return 0
        _, mask = cv2.findHomography(xy_a, xy_b, estimator, SCRIPT_TOLERANCE_PX)
        return 0 if mask is None else int(mask.sum())

    return count


def _count_affine(xy_a: Points, xy_b: Points) -> int:
    if len(xy_a) < 3:
        return 0
    tolerance_px = 2 * SCRIPT_TOLERANCE_PX  # an affine map bends less than a homography
    _, mask = cv2.estimateAffine2D(xy_a, xy_b, ransacReprojThreshold=tolerance_px)
    return 0 if mask is None else int(mask.sum())


def _verify_hloc(query: DescribedPhoto, others: Sequence[DescribedPhoto]) -> list[Answer]:
    """NN-mutual at ratio 0.8 and COLMAP's two-view geometry, with hloc's options."""
    return [_accept(_count_two_view(query, other)) for other in others]


def _count_two_view(a: DescribedPhoto, b: DescribedPhoto) -> int:
    import pycolmap

    matches = np.stack(_find_mutual(a, b, HLOC_RATIO), axis=1).astype(np.uint32)
    if len(matches) < 8:
        return 0
    options = pycolmap.TwoViewGeometryOptions()
    options.ransac.max_num_trials = 20_000
    options.ransac.min_inlier_ratio = 0.1
    cameras = [
        pycolmap.Camera.create(0, "SIMPLE_RADIAL", 1.2 * max(photo.shape), *photo.shape)
        for photo in (a, b)
    ]
    found = pycolmap.estimate_two_view_geometry(
        cameras[0], a.xy.astype(float), cameras[1], b.xy.astype(float), matches, options
    )
    return len(found.inlier_matches)


def _verify_delf(query: DescribedPhoto, others: Sequence[DescribedPhoto]) -> list[Answer]:
    """A kd-tree on 40 dimensions and skimage's RANSAC, as DELF's published script."""
    return [_accept(count) for count in _count_delf(query, others)]


def _count_delf(query: DescribedPhoto, others: Sequence[DescribedPhoto]) -> Iterator[int]:
    from scipy.spatial import cKDTree
    from skimage.measure import ransac
    from skimage.transform import AffineTransform

    for other in others:
        if min(len(query.xy), len(other.xy)) < 3:
            yield 0
            continue
        tree = cKDTree(other.reduced)
        _, found = tree.query(query.reduced, distance_upper_bound=DELF_DISTANCE)
        rows = np.flatnonzero(found < len(other.xy))
        if len(rows) < 4:
            yield 0
            continue
        _, inliers = ransac(
            (query.xy[rows], other.xy[found[rows]]),
            AffineTransform,
            min_samples=3,
            residual_threshold=DELF_TOLERANCE_PX,
            max_trials=DELF_TRIALS,
            rng=0,
        )
        yield 0 if inliers is None else int(inliers.sum())
