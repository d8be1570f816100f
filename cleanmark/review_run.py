"""Read from a run folder what the review app shows."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from curation.images import Box
from curation.overlap import Candidate
from curation.sift import extract_sift
from curation.verification import verify_pair
from manifests.arrow_schemas import CANDIDATES, IMAGES, VERDICTS
from manifests.features import LocalFeatures
from manifests.lineage import digest_bytes
from manifests.parquet_io import read_table
from manifests.rows import CandidateSource, CandidateVerdict, PairReason
from pipelines.evaluation_sets import locate_image, read_evaluation_set
from pipelines.run_config import RunConfig
from pipelines.run_folder import RunFolderError, table_parts
from pipelines.settings import EvaluationSetSettings
from review_ui.evidence import (
    LandmarkClass,
    MatchPoints,
    Pair,
    Photograph,
    Query,
    ReviewRun,
)
from review_ui.pictures import Shape, read_photograph, turn_box
from review_ui.work_queue import order_pairs

_IMAGE_COLUMNS = (
    "image_id", "landmark_id", "landmark_name", "shard", "offset", "num_bytes", "sha256", "author",
    "license",
)  # fmt: skip
_MAX_STRIP = 40
_MAX_PROBES = 256


def read_review_run(run_dir: Path, config: RunConfig) -> ReviewRun:
    """Collect the candidates of a run with the places of all photographs.

    Raises:
        RunFolderError: the overlap stage has not been run, or not since the classes were judged
            again, or it proposed nothing.
        GroundTruthError: an evaluation set is not there any more.
    """
    candidates = _read_candidates(run_dir)
    if not candidates:
        raise RunFolderError(
            f"{run_dir}: the overlap stage proposed no candidates, so there is nothing to review"
        )
    images = _read_images(run_dir, {candidate.landmark_id for candidate in candidates})
    if dropped := sorted({candidate.image_id for candidate in candidates} - images.keys()):
        raise RunFolderError(
            f"{run_dir}: the candidate {dropped[0]} is not in the clean split any more; "
            "run the job again"
        )
    by_sight = (c for c in candidates if c.source is not CandidateSource.TEXT)
    queries = _read_queries(config, {(c.eval_set, c.query_id) for c in by_sight})
    root = config.source.root
    pairs = [_make_pair(candidate, images, queries, root) for candidate in candidates]
    return ReviewRun(
        name=run_dir.resolve().name,
        pairs=order_pairs(pairs),
        classes=_make_classes(images, root),
        min_confirmations=config.emit.min_confirmations,
        finder=RunMatchFinder(config),
    )


class RunMatchFinder:
    """Compares queries with training photographs again, as the overlap stage did.

    Features and verifier use no random numbers, so the points are the same ones.
    """

    def __init__(self, config: RunConfig) -> None:
        self._describe = config.candidate_features
        verify = config.verify.model_copy(update={"min_inliers": config.overlap.min_inliers})
        self._verify = verify.count_all_inliers()
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


_Images = Mapping[str, Mapping[str, Any]]


def _read_candidates(run_dir: Path) -> list[Candidate]:
    rows = read_table(table_parts(run_dir, "overlap"), CANDIDATES).to_pylist()
    return [_make_candidate(row) for row in rows]


def _make_candidate(row: Mapping[str, Any]) -> Candidate:
    verdict = CandidateVerdict(row["verdict"])
    transform = row["transform"]
    is_named = verdict is CandidateVerdict.NAMED
    return Candidate(
        **dict(row)
        | {
            "source": CandidateSource(row["source"]),
            "verdict": verdict,
            "reason": verdict if is_named else PairReason(row["reason"]),
            "transform": None if transform is None else tuple(transform),
        }
    )


def _read_images(run_dir: Path, classes: Iterable[int]) -> _Images:
    """Rows of the clean split's images in some classes, by image id."""
    wanted = pa.array(sorted(classes), pa.int64())
    images: dict[str, dict[str, Any]] = {}
    for part in table_parts(run_dir, "ingest.join"):
        table = read_table(part, IMAGES, (*_IMAGE_COLUMNS, "status"))
        is_usable = pc.equal(table["status"], "ok")
        table = table.filter(pc.and_(pc.is_in(table["landmark_id"], wanted), is_usable))
        images |= {row["image_id"]: row for row in table.to_pylist()}
    kept: set[str] = set()
    for part in table_parts(run_dir, "clean"):
        table = read_table(part, VERDICTS, ["image_id", "landmark_id", "kept"])
        table = table.filter(pc.and_(pc.is_in(table["landmark_id"], wanted), table["kept"]))
        kept |= set(table["image_id"].to_pylist())
    return {image_id: images[image_id] for image_id in sorted(kept & images.keys())}


def _read_queries(config: RunConfig, wanted: set[tuple[str, str]]) -> dict[tuple[str, str], Query]:
    sets = {s.name: s for s in config.evaluation_sets}
    queries: dict[tuple[str, str], Query] = {}
    for name in sorted({eval_set for eval_set, _ in wanted}):
        if name not in sets:
            raise RunFolderError(
                f"the candidates are of the evaluation set {name!r}, which the configuration does "
                "not name any more; run the job again"
            )
        ids = {query_id for eval_set, query_id in wanted if eval_set == name}
        queries |= {(name, query.query_id): query for query in _list_queries(sets[name], ids)}
    missing = sorted(wanted - queries.keys())
    if missing:
        raise RunFolderError(
            f"the evaluation set {missing[0][0]!r} has no query {missing[0][1]!r} any more; "
            "run the job again"
        )
    return queries


def _list_queries(settings: EvaluationSetSettings, wanted: Collection[str]) -> Iterable[Query]:
    for query in read_evaluation_set(settings).queries:
        if query.query_id in wanted:
            stored = locate_image(settings, query.image_name)
            sha256 = digest_bytes(stored.read())
            photograph = Photograph(sha256, stored.path, stored.offset, stored.num_bytes)
            yield Query(settings.name, query.query_id, photograph, query.box)


def _make_pair(
    candidate: Candidate,
    images: _Images,
    queries: Mapping[tuple[str, str], Query],
    root: Path,
) -> Pair:
    image = _make_photograph(images[candidate.image_id], root)
    if candidate.source is CandidateSource.TEXT:
        _, _, name = candidate.query_id.partition(":")
        return Pair(candidate, None, image, name)
    return Pair(candidate, queries[candidate.eval_set, candidate.query_id], image, None)


def _make_photograph(row: Mapping[str, Any], root: Path) -> Photograph:
    credit = ", ".join(part for part in (row["author"], row["license"]) if part)
    return Photograph(
        row["sha256"], root / row["shard"], row["offset"], row["num_bytes"], credit or None
    )


def _make_classes(images: _Images, root: Path) -> dict[int, LandmarkClass]:
    by_class: dict[int, list[Mapping[str, Any]]] = {}
    for row in images.values():
        by_class.setdefault(row["landmark_id"], []).append(row)
    return {
        landmark_id: LandmarkClass(
            landmark_id,
            rows[0]["landmark_name"],
            len(rows),
            tuple(_make_photograph(row, root) for row in rows[:_MAX_STRIP]),
        )
        for landmark_id, rows in by_class.items()
    }
