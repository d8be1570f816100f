import numpy as np
import pytest

from cleanmark.reporting.descriptor_map import draw_map
from cleanmark.reporting.gallery_data import (
    Gallery,
    GalleryQuery,
    GalleryResult,
    Relevance,
    judge_by_lists,
    sort_hardest_first,
)
from cleanmark.reporting.pictures import MissingPictureError
from cleanmark.reporting.retrieval_gallery import GallerySettings, write_gallery
from manifests.evaluation_sets import EvaluationQuery
from training.evaluation.projection import NO_LANDMARK
from training.evaluation.records import EvaluationRecord, SetRecord
from training.results_table import ResultsTable

_RECORD = EvaluationRecord(
    method="<b>ours</b>",
    libraries={},
    describer={"kind": "file"},
    settings={},
    sets=(SetRecord(name="set", inputs={}, num_queries=1, num_database=1),),
)
_TABLES = {"results": ResultsTable("Retrieval", (("method", "mAP"), ("ours", "50.0")))}


def load():
    return np.random.default_rng(0).integers(0, 256, (60, 80, 3)).astype(np.uint8)


def load_nothing():
    raise MissingPictureError("No picture: the file is gone")


def make_query(name, score, *relevances):
    results = tuple(
        GalleryResult(f"{name}{number}", 0.5, relevance, None, load)
        for number, relevance in enumerate(relevances)
    )
    return GalleryQuery(name, score, "words", None, results, load)


def write(path, *queries, **settings):
    gallery = Gallery("set, Medium", "AP", sort_hardest_first(queries))
    write_gallery(path, _RECORD, _TABLES, [gallery], GallerySettings(**settings))
    return path.read_text()


def test_frames_say_what_a_result_is(tmp_path):
    shown = Relevance.EASY, Relevance.WRONG, Relevance.JUNK, Relevance.DISTRACTOR
    page = write(tmp_path / "page.html", make_query("q", 0.25, *shown))
    assert [page.count(f'<li class="{frame}">') for frame in ("right", "wrong", "junk")] == [
        1,
        2,
        1,
    ]
    assert "1. right (easy), 0.50" in page
    assert "AP <strong" in page
    assert "25.0" in page
    assert "<b>ours</b>" not in page


def test_the_hardest_come_first_and_what_has_no_score_last(tmp_path):
    page = write(
        tmp_path / "page.html",
        make_query("none", None),
        make_query("good", 0.9),
        make_query("bad", 0.1),
    )
    places = [page.index(f"<h4>{name}</h4>") for name in ("bad", "good", "none")]
    assert places == sorted(places)


def test_the_page_stays_within_its_bounds(tmp_path):
    queries = [make_query(f"q{number}", 0.5, Relevance.EASY) for number in range(5)]
    page = write(tmp_path / "page.html", *queries, max_queries=3, max_picture_bytes=20_000)
    assert page.count('<article class="query">') == 3
    assert "3 of 5 queries are shown" in page
    assert "pictures were left out" in page
    assert len(page) < 60_000


def test_a_missing_picture_says_why(tmp_path):
    query = GalleryQuery("q", 0.5, "words", True, (), load_nothing)
    page = write(tmp_path / "page.html", query)
    assert "No picture: the file is gone" in page
    assert "in the training set" in page
    assert "has no descriptor" in page


@pytest.mark.parametrize(
    ("position", "relevance"),
    [
        (1, Relevance.EASY),
        (2, Relevance.HARD),
        (3, Relevance.JUNK),
        (0, Relevance.WRONG),
        (9, Relevance.DISTRACTOR),
    ],
)
def test_positions_are_judged_by_the_lists(position, relevance):
    query = EvaluationQuery("q", "q", None, (1,), (2,), (3,))
    assert judge_by_lists(query, 9)(position) is relevance


def test_the_map_is_the_same_every_time():
    points = np.random.default_rng(0).normal(size=(30, 2))
    groups = np.repeat([NO_LANDMARK, 0, 1], 10)
    drawn = draw_map(points, groups, ["keble", "hertford"])
    assert drawn == draw_map(points, groups, ["keble", "hertford"])
    assert drawn.startswith("<svg")
    assert "keble" in drawn
    assert "hertford" in drawn
    assert drawn != draw_map(points[::-1], groups, ["keble", "hertford"])
