"""Which classes are drawn as match graphs, and what a drawing holds."""

import tiny_run
from html_page import Page

from cleanmark.reporting.classes import ClassRow
from cleanmark.reporting.graph_choice import GraphSettings, choose_classes
from cleanmark.reporting.match_graphs import draw_match_graphs
from cleanmark.reporting.pictures import PictureInliner
from manifests.arrow_schemas import MATCHES, VERDICTS
from manifests.parquet_io import read_table
from pipelines.run_folder import table_parts


def make_row(landmark_id, usable, clean, *, is_overlapping=False):
    published = 0 if is_overlapping else clean
    return ClassRow(landmark_id, None, usable, usable, clean, published, is_overlapping)


ROWS = [
    make_row(1, 40, 39),
    make_row(2, 20, 5),
    make_row(3, 6, 0),
    make_row(4, 60, 50, is_overlapping=True),
    make_row(5, 30, 30, is_overlapping=True),
    make_row(6, 10, 9, is_overlapping=True),
    make_row(7, 1, 0),
    make_row(8, 12, 12),
]


def test_the_chosen_classes_tell_different_stories():
    chosen = choose_classes(ROWS, GraphSettings(max_graphs=5, max_removed=2))
    assert [(c.row.landmark_id, c.why) for c in chosen] == [
        (1, "largest, not removed"),
        (2, "most photographs dropped"),
        (4, "removed for overlap"),
        (5, "removed for overlap"),
        (3, "nothing in it was verified"),
    ]


def test_the_choice_depends_on_no_order_and_draws_no_class_twice():
    chosen = choose_classes(ROWS, GraphSettings(max_graphs=8))
    again = choose_classes(ROWS[::-1], GraphSettings(max_graphs=8))
    assert chosen == again
    ids = [c.row.landmark_id for c in chosen]
    assert len(ids) == len(set(ids))
    assert 7 not in ids


def test_a_drawing_holds_the_images_and_accepted_pairs_of_its_class(job):
    rows = [make_row(landmark_id, 5, 4) for landmark_id in (101, 102, 103)]
    verdicts = read_table(table_parts(job.run_dir, "clean"), VERDICTS).to_pylist()
    pairs = read_table(table_parts(job.run_dir, "verify"), MATCHES).to_pylist()
    for figure in draw(job, rows):
        landmark_id = figure.chosen.row.landmark_id
        own = [v for v in verdicts if v["landmark_id"] == landmark_id]
        assert len(figure.nodes) == len(own)
        assert sum(node.kept for node in figure.nodes) == sum(v["kept"] for v in own)
        accepted = [
            p for p in pairs if p["landmark_id"] == landmark_id and p["verdict"] != "rejected"
        ]
        assert figure.num_accepted == len(accepted) == len(figure.edges)
        drawn = sorted(edge.title for edge in figure.edges)
        assert drawn == sorted(f"{p['num_inliers']} inliers, {p['verdict']}" for p in accepted)
        ends = {(node.x, node.y) for node in figure.nodes}
        assert all({(e.x1, e.y1), (e.x2, e.y2)} <= ends for e in figure.edges)


def test_stronger_pairs_have_thicker_lines(job):
    (figure,) = draw(job, [make_row(103, 4, 4)])
    widths = [(int(edge.title.split()[0]), edge.width) for edge in figure.edges]
    assert len(widths) > 2
    assert widths == sorted(widths)


def test_a_dropped_photograph_says_how_near_it_came(job):
    (figure,) = draw(job, [make_row(101, 5, 4)])
    (wrong,) = (node for node in figure.nodes if not node.kept)
    assert tiny_run.WRONG_LABEL_ID in wrong.title
    assert wrong.miss.endswith("at best")
    assert all(node.miss == "" for node in figure.nodes if node.kept)


def test_bounds_of_a_drawing_hold_and_are_told(job):
    settings = GraphSettings(max_kept=2, max_dropped=0, max_edges=1)
    (figure,) = draw(job, [make_row(103, 4, 4)], settings)
    assert len(figure.nodes) == 2
    assert len(figure.edges) == figure.num_accepted_shown == 1
    assert figure.num_accepted == 6
    assert max(figure.nodes[0].picture.width, figure.nodes[0].picture.height) == settings.node_px


def test_graphs_of_the_page_have_pictures_and_words(page):
    assert "removed for overlap" not in page.sections["graphs"]
    assert len(page.drawn_images) > 8
    assert all(image["href"].startswith("data:image/jpeg") for image in page.drawn_images)
    assert page.html.count('class="edge verified"') > 5
    assert isinstance(page, Page)


def draw(job, rows, settings=None):
    settings = settings or GraphSettings()
    return draw_match_graphs(job.run_dir, job.config, rows, PictureInliner(10**7), settings)
