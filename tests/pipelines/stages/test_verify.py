import dataclasses
from itertools import combinations

import pytest
from gldv2_layout import image_id, write_classes
from stage_runs import Run, read_outputs
from tiny_run import draw_view, draw_wall, encode_jpeg

from pipelines.markers import digest_outputs
from pipelines.run_config import RunConfig
from pipelines.run_tables import digest_of, digest_tables
from pipelines.run_unit import run_unit
from pipelines.stages.verify import blocks_of


def _config(root, **verify):
    content = {
        "source": {"root": root},
        "describe": {"long_side_px": 420, "max_features": 300},
        "embed": {"num_words": 4, "dimensions": 8},
        "verify": verify,
    }
    return RunConfig.model_validate(content)


@pytest.fixture(scope="module")
def embedded(tmp_path_factory):
    """A class of six views and one stranger, a class with one file twice, and a lone image."""
    folder = tmp_path_factory.mktemp("verify")
    views = [encode_jpeg(draw_view(1, view)) for view in range(6)]
    twice = encode_jpeg(draw_view(2, 0))
    other = encode_jpeg(draw_view(2, 1))
    classes = {
        7: [*views, encode_jpeg(draw_wall(9))],
        8: [twice, twice, other],
        9: [encode_jpeg(draw_wall(5))],
    }
    write_classes(folder / "gldv2", classes, "images_000")
    run = Run(_config(folder / "gldv2"), folder / "run")
    run.finish("embed")
    return run


def _verify(embedded, **changes):
    run = Run(_config(embedded.config.source.root, **changes), embedded.run_dir)
    run.finish("verify")
    return run


def _pairs(rows):
    return [(row["landmark_id"], row["image_id_a"], row["image_id_b"]) for row in rows]


def _by_pair(run):
    rows = run.rows("matches")
    return [
        (pair, sorted(map(str, row.items()))) for pair, row in zip(_pairs(rows), rows, strict=True)
    ]


def _all_pairs():
    classes = {7: range(1, 8), 8: range(8, 11)}
    return [
        (landmark_id, image_id(a), image_id(b))
        for landmark_id, numbers in classes.items()
        for a, b in combinations(numbers, 2)
    ]


def test_all_pairs_of_small_classes_are_verified_once_smaller_id_first(embedded):
    assert sorted(_pairs(_verify(embedded).rows("matches"))) == _all_pairs()


def test_views_are_verified_and_a_stranger_is_not(embedded):
    for row in _verify(embedded).rows("matches"):
        if row["landmark_id"] == 7:
            stranger = image_id(7) in (row["image_id_a"], row["image_id_b"])
            assert row["verdict"] == ("rejected" if stranger else "verified"), row
            assert (row["num_inliers"] >= 30) is not stranger


def test_equal_bytes_are_a_copy_without_being_matched(embedded):
    rows = {(r["image_id_a"], r["image_id_b"]): r for r in _verify(embedded).rows("matches")}
    row = rows[image_id(8), image_id(9)]
    assert (row["verdict"], row["reason"]) == ("duplicate", "same_bytes")
    assert row["transform"] == [1, 0, 0, 0, 1, 0]
    assert row["num_inliers"] == row["num_tentative"] == row["num_features_a"] > 0
    assert rows[image_id(8), image_id(10)]["reason"] != "same_bytes"


@pytest.mark.parametrize(("pairs_per_unit", "num_units"), [(30, 2), (5, 6), (1, 24)])
def test_however_a_class_is_cut_up_its_pairs_come_once_with_the_same_evidence(
    embedded, pairs_per_unit, num_units
):
    whole = _by_pair(_verify(embedded, schedule={"min_units": 1}))
    cut = _verify(embedded, schedule={"pairs_per_unit": pairs_per_unit})
    blocks = [block for unit in cut.step("verify").plan() for block in blocks_of(unit)]
    assert len(blocks) == len(set(blocks))
    assert len(cut.step("verify").plan()) == num_units
    assert sorted(_by_pair(cut)) == sorted(whole)


def test_fewer_neighbours_give_fewer_pairs(embedded):
    pairs = _pairs(_verify(embedded, num_neighbours=1).rows("matches"))
    assert len(pairs) < len(_all_pairs())
    assert set(pairs) < set(_all_pairs())
    proposed = {image for pair in pairs for image in pair[1:]}
    assert proposed == {image_id(number) for number in range(1, 11)}


def test_settled_pairs_are_skipped_and_counted_and_the_others_keep_their_evidence(embedded):
    whole = dict(_by_pair(_verify(embedded)))
    run = Run(_config(embedded.config.source.root, skip_settled_pairs=True), embedded.run_dir)
    counts = [report.counts for report in run.do("verify").values()]
    kept = _by_pair(run)
    assert 0 < sum(c["skipped"] for c in counts) == len(whole) - len(kept)
    assert all(whole[pair] == row for pair, row in kept)


