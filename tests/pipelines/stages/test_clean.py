import shutil
from collections import Counter

import pytest
from drawn_images import encode
from gldv2_layout import image_id, write_classes
from PIL import Image
from stage_runs import Run
from tiny_run import BROKEN_ID, COPY_ID, WRONG_LABEL_ID, draw_view, draw_wall, encode_jpeg

from manifests.arrow_schemas import VERDICTS
from manifests.parquet_io import read_table
from pipelines.run_config import RunConfig
from pipelines.run_folder import table_parts
from pipelines.stages.verify import blocks_of


def _with(run, **sections):
    """The same run with other settings of some sections."""
    updates = {
        name: type(getattr(run.config, name)).model_validate(
            getattr(run.config, name).model_dump() | changes
        )
        for name, changes in sections.items()
    }
    return Run(run.config.model_copy(update=updates), run.run_dir)


def _by_image(run):
    rows = run.rows("verdicts")
    verdicts = {row["image_id"]: row for row in rows}
    assert len(verdicts) == len(rows)
    return verdicts


def test_every_usable_image_has_exactly_one_verdict(tiny_run):
    usable = {row["image_id"]: row for row in tiny_run.rows("images") if row["status"] == "ok"}
    verdicts = _by_image(tiny_run)
    assert verdicts.keys() == usable.keys()
    assert BROKEN_ID not in verdicts
    for image, row in verdicts.items():
        assert row["landmark_id"] == usable[image]["landmark_id"]


def test_the_wrong_label_goes_and_the_copy_is_known_as_one(tiny_run):
    verdicts = _by_image(tiny_run)
    assert verdicts[WRONG_LABEL_ID]["reason"] == "no_verified_neighbour"
    copies = [v for v in verdicts.values() if v["duplicate_of"] is not None]
    assert len(copies) == 1
    assert COPY_ID in (copies[0]["image_id"], copies[0]["duplicate_of"])
    kept = Counter(row["landmark_id"] for row in verdicts.values() if row["kept"])
    assert kept == {101: 4, 102: 4, 103: 4}


def test_a_class_split_over_units_is_judged_once_with_all_its_matches(own_run):
    whole = _by_image(own_run)
    cut = _with(own_run, verify={"schedule": {"pairs_per_unit": 1}})
    cut.finish("clean")
    parts = {}
    for unit in cut.step("verify").plan():
        for block in blocks_of(unit):
            parts.setdefault(block.landmark_id, set()).add(unit.unit_id)
    assert len(parts[101]) > 3
    assert _by_image(cut) == whole
    judged = [c for unit in cut.step("clean").plan() for c in unit.spec["classes"]]
    assert sorted(judged) == [101, 102, 103, 104]


def test_a_class_split_over_units_depends_on_all_of_them(own_run):
    cut = _with(own_run, verify={"schedule": {"pairs_per_unit": 1}})
    cut.finish("clean")
    (home,) = [u for u in cut.step("clean").plan() if 101 in u.spec["classes"]]
    parts = {
        unit.outputs[0]
        for unit in cut.step("verify").plan()
        for block in blocks_of(unit)
        if block.landmark_id == 101
    }
    assert parts <= set(home.spec["matches"])


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A class of three views, two lone classes, one of even pictures, one of broken files."""
    folder = tmp_path_factory.mktemp("clean")
    even = [encode(Image.new("RGB", (200, 150 + n), "grey"), "PNG") for n in range(2)]
    classes = {
        7: [encode_jpeg(draw_view(1, view)) for view in range(3)],
        8: [encode_jpeg(draw_wall(8))],
        9: even,
        10: [b"", b"x"],
        11: [encode_jpeg(draw_wall(11)), b"broken"],
    }
    write_classes(folder / "gldv2", classes, "images_000")
    content = {
        "source": {"root": folder / "gldv2"},
        "describe": {"long_side_px": 420, "max_features": 300},
        "embed": {"num_words": 4, "dimensions": 4},
        "clean": {"min_verified_neighbours": 1},
    }
    run = Run(RunConfig.model_validate(content), folder / "run")
    run.finish("clean")
    return run


def test_classes_of_one_usable_image_are_judged_in_units_of_their_own(world):
    lone = [unit for unit in world.step("clean").plan() if unit.unit_id.startswith("lone")]
    assert [unit.spec["classes"] for unit in lone] == [[8, 11]]
    verdicts = _by_image(world)
    assert verdicts[image_id(4)]["reason"] == "no_verified_neighbour"
    assert verdicts[image_id(9)]["landmark_id"] == 11


def test_a_class_without_a_usable_image_has_no_verdict(world):
    assert {row["landmark_id"] for row in world.rows("verdicts")} == {7, 8, 9, 11}


def test_images_without_features_are_dropped_for_that_reason(world):
    rows = [row for row in world.rows("verdicts") if row["landmark_id"] == 9]
    assert [row["reason"] for row in rows] == ["no_features"] * 2
    assert [row["component_id"] for row in rows] == [None] * 2


def test_the_counts_of_the_units_add_up(own_run):
    shutil.rmtree(own_run.run_dir / "state/clean")
    reports = own_run.do("clean").values()
    rows = own_run.rows("verdicts")
    assert sum(report.counts["images"] for report in reports) == len(rows)
    assert sum(report.counts["kept"] for report in reports) == sum(row["kept"] for row in rows)


def test_a_stricter_rule_redoes_the_cleaning_and_keeps_fewer(own_run):
    before = {row["image_id"] for row in own_run.rows("verdicts") if row["kept"]}
    strict = _with(own_run, clean={"min_verified_neighbours": 3})
    done = strict.finish("clean")
    assert done["verify"] == []
    assert done["clean"] == ["part-00000", "part-00001"]
    kept = [row for row in strict.rows("verdicts") if row["kept"]]
    assert min(row["num_verified_neighbours"] for row in kept) == 3
    assert {row["image_id"] for row in kept} < before


def test_a_higher_bar_of_inliers_reads_the_counts_of_the_matches(own_run):
    counted = _with(own_run, verify={"cascade": {"mode": "reject_early"}})
    counted.finish("clean")
    most = max(row["num_inliers"] for row in counted.rows("matches"))
    impossible = _with(counted, clean={"min_inliers": most + 1})
    impossible.finish("clean")
    assert not any(row["kept"] for row in impossible.rows("verdicts"))


def test_verdicts_are_sorted_and_of_the_declared_table(tiny_run):
    for part in table_parts(tiny_run.run_dir, "clean"):
        rows = read_table(part, VERDICTS).to_pylist()
        for landmark_id in {row["landmark_id"] for row in rows}:
            ids = [row["image_id"] for row in rows if row["landmark_id"] == landmark_id]
            assert ids == sorted(ids)
