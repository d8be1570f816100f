"""Compare two images of a run again, as the run did, and show what was found."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.compute as pc

from cleanmark.match import MatchError, write_png
from cleanmark.match_result import MatchResult, Photograph
from cleanmark.reporting.pictures import MissingPictureError, TrainingImages, find_places
from cleanmark.reporting.query_images import QueryImages
from cleanmark.reporting.tables import list_parts
from curation.cascade import CascadeSettings
from curation.sift import extract_sift
from curation.verification import verify_pair
from manifests.arrow_schemas import CANDIDATES, CONTROLS, MATCHES, Table
from manifests.parquet_io import read_table
from manifests.rows import PairReason, PairVerdict
from pipelines.job import build_steps
from pipelines.run_config import RunConfig
from pipelines.run_folder import read_config
from pipelines.run_tables import open_features
from pipelines.settings import VerifySettings
from pipelines.stages.calibrate import Calibrate
from pipelines.stages.ingest import Join
from pipelines.stages.overlap import Overlap
from pipelines.stages.verify import Verify, blocks_of

_PROBES = ("crop", "whole")
_Row = dict[str, Any]


def match_in_run(
    run_dir: Path, name_a: str, name_b: str, picture: Path | None = None
) -> MatchResult:
    """Verify two images of a run with the run's own features and settings.

    Looks at the strongest features are left out, so that hopeless pairs show what there is to
    see. What the tables of the run say of the pair comes with the result.

    Args:
        run_dir: the run folder.
        name_a: an image id; or a query as EVALUATION_SET/QUERY_ID, which means its crop, with
            `:whole` behind it for the whole photograph.
        name_b: likewise.
        picture: where a PNG of the result is written; None for nowhere.

    Raises:
        RunFolderError: `run_dir` is no run folder, or its images are not described yet.
        MatchError: the run has no such image or query, its photograph is not readable any more,
            or the picture cannot be written.
    """
    config = read_config(run_dir)
    sides = _parse(name_a), _parse(name_b)
    ids = [side.image_id for side in sides if isinstance(side, _Image)]
    has_query = len(ids) < len(sides)
    places = find_places(list_parts(run_dir, Join.name), ids)
    images = _RunImages(run_dir, config, places, has_query=has_query)
    a, b = (images.load(side) for side in sides)
    settings = _comparison_settings(config, has_query=has_query)
    found = verify_pair(a.features, b.features, settings)
    if images.have_same_bytes(ids):
        found = replace(found, verdict=PairVerdict.DUPLICATE, reason=PairReason.SAME_BYTES)
    note = _recall(run_dir, config, images, sides)
    result = MatchResult(a, b, found, settings, (("the run", note),))
    if picture is not None:
        write_png(picture, result.draw())
    return result


class _Image(NamedTuple):
    image_id: str


class _Query(NamedTuple):
    eval_set: str
    query_id: str
    probe: str


_Side = _Image | _Query


def _parse(name: str) -> _Side:
    eval_set, slash, query = name.partition("/")
    if not slash:
        return _Image(name)
    query_id, _, probe = query.rpartition(":")
    return (
        _Query(eval_set, query_id, probe) if probe in _PROBES else _Query(eval_set, query, "crop")
    )


def _comparison_settings(config: RunConfig, *, has_query: bool) -> VerifySettings:
    changes: dict[str, Any] = {"cascade": CascadeSettings(mode="exact")}
    if has_query:
        changes["min_inliers"] = config.overlap.min_inliers
    return config.verify.model_copy(update=changes)


class _RunImages:
    """Pixels and features of training images and queries of a run."""

    def __init__(
        self, run_dir: Path, config: RunConfig, places: dict[str, _Row], *, has_query: bool
    ) -> None:
        self._has_query = has_query
        self._run_dir = run_dir
        self._config = config
        self._places = places

    def load(self, side: _Side) -> Photograph:
        try:
            return self._load_query(side) if isinstance(side, _Query) else self._load_image(side)
        except MissingPictureError as error:
            raise MatchError(f"{'/'.join(side[:2])}: {error}") from error

    def landmark_id(self, image_id: str) -> int:
        return int(self._places[image_id]["landmark_id"])

    def have_same_bytes(self, image_ids: list[str]) -> bool:
        digests = [self._places[image_id]["sha256"] for image_id in image_ids]
        return len(digests) > 1 and len(set(digests)) == 1

    @cached_property
    def _queries(self) -> QueryImages:
        return QueryImages(self._config)

    def _load_query(self, query: _Query) -> Photograph:
        probe = self._queries.load_probe(*query)
        name = f"{query.eval_set}/{query.query_id}:{query.probe}"
        return Photograph(name, probe.pixels, probe.features)

    def _load_image(self, image: _Image) -> Photograph:
        image_id = image.image_id
        features = open_features(self._run_dir)
        if image_id not in self._places or image_id not in features.blocks:
            raise MatchError(
                f"{self._run_dir}: the run has no usable image {image_id!r}; give an image id "
                "of the table `images`, or EVALUATION_SET/QUERY_ID"
            )
        pixels = TrainingImages(self._config.source.root, self._places).load(image_id)
        if self._has_query:
            described = extract_sift(pixels, self._config.candidate_features)
            return Photograph(image_id, pixels, described)
        return Photograph(image_id, pixels, features.load(image_id))


def _recall(
    run_dir: Path, config: RunConfig, images: _RunImages, sides: tuple[_Side, _Side]
) -> str:
    """What the tables of the run say of a pair, in words."""
    found = [_describe_row(table, row) for table, row in _find_rows(run_dir, config, images, sides)]
    return "; ".join(found) or "has no row of this pair; it was not compared, or is no candidate"


def _find_rows(
    run_dir: Path, config: RunConfig, images: _RunImages, sides: tuple[_Side, _Side]
) -> Iterator[tuple[Table, _Row]]:
    queries = [side for side in sides if isinstance(side, _Query)]
    ids = sorted(side.image_id for side in sides if isinstance(side, _Image))
    if len(queries) == 2:
        return
    if queries:
        wanted = {
            "eval_set": queries[0].eval_set,
            "query_id": queries[0].query_id,
            "image_id": ids[0],
        }
        table, parts = CANDIDATES, list_parts(run_dir, Overlap.name)
    else:
        wanted = {"image_id_a": ids[0], "image_id_b": ids[1]}
        classes = {images.landmark_id(image_id) for image_id in ids}
        if len(classes) == 1:
            table, parts = MATCHES, _parts_of_class(run_dir, config, classes.pop())
        else:
            table, parts = CONTROLS, list_parts(run_dir, Calibrate.name)
    for part in parts:
        rows = read_table(part, table)
        for column, value in wanted.items():
            rows = rows.filter(pc.equal(rows[column], value))
        yield from ((table, row) for row in rows.to_pylist())


def _parts_of_class(run_dir: Path, config: RunConfig, landmark_id: int) -> list[Path]:
    """The parts of the table `matches` that hold pairs of a class."""
    verify = next(step for step in build_steps(config, run_dir) if isinstance(step, Verify))
    written = set(list_parts(run_dir, Verify.name))
    planned = [
        run_dir / unit.outputs[0]
        for unit in verify.plan()
        if landmark_id in {block.landmark_id for block in blocks_of(unit)}
    ]
    return [part for part in planned if part in written]


def _describe_row(table: Table, row: _Row) -> str:
    words = f"{table.name}: {row['verdict']}, {row['reason']}".replace("_", " ")
    if row["num_inliers"] is not None:
        words += f", {row['num_inliers']} inliers of {row['num_tentative']} correspondences"
    if row.get("similarity") is not None:
        words += f", similarity {row['similarity']:.3f}"
    if row.get("probe") is not None:
        words += f", by the {row['probe']}"
    return words