def test_what_is_skipped_changes_neither_what_is_kept_nor_the_components(embedded):
    columns = ("image_id", "kept", "component_id")
    verdicts = []
    for skip in (False, True):
        run = _verify(embedded, skip_settled_pairs=skip)
        run.finish("clean")
        rows = run.rows("verdicts")
        verdicts.append(sorted(tuple(row[name] for name in columns) for row in rows))
    assert verdicts[0] == verdicts[1]
    assert any(kept for _, kept, _ in verdicts[0])


def test_no_pair_is_skipped_unless_asked(embedded):
    for path in (embedded.run_dir / "state/verify").glob("*.json"):
        path.unlink()
    run = Run(_config(embedded.config.source.root), embedded.run_dir)
    assert {report.counts["skipped"] for report in run.do("verify").values()} == {0}


@pytest.fixture(scope="module")
def strangers(tmp_path_factory):
    """A class of two views and four pictures of other things."""
    folder = tmp_path_factory.mktemp("strangers")
    pictures = [draw_view(1, 0), draw_view(1, 1), *(draw_wall(seed) for seed in range(60, 64))]
    write_classes(folder / "gldv2", {7: [encode_jpeg(p) for p in pictures]}, "images_000")
    run = Run(_config(folder / "gldv2"), folder / "run")
    run.finish("embed")
    return run


@pytest.mark.parametrize("name", ["max_failures_per_image", "max_failures_per_component"])
def test_a_budget_gives_up_pairs_and_counts_them(strangers, name):
    whole = dict(_by_pair(_verify(strangers)))
    run = Run(_config(strangers.config.source.root, budget={name: 1}), strangers.run_dir)
    counts = [report.counts for report in run.do("verify").values()]
    kept = _by_pair(run)
    assert 0 < sum(c["over_budget"] for c in counts) == len(whole) - len(kept)
    assert {c["skipped"] for c in counts} == {0}
    assert all(whole[pair] == row for pair, row in kept)


def test_a_budget_that_is_never_spent_changes_no_byte(embedded):
    before = read_outputs(_verify(embedded).run_dir)
    run = _verify(embedded, budget={"max_failures_per_image": 50})
    assert read_outputs(run.run_dir) == before


def test_every_pair_has_a_reason_and_the_counts_say_how_many(embedded):
    run = _verify(embedded)
    verify = run.step("verify")
    for path in (run.run_dir / "state/verify").glob("*.json"):
        path.unlink()
    reports = run.do("verify").values()
    rows = run.rows("matches")
    assert all(row["reason"] for row in rows)
    assert sum(report.counts["pairs"] for report in reports) == len(rows)
    verified = [row for row in rows if row["verdict"] != "rejected"]
    assert sum(report.counts["verified"] for report in reports) == len(verified)
    assert [unit.unit_id for unit in verify.plan()] == sorted(report.unit_id for report in reports)


def test_a_second_time_gives_the_same_bytes(embedded):
    before = read_outputs(_verify(embedded).run_dir)
    for path in (embedded.run_dir / "state/verify").glob("*.json"):
        path.unlink()
    assert read_outputs(_verify(embedded).run_dir) == before


def test_a_data_set_of_lone_images_has_nothing_to_verify_and_still_ends(tmp_path):
    classes = {7: [encode_jpeg(draw_wall(1))], 8: [encode_jpeg(draw_wall(2))]}
    write_classes(tmp_path / "gldv2", classes, "images_000")
    run = Run(_config(tmp_path / "gldv2"), tmp_path / "run")
    done = run.finish("emit")
    assert done["verify"] == []
    assert {row["reason"] for row in run.rows("verdicts")} == {"no_verified_neighbour"}
    assert run.manifest_rows("rgldv2_clean") == []
    assert len(run.manifest_rows("removed")) == 2


def test_the_memory_of_the_search_changes_no_byte(embedded):
    run = _verify(embedded, num_neighbours=2)
    step = run.step("verify")
    before = {path: data for path, data in read_outputs(run.run_dir).items() if "matches" in path}
    assert before
    frugal = dataclasses.replace(step, search_bytes=1)
    for unit in frugal.plan():
        assert run_unit(frugal, run.run_dir, unit).error is None
    after = {path: data for path, data in read_outputs(run.run_dir).items() if "matches" in path}
    assert after == before


def test_a_unit_says_which_tables_it_reads(embedded):
    """So that a worker need not read all markers of another stage for each of its units."""
    run = _verify(embedded)
    (first, *_) = run.step("verify").plan()
    assert first.spec["tables"] == digest_tables(run.run_dir)
    assert digest_of(run.run_dir, first, "images") == digest_outputs(run.run_dir, "ingest.join")
