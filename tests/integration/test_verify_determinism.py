"""The stage verify writes the same bytes whatever the order of its input and the workers."""

import random

import pytest
from gldv2_layout import image_id, write_lists, write_shard
from stage_runs import Run
from tiny_run import draw_view, draw_wall, encode_jpeg, run_tiny_job

from manifests.gldv2_csv import member_path
from pipelines.run_config import RunConfig

CLASSES = {7: 5, 8: 4, 9: 3}
"""Class -> number of views; each class has a stranger besides."""


def _photographs():
    """Image id -> class and file; ids of a class do not follow each other."""
    files = [
        (landmark_id, encode_jpeg(picture))
        for landmark_id, num_views in CLASSES.items()
        for picture in (
            *(draw_view(landmark_id, view) for view in range(num_views)),
            draw_wall(100 + landmark_id),
        )
    ]
    return {image_id(1 + 7919 * n % 101): photograph for n, photograph in enumerate(files)}


def _write_data(root, order, num_shards):
    """The same photographs in some order, in some number of shards."""
    photographs = _photographs()
    ids = sorted(photographs)
    random.Random(order).shuffle(ids)
    for number in range(num_shards):
        members = [(member_path(i), photographs[i][1]) for i in ids[number::num_shards]]
        write_shard(root, f"images_{number:03d}", members)
    write_lists(root, {i: photographs[i][0] for i in ids}, {}, {})
    return root


def _config(root, workers=1, **verify):
    content = {
        "source": {"root": root},
        "describe": {"long_side_px": 420, "max_features": 300},
        "embed": {"num_words": 4, "dimensions": 8},
        "verify": {"num_neighbours": 3, "schedule": {"min_units": 3}, **verify},
        "clean": {"min_verified_neighbours": 1},
        "runner": {"workers": workers},
    }
    return RunConfig.model_validate(content)


def _matches(run):
    parts = sorted((run.run_dir / "matches").glob("*.parquet"))
    return {part.name: part.read_bytes() for part in parts}


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reference")
    run = Run(_config(_write_data(folder / "gldv2", order=0, num_shards=1)), folder / "run")
    run.finish("verify")
    return run


@pytest.mark.parametrize(("order", "num_shards"), [(1, 1), (2, 3)])
def test_the_order_of_the_images_and_their_shards_changes_no_byte(
    reference, tmp_path, order, num_shards
):
    run = Run(_config(_write_data(tmp_path / "gldv2", order, num_shards)), tmp_path / "run")
    run.finish("verify")
    assert len(_matches(run)) == 3
    assert _matches(run) == _matches(reference)


@pytest.mark.parametrize("workers", [1, 2])
def test_the_number_of_workers_changes_no_byte(reference, tmp_path, workers):
    run = Run(_config(reference.config.source.root, workers), tmp_path / "run")
    run_tiny_job(run.config, run.run_dir)
    assert _matches(run) == _matches(reference)


@pytest.mark.parametrize("pairs_per_unit", [1, 4, 1000])
def test_the_size_of_the_blocks_changes_no_row(reference, pairs_per_unit):
    root = reference.config.source.root
    schedule = {"pairs_per_unit": pairs_per_unit, "min_units": 1}
    run = Run(_config(root, schedule=schedule), reference.run_dir)
    rows = {}
    for config_run in (run, reference):
        config_run.finish("verify")
        rows[config_run] = sorted(str(row) for row in config_run.rows("matches"))
    assert rows[run] == rows[reference]
    assert len(rows[run]) > 20
