import pytest
from audit_world import QUERIES, run_steps_here, write_world
from opened_files import watching_opens

from manifests.lineage import digest_file
from manifests.parquet_io import read_table
from pipelines.audit import evaluation_digests
from pipelines.audit.evaluation_digests import DigestEvaluation
from pipelines.audit.job import build_audit_steps
from pipelines.audit.tables import EVALUATED
from pipelines.run_folder import table_parts

STEP = DigestEvaluation.name
DATABASE = ("north_1", "north_2", "south_1", "south_2")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return write_world(tmp_path_factory.mktemp("digests"))


def _read(config, work_dir):
    """What the step leaves, and the number of its units."""
    num_units = run_steps_here(config, work_dir, until=STEP)[STEP]
    return num_units, read_table(table_parts(work_dir, STEP), EVALUATED).to_pylist()


def test_queries_come_first_then_the_images_of_the_database(world, tmp_path):
    num_units, rows = _read(world.configure(), tmp_path)
    assert num_units == 2
    assert [row["item_id"] for row in rows] == [*QUERIES, *DATABASE]
    assert [row["role"] for row in rows] == ["query"] * 2 + ["database"] * 4
    images = world.against.parent / "jpg"
    for row in rows:
        assert row["sha256"] == digest_file(images / f"{row['item_id']}.jpg")
        assert (row["box"] is None) == (row["role"] == "database")


def test_how_a_set_is_cut_into_units_changes_no_row(world, tmp_path, monkeypatch):
    _, whole = _read(world.configure(), tmp_path / "whole")
    monkeypatch.setattr(evaluation_digests, "_IMAGES_PER_UNIT", 3)
    num_units, rows = _read(world.configure("overlap.queries_per_unit=1"), tmp_path / "cut")
    assert (num_units, rows) == (4, whole)


def test_planning_opens_no_image(world, tmp_path):
    run_steps_here(world.configure(), tmp_path, until="overlap.queries")
    steps = {step.name: step for step in build_audit_steps(world.configure(), tmp_path)}
    with watching_opens() as opened:
        assert len(steps[STEP].plan()) == 2
    assert not [path for path in opened if path.suffix == ".jpg"]


def test_an_image_that_is_not_there_is_left_out_and_a_new_one_is_read(world, tmp_path):
    path = world.against.parent / "jpg/south_2.jpg"
    data = path.read_bytes()
    path.unlink()
    _, rows = _read(world.configure(), tmp_path)
    assert [row["item_id"] for row in rows] == [*QUERIES, *DATABASE[:3]]
    path.write_bytes(data)
    num_units, rows = _read(world.configure(), tmp_path)
    assert num_units == 1
    assert [row["item_id"] for row in rows] == [*QUERIES, *DATABASE]
