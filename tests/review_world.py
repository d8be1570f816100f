"""A small run to review, without a run folder: drawn walls, really verified.

- 901 Old Mill, eight views of one wall; the query `mill` shows it
- 902 Stone Bridge, eight views of another; the query `bridge` shows it
- 903 Bridge of Sighs, six further views of the same wall as 902: the same landmark twice
- 904 Lonely Hill, six views of a wall that no query shows
- the name `bridge` is in the names of 902 and 903

Thirty pairs in all.
"""

from dataclasses import dataclass, field
from pathlib import Path

from tiny_run import draw_view, encode_jpeg

from curation.images import decode_image
from curation.overlap import Candidate
from curation.sift import SiftSettings, extract_sift
from curation.verification import verify_pair
from curation.verification_settings import VerificationSettings
from manifests.features import LocalFeatures
from manifests.lineage import digest_bytes
from manifests.rows import CandidateSource, CandidateVerdict, PairVerdict
from review_ui.evidence import LandmarkClass, MatchPoints, Pair, Photograph, Query, ReviewRun
from review_ui.work_queue import order_pairs

EVAL_SET = "tiny"
NAMES = {901: "Old Mill", 902: "Stone Bridge", 903: "Bridge of Sighs", 904: "Lonely Hill"}
_WALL_OF_CLASS = {901: 1, 902: 2, 903: 2, 904: 41}
_NUM_VIEWS = {901: 8, 902: 8, 903: 6, 904: 6}
_QUERIES = {"mill": 1, "bridge": 2}
_QUERY_OF_CLASS = {901: "mill", 902: "bridge", 903: "bridge", 904: "mill"}
_BOX = (20.0, 16.0, 400.0, 300.0)
_SIFT = SiftSettings(long_side_px=420, max_features=400)
_VERIFY = VerificationSettings(min_inliers=20)
NUM_PAIRS = 30


@dataclass(eq=False)
class WallFinder:
    """Compares the drawn walls, the whole query with the whole photograph."""

    known: dict[str, LocalFeatures] = field(default_factory=dict)

    def describe(self, photograph: Photograph) -> LocalFeatures:
        if photograph.sha256 not in self.known:
            pixels = decode_image(photograph.path.read_bytes()).pixels
            self.known[photograph.sha256] = extract_sift(pixels, _SIFT)
        return self.known[photograph.sha256]

    def compare(self, query: Photograph, image: Photograph):
        return verify_pair(self.describe(query), self.describe(image), _VERIFY)

    def find(self, pair: Pair) -> MatchPoints:
        query, image = pair.query.photograph, pair.image
        inliers = self.compare(query, image).inliers
        a, b = self.describe(query), self.describe(image)
        return MatchPoints(
            a.xy[inliers.index_a] / [a.width, a.height], b.xy[inliers.index_b] / [b.width, b.height]
        )


def make_world(folder: Path) -> ReviewRun:
    finder = WallFinder()
    queries = {
        name: Query(EVAL_SET, name, _write(folder, name, draw_view(wall, 77)), _BOX)
        for name, wall in _QUERIES.items()
    }
    photographs = {
        landmark_id: [
            _write(folder, f"{landmark_id}-{n}", draw_view(wall, 100 * (landmark_id - 900) + n))
            for n in range(_NUM_VIEWS[landmark_id])
        ]
        for landmark_id, wall in _WALL_OF_CLASS.items()
    }
    pairs = [
        _compare(finder, queries[_QUERY_OF_CLASS[landmark_id]], image, landmark_id, rank)
        for landmark_id, images in photographs.items()
        for rank, image in enumerate(images, start=1)
    ]
    pairs += [_name(photographs[landmark_id][0], landmark_id) for landmark_id in (902, 903)]
    classes = {
        landmark_id: LandmarkClass(landmark_id, NAMES[landmark_id], len(images), tuple(images))
        for landmark_id, images in photographs.items()
    }
    return ReviewRun("tiny", order_pairs(pairs), classes, 1, finder)


def _write(folder: Path, name: str, pixels) -> Photograph:
    data = encode_jpeg(pixels)
    path = folder / f"{name}.jpg"
    path.write_bytes(data)
    return Photograph(digest_bytes(data), path, 0, len(data), "the tests, CC0")


def _compare(finder, query, image, landmark_id, rank) -> Pair:
    found = finder.compare(query.photograph, image)
    is_match = found.verdict is not PairVerdict.REJECTED
    candidate = Candidate(
        eval_set=EVAL_SET,
        query_id=query.query_id,
        image_id=image.sha256[:16],
        landmark_id=landmark_id,
        landmark_name=NAMES[landmark_id],
        source=CandidateSource.VISUAL,
        rank=rank,
        probe="whole",
        num_features_query=len(finder.describe(query.photograph)),
        num_features_image=len(finder.describe(image)),
        similarity=0.5,
        num_tentative=found.num_tentative,
        num_inliers=found.num_inliers,
        model="affine",
        transform=None if found.matrix is None else tuple(found.matrix.ravel().tolist()),
        verdict=CandidateVerdict.MATCH if is_match else CandidateVerdict.BELOW_THRESHOLD,
        reason=found.reason,
    )
    return Pair(candidate, query, image, None)


def _name(image, landmark_id) -> Pair:
    candidate = Candidate(
        eval_set=EVAL_SET,
        query_id="text:bridge",
        image_id=image.sha256[:16],
        landmark_id=landmark_id,
        landmark_name=NAMES[landmark_id],
        source=CandidateSource.TEXT,
        verdict=CandidateVerdict.NAMED,
        reason=CandidateVerdict.NAMED,
    )
    return Pair(candidate, None, image, "bridge")
