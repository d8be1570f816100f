"""Queries of evaluation sets, and where they agree with training images."""

from dataclasses import dataclass

from cleanmark.reporting.correspondence_drawing import Pixels, View
from cleanmark.reporting.pictures import MissingPictureError
from curation.images import ImageError, decode_image, resize_long_side
from curation.shards import ShardError
from curation.sift import extract_sift
from curation.verification import verify_pair
from manifests.evaluation_sets import EvaluationQuery, EvaluationSet, GroundTruthError
from manifests.features import LocalFeatures
from pipelines.evaluation_sets import locate_image, read_evaluation_set
from pipelines.run_config import RunConfig

_MAX_PROBES = 64
"""Kept in memory, a few megabytes each; the oldest goes first."""


@dataclass(frozen=True, eq=False)
class Probe:
    """A view of a query, no larger than it was described, and its features."""

    pixels: Pixels
    features: LocalFeatures


class QueryImages:
    """Reads queries and compares them with training images again, as the overlap stage did.

    The tables keep how many correspondences agreed, not which. Features and verifier use no
    random numbers, so asking again gives the same ones.
    """

    def __init__(self, config: RunConfig) -> None:
        self._sets = {s.name: s for s in config.evaluation_sets}
        self._describe = config.candidate_features
        verify = config.verify.model_copy(update={"min_inliers": config.overlap.min_inliers})
        self._verify = verify.count_all_inliers()
        self._truths: dict[str, EvaluationSet] = {}
        self._probes: dict[tuple[str, str, str], Probe] = {}

    def compare(
        self, eval_set: str, query_id: str, probe_name: str, image: Pixels
    ) -> tuple[View, View]:
        """Find the places where a query and a training image agree.

        Args:
            eval_set: name of the evaluation set.
            query_id: the query.
            probe_name: `crop` for its box, `whole` for the whole photograph.
            image: the training image, uint8 (height, width, 3), RGB.

        Returns:
            The query's view and the image's; their points belong together one by one.

        Raises:
            MissingPictureError: the query's image or the ground truth is not there any more.
        """
        probe = self.load_probe(eval_set, query_id, probe_name)
        features = extract_sift(image, self._describe)
        inliers = verify_pair(probe.features, features, self._verify).inliers
        query_xy = probe.features.xy[inliers.index_a]
        return (
            View(probe.pixels, query_xy, probe.features.width),
            View(image, features.xy[inliers.index_b], features.width),
        )

    def load_probe(self, eval_set: str, query_id: str, probe_name: str) -> Probe:
        """Read a view of a query; arguments and errors as those of `compare`."""
        key = (eval_set, query_id, probe_name)
        if key not in self._probes:
            if len(self._probes) == _MAX_PROBES:
                del self._probes[next(iter(self._probes))]
            self._probes[key] = self._read_probe(*key)
        return self._probes[key]

    def _read_probe(self, eval_set: str, query_id: str, probe_name: str) -> Probe:
        try:
            query = self._find_query(eval_set, query_id)
            data = locate_image(self._sets[eval_set], query.image_name).read()
            pixels = decode_image(data, query.box if probe_name == "crop" else None).pixels
        except (GroundTruthError, ShardError, OSError, ImageError) as error:
            raise MissingPictureError(f"The query is not readable: {error}") from error
        features = extract_sift(pixels, self._describe)
        return Probe(resize_long_side(pixels, self._describe.long_side_px), features)

    def _find_query(self, eval_set: str, query_id: str) -> EvaluationQuery:
        if eval_set not in self._sets:
            raise GroundTruthError(f"the configuration names no evaluation set {eval_set!r} now")
        if eval_set not in self._truths:
            self._truths[eval_set] = read_evaluation_set(self._sets[eval_set])
        for query in self._truths[eval_set].queries:
            if query.query_id == query_id:
                return query
        raise GroundTruthError(f"the ground truth of {eval_set} has no query {query_id!r} now")
