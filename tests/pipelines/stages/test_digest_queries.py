import os
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opened_files import watching_opens
from stage_runs import Run
from tiny_run import QUERIES

from manifests.lineage import digest_file
from pipelines.run_config import RunConfig
from pipelines.stages.digest_queries import choose_block_size

STEP = "overlap.queries"


def _with_set(run, **updates):
    """The run with other settings of its evaluation set."""
    (tiny,) = run.config.evaluation_sets
    sets = (tiny.model_copy(update=updates),)
    return Run(run.config.model_copy(update={"evaluation_sets": sets}), run.run_dir)


@pytest.fixture
def copied(own_run, tmp_path):
    """The run with a copy of the evaluation set that a test may change."""
    shutil.copytree(own_run.config.evaluation_sets[0].images, tmp_path / "eval")
    paths = {"images": tmp_path / "eval", "ground_truth": tmp_path / "eval/gnd_tiny.json"}
    return _with_set(own_run, **paths)


def _images(paths):
    return {path.name for path in paths if path.suffix == ".jpg"}


def test_every_query_has_a_row_with_its_box_and_the_digest_of_its_image(tiny_run):
    rows = tiny_run.rows("queries")
    assert [row["query_id"] for row in rows] == list(QUERIES)
    images = tiny_run.config.evaluation_sets[0].images
    for row in rows:
        assert row["sha256"] == digest_file(images / f"{row['image_name']}.jpg")
        assert len(row["box"]) == 4


def test_planning_opens_no_image_of_a_query(copied):
    with watching_opens() as opened:
        copied.step(STEP).plan()
        copied.step("overlap").plan()
    assert not _images(opened)
    with watching_opens() as opened:
        copied.finish(STEP)
    assert _images(opened) == {f"{query}.jpg" for query in QUERIES}


def test_a_set_that_was_copied_is_read_again_and_compared_no_second_time(copied):
    assert copied.waiting(STEP) == ["tiny-000"]
    done = copied.finish("emit")
    assert {step: units for step, units in done.items() if units} == {STEP: ["tiny-000"]}


@pytest.mark.parametrize("keeps_times", [False, True])
def test_an_image_that_was_written_to_is_read_and_compared_again(copied, keeps_times):
    path = copied.config.evaluation_sets[0].images / "other.jpg"
    data = path.read_bytes()
    path.write_bytes(data + b"1")
    copied.finish("overlap")
    before = path.stat()
    path.write_bytes(data + b"2")
    assert path.stat().st_size == before.st_size
    if keeps_times:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    done = copied.finish("overlap")
    assert (done[STEP], done["overlap"]) == (["tiny-000"], ["tiny-000"])


def test_an_image_that_changes_between_the_steps_fails_its_unit_and_heals(copied):
    copied.finish(STEP)
    shutil.rmtree(copied.run_dir / "state/overlap")
    images = copied.config.evaluation_sets[0].images
    shutil.copy(images / "overlapping.jpg", images / "other.jpg")
    error = copied.do("overlap")["tiny-000"].error.splitlines()[0]
    assert f"{images / 'other.jpg'}: query other: the image was changed while the job ran" in error
    copied.finish("overlap")
    assert {row["query_id"] for row in copied.rows("candidates") if row["verdict"] == "match"} == {
        *QUERIES
    }


def test_blocks_and_their_candidates_go_with_the_set(own_run):
    run = Run(own_run.config.model_copy(update={"evaluation_sets": ()}), own_run.run_dir)
    assert run.step(STEP).plan() == []
    assert run.step("overlap").plan() == []
    run.finish("overlap")
    for folder in ("queries", "candidates"):
        assert not list((run.run_dir / folder).glob("*.parquet"))


def test_a_set_without_queries_has_no_block(own_run, tmp_path):
    (tmp_path / "revisitop1m.txt").write_text("00/a.jpg\n")
    content = {"name": "r1m", "images": tmp_path, "ground_truth": tmp_path / "revisitop1m.txt"}
    sections = own_run.config.model_dump() | {"evaluation_sets": [content]}
    run = Run(RunConfig.model_validate(sections), own_run.run_dir)
    assert run.step(STEP).plan() == []


def test_images_in_folders_are_found_by_their_names(own_run, tmp_path):
    for number in range(7):
        path = tmp_path / f"{number % 2}/{number}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"%d" % number)
    sections = own_run.config.model_dump() | {
        "evaluation_sets": [{"name": "own", "format": "folder", "images": tmp_path}],
        "overlap": own_run.config.overlap.model_dump() | {"queries_per_unit": 3},
    }
    run = Run(RunConfig.model_validate(sections), own_run.run_dir)
    assert run.finish(STEP)[STEP] == ["own-000", "own-001", "own-002"]
    found = {row["query_id"]: row["sha256"] for row in run.rows("queries")}
    names = [f"{number % 2}/{number}.jpg" for number in range(7)]
    assert found == {name: digest_file(tmp_path / name) for name in names}


@given(st.integers(1, 20_000_000), st.integers(1, 1000))
def test_blocks_are_of_bounded_size_and_number(num_queries, queries_per_unit):
    size = choose_block_size(num_queries, queries_per_unit)
    assert queries_per_unit <= size <= max(queries_per_unit, 250)
    num_units = -(-num_queries // size)
    assert num_units <= max(1000, -(-num_queries // 250))


@given(st.integers(1, 5000))
def test_small_sets_are_cut_as_the_setting_says(num_queries):
    assert choose_block_size(num_queries, 5) == 5
