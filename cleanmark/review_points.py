"""Where a query and a training photograph agree, found again for the review app."""

from dataclasses import dataclass
from functools import lru_cache
from threading import Lock

from curation.images import Box
from curation.sift import SiftSettings, extract_sift
from curation.verification import verify_pair
from manifests.features import LocalFeatures
from pipelines.settings import VerifySettings
from review_ui.evidence import MatchPoints, Pair, Query
from review_ui.pictures import Shape, read_photograph, turn_box

_MAX_PROBES = 256


class OverlapMatchFinder:
    """Compares queries with training photographs again, as the overlap stage did.

    Features and verifier use no random numbers, so the points are the same ones.

    Args:
        describe: how the stage described what it compared.
        verify: its verifier.
        min_inliers: what it asked of a match.
    """

    def __init__(self, describe: SiftSettings, verify: VerifySettings, min_inliers: int) -> None:
        self._describe = describe
        self._verify = verify.model_copy(update={"min_inliers": min_inliers}).count_all_inliers()
        self._lock = Lock()
        # A query meets many photographs in a row.
        self._load_probe = lru_cache(_MAX_PROBES)(self._read_probe)

    def find(self, pair: Pair) -> MatchPoints:
        """The inliers of a pair, in shares of both upright photographs.

        Raises:
            EvidenceError: the query's file is gone or is another one now.
        """
        if pair.query is None:
            raise ValueError(f"{pair.key}: has no query photograph to compare with")
        # One at a time: features take much memory and all cores anyway.
        with self._lock:
            probe = self._load_probe(pair.query, pair.candidate.probe == "crop")
            image = read_photograph(pair.image)
            features = extract_sift(image.pixels, self._describe)
            inliers = verify_pair(probe.features, features, self._verify).inliers
        left, top, right, bottom = probe.box
        in_probe = probe.features.xy[inliers.index_a]
        in_probe = in_probe / [probe.features.width, probe.features.height]
        in_image = features.xy[inliers.index_b] / [features.width, features.height]
        return MatchPoints(in_probe * [right - left, bottom - top] + [left, top], in_image)

    def _read_probe(self, query: Query, is_crop: bool) -> "_Probe":  # noqa: FBT001  (cached)
        whole = read_photograph(query.photograph)
        if query.box is None or not is_crop:
            return _Probe(extract_sift(whole.pixels, self._describe), (0.0, 0.0, 1.0, 1.0))
        crop = read_photograph(query.photograph, query.box)
        height, width = whole.pixels.shape[:2]
        box = turn_box(query.box, Shape(width, height, whole.exif_orientation))
        return _Probe(extract_sift(crop.pixels, self._describe), box)


@dataclass(frozen=True, eq=False)
class _Probe:
    """Features of a view of a query, and where the view lies in it, in shares."""

    features: LocalFeatures
    box: Box
