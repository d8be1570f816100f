"""One HTML file that shows what an embedder finds: numbers, queries with their results, a map."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from cleanmark.reporting.descriptor_map import draw_map
from cleanmark.reporting.gallery_data import Gallery, GalleryQuery, GalleryResult, Relevance
from cleanmark.reporting.pictures import Picture, PictureInliner
from curation.images import resize_long_side
from manifests.atomic import write_text
from manifests.strict_model import StrictModel
from training.evaluation.records import EvaluationRecord
from training.results_table import ResultsTable, format_percent

_TEMPLATE = "retrieval_gallery.html.j2"
_MEANINGS = {
    Relevance.EASY: "right (easy)",
    Relevance.HARD: "right (hard)",
    Relevance.RIGHT: "right",
    Relevance.JUNK: "junk: left out",
    Relevance.WRONG: "wrong",
    Relevance.DISTRACTOR: "wrong: a distractor",
}
_FRAMES = {
    Relevance.EASY: "right",
    Relevance.HARD: "right",
    Relevance.RIGHT: "right",
    Relevance.JUNK: "junk",
    Relevance.WRONG: "wrong",
    Relevance.DISTRACTOR: "wrong",
}
_SIGNS = {"right": "✓", "wrong": "✗", "junk": "○"}


class GallerySettings(StrictModel):
    """Bounds of the page."""

    max_picture_bytes: int = 20_000_000
    """All pictures together, as they stand in the file."""
    max_queries: int = 150
    """Queries of each set, the hardest first."""
    query_px: int = 240
    """Long side of a query."""
    result_px: int = 150
    """Long side of a result."""


@dataclass(frozen=True)
class _ShownResult:
    picture: Picture
    frame: str
    sign: str
    caption: str
    name: str


@dataclass(frozen=True)
class _ShownQuery:
    picture: Picture
    query: GalleryQuery
    score: str
    results: tuple[_ShownResult, ...]


@dataclass(frozen=True)
class _ShownSet:
    gallery: Gallery
    queries: tuple[_ShownQuery, ...]
    map_svg: str | None


def write_gallery(
    path: Path,
    record: EvaluationRecord,
    tables: Mapping[str, ResultsTable],
    galleries: Sequence[Gallery],
    settings: GallerySettings = GallerySettings(),  # noqa: B008  (it is immutable)
) -> None:
    """Write the page; nothing is loaded from elsewhere, and equal content gives equal bytes.

    Args:
        path: the file.
        record: what was measured.
        tables: of the record.
        galleries: of its sets.
        settings: how much is shown.
    """
    inliner = PictureInliner(settings.max_picture_bytes)
    shown = [_show_set(gallery, inliner, settings) for gallery in galleries]
    content: dict[str, Any] = {
        "record": record,
        "tables": list(tables.values()),
        "sets": shown,
        "num_pictures_left_out": inliner.num_left_out,
    }
    environment = Environment(
        loader=PackageLoader("cleanmark.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["count"] = "{:,}".format
    write_text(path, environment.get_template(_TEMPLATE).render(content))


def _show_set(gallery: Gallery, inliner: PictureInliner, settings: GallerySettings) -> _ShownSet:
    queries = gallery.queries[: settings.max_queries]
    map_svg = None
    if gallery.points is not None and gallery.groups is not None:
        map_svg = draw_map(gallery.points, gallery.groups, gallery.group_names)
    return _ShownSet(
        gallery, tuple(_show_query(query, inliner, settings) for query in queries), map_svg
    )


def _show_query(
    query: GalleryQuery, inliner: PictureInliner, settings: GallerySettings
) -> _ShownQuery:
    picture = _inline(f"Query {query.name}", query, inliner, settings.query_px)
    results = tuple(
        _show_result(rank, result, inliner, settings)
        for rank, result in enumerate(query.results, start=1)
    )
    return _ShownQuery(picture, query, format_percent(query.score), results)


def _show_result(
    rank: int, result: GalleryResult, inliner: PictureInliner, settings: GallerySettings
) -> _ShownResult:
    meaning = _MEANINGS[result.relevance]
    inliers = "" if result.num_inliers is None else f", {result.num_inliers} inliers"
    frame = _FRAMES[result.relevance]
    picture = _inline(f"Result {rank}: {meaning}", result, inliner, settings.result_px)
    caption = f"{rank}. {meaning}, {result.similarity:.2f}{inliers}"
    return _ShownResult(picture, frame, _SIGNS[frame], caption, result.name)


def _inline(
    alt: str, shown: GalleryQuery | GalleryResult, inliner: PictureInliner, long_side_px: int
) -> Picture:
    return inliner.inline(alt, lambda: resize_long_side(shown.load(), long_side_px))
