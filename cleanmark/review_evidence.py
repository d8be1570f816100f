"""Candidates of an overlap stage, with the photographs that reviewers compare."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from curation.overlap import Candidate
from manifests.arrow_schemas import CANDIDATES, IMAGES, VERDICTS
from manifests.lineage import digest_bytes
from manifests.parquet_io import read_table
from manifests.rows import CandidateSource, CandidateVerdict, PairReason
from pipelines.evaluation_sets import locate_image, read_evaluation_set
from pipelines.run_folder import RunFolderError, table_parts
from pipelines.settings import EvaluationSetSettings
from review_ui.evidence import LandmarkClass, Pair, Photograph, Query

_IMAGE_COLUMNS = (
    "image_id", "landmark_id", "landmark_name", "shard", "offset", "num_bytes", "sha256", "author",
    "license",
)  # fmt: skip
_MAX_STRIP = 40

_Images = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class EvidenceSource:
    """Where the evidence of a review comes from.

    Attributes:
        run_dir: folder that the stages have worked in.
        photos: folder that the names of shards count from.
        evaluation_sets: those that were compared.
        searched: what the images were taken from, in words: "the clean split".
        remedy: what a user does when tables and files do not fit together any more.
    """

    run_dir: Path
    photos: Path
    evaluation_sets: Sequence[EvaluationSetSettings]
    searched: str
    remedy: str


def read_candidates(run_dir: Path) -> list[Candidate]:
    """The table `candidates`.

    Raises:
        RunFolderError: the overlap stage has not been run.
    """
    rows = read_table(table_parts(run_dir, "overlap"), CANDIDATES).to_pylist()
    return [_make_candidate(row) for row in rows]


def read_pairs(
    source: EvidenceSource, candidates: Sequence[Candidate], labels: Mapping[int, str]
) -> tuple[list[Pair], dict[int, LandmarkClass]]:
    """Put candidates together with the places of all photographs.

    Args:
        source: where these are.
        candidates: of the source's table.
        labels: landmark id -> label, of classes whose label in the list is no number.

    Returns:
        A pair for each candidate, and landmark id -> class.

    Raises:
        RunFolderError: candidates are not of the images or the evaluation sets that are there.
        GroundTruthError: an evaluation set is not there any more.
    """
    images = _read_images(source.run_dir, {candidate.landmark_id for candidate in candidates})
    if dropped := sorted({candidate.image_id for candidate in candidates} - images.keys()):
        raise RunFolderError(
            f"{source.run_dir}: the candidate {dropped[0]} is not in {source.searched} any more; "
            f"{source.remedy}"
        )
    by_sight = (c for c in candidates if c.source is not CandidateSource.TEXT)
    queries = _read_queries(source, {(c.eval_set, c.query_id) for c in by_sight})
    pairs = [_make_pair(candidate, images, queries, source.photos) for candidate in candidates]
    return pairs, _make_classes(images, source.photos, labels)


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
    """Rows of the images that were searched in some classes, by image id."""
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


def _read_queries(
    source: EvidenceSource, wanted: set[tuple[str, str]]
) -> dict[tuple[str, str], Query]:
    sets = {s.name: s for s in source.evaluation_sets}
    queries: dict[tuple[str, str], Query] = {}
    for name in sorted({eval_set for eval_set, _ in wanted}):
        if name not in sets:
            raise RunFolderError(
                f"the candidates are of the evaluation set {name!r}, which the configuration does "
                f"not name any more; {source.remedy}"
            )
        ids = {query_id for eval_set, query_id in wanted if eval_set == name}
        queries |= {(name, query.query_id): query for query in _list_queries(sets[name], ids)}
    missing = sorted(wanted - queries.keys())
    if missing:
        raise RunFolderError(
            f"the evaluation set {missing[0][0]!r} has no query {missing[0][1]!r} any more; "
            f"{source.remedy}"
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
    photos: Path,
) -> Pair:
    image = _make_photograph(images[candidate.image_id], photos)
    if candidate.source is CandidateSource.TEXT:
        _, _, name = candidate.query_id.partition(":")
        return Pair(candidate, None, image, name)
    return Pair(candidate, queries[candidate.eval_set, candidate.query_id], image, None)


def _make_photograph(row: Mapping[str, Any], photos: Path) -> Photograph:
    credit = ", ".join(part for part in (row["author"], row["license"]) if part)
    return Photograph(
        row["sha256"], photos / row["shard"], row["offset"], row["num_bytes"], credit or None
    )


def _make_classes(
    images: _Images, photos: Path, labels: Mapping[int, str]
) -> dict[int, LandmarkClass]:
    by_class: dict[int, list[Mapping[str, Any]]] = {}
    for row in images.values():
        by_class.setdefault(row["landmark_id"], []).append(row)
    return {
        landmark_id: LandmarkClass(
            landmark_id,
            rows[0]["landmark_name"] or labels.get(landmark_id),
            len(rows),
            tuple(_make_photograph(row, photos) for row in rows[:_MAX_STRIP]),
            is_numbered=landmark_id not in labels,
        )
        for landmark_id, rows in by_class.items()
    }
