import csv

import pytest
from gldv2_layout import write_classes
from stage_runs import Run
from tiny_run import draw_view, draw_wall, encode_jpeg

from manifests.arrow_schemas import UNCERTAIN_PAIRS
from manifests.manifest_json import read_manifest
from manifests.parquet_io import read_table
from pipelines.run_config import RunConfig
from pipelines.uncertain_list import count_uncertain_pairs

THRESHOLD = 150
"""Such views have 140 to 180 inliers, so that some pairs pass and some fail."""


def _config(root, width=0.25, min_inliers=THRESHOLD):
    content = {
        "source": {"root": root},
        "describe": {"long_side_px": 420, "max_features": 300},
        "embed": {"num_words": 4, "dimensions": 8},
        "verify": {"uncertain_band": width, "cascade": {"mode": "reject_early"}},
        "clean": {"min_verified_neighbours": 2, "min_inliers": min_inliers},
    }
    return RunConfig.model_validate(content)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Five views and a stranger in one class; in another three, which need each other."""
    folder = tmp_path_factory.mktemp("uncertain")
    views = [encode_jpeg(draw_view(1, view)) for view in range(5)]
    others = [encode_jpeg(draw_view(2, view)) for view in range(3)]
    classes = {7: [*views, encode_jpeg(draw_wall(9))], 8: others}
    write_classes(folder / "gldv2", classes, "images_000")
    run = Run(_config(folder / "gldv2"), folder / "run")
    run.finish()
    return run


def _rerun(finished, **changes):
    run = Run(_config(finished.config.source.root, **changes), finished.run_dir)
    run.finish()
    return run


def _listed(run):
    path = run.run_dir / "manifests/decisive_pairs.csv"
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_pairs_in_the_band_are_listed_with_their_evidence(finished):
    run = _rerun(finished)
    band = run.step("clean.uncertain").find_band()
    assert (band.lowest, band.highest) == (113, 187)
    in_band = {
        (row["image_id_a"], row["image_id_b"]): row
        for row in run.rows("matches")
        if band.lowest <= row["num_inliers"] <= band.highest
    }
    assert {row["num_inliers"] >= THRESHOLD for row in in_band.values()} == {True, False}
    rows = run.rows("uncertain_pairs")
    assert {(row["image_id_a"], row["image_id_b"]) for row in rows} == in_band.keys()
    for row in rows:
        match = in_band[row["image_id_a"], row["image_id_b"]]
        shared = row.keys() & match.keys()
        assert {name: row[name] for name in shared} == {name: match[name] for name in shared}


def test_the_band_begins_above_what_control_pairs_reach(finished):
    run = _rerun(finished, width=0.99)
    controls = run.rows("controls")
    most = max(row["num_inliers"] for row in controls)
    assert run.step("clean.uncertain").find_band().lowest == max(most + 1, 2)


def test_the_manifest_counts_what_the_table_lists(finished):
    run = _rerun(finished)
    rows = run.rows("uncertain_pairs")
    counts = read_manifest(run.run_dir / "manifests/manifest.json").uncertain
    assert counts == count_uncertain_pairs(run.step("clean.uncertain"))
    decisive = [row for row in rows if row["decides_a"] or row["decides_b"]]
    assert (counts.num_pairs, counts.num_decisive) == (len(rows), len(decisive))
    assert counts.num_untried == 0
    listed = {(row["image_id_a"], row["image_id_b"]) for row in _listed(run)}
    assert listed == {(row["image_id_a"], row["image_id_b"]) for row in decisive}


def test_what_hinges_on_a_pair_comes_true(finished):
    """Raise the threshold just above a verified pair: that is the opposite verdict."""
    run = _rerun(finished)
    kept = {row["image_id"] for row in run.rows("verdicts") if row["kept"]}
    weakest = min(
        (r for r in run.rows("matches") if r["landmark_id"] == 8 and r["verdict"] == "verified"),
        key=lambda row: row["num_inliers"],
    )
    ids = weakest["image_id_a"], weakest["image_id_b"]
    stake = next(
        row for row in run.rows("uncertain_pairs") if (row["image_id_a"], row["image_id_b"]) == ids
    )
    assert (stake["kept_a"], stake["kept_b"]) == (ids[0] in kept, ids[1] in kept)
    stricter = _rerun(finished, min_inliers=weakest["num_inliers"] + 1)
    assert stricter.waiting("verify") == []
    still_kept = {row["image_id"] for row in stricter.rows("verdicts") if row["kept"]}
    changed = [(image_id in kept) != (image_id in still_kept) for image_id in ids]
    assert changed == [True, True]
    assert [stake["decides_a"], stake["decides_b"]] == changed


def test_decisive_pairs_come_first_then_those_nearest_the_threshold(finished):
    run = _rerun(finished)
    for part in (run.run_dir / "uncertain_pairs").glob("*.parquet"):
        ranks = [
            (not (row["decides_a"] or row["decides_b"]), abs(row["num_inliers"] - THRESHOLD))
            for row in read_table(part, UNCERTAIN_PAIRS).to_pylist()
        ]
        assert ranks == sorted(ranks)
    listed = [abs(int(row["num_inliers"]) - THRESHOLD) for row in _listed(run)]
    assert listed
    assert listed == sorted(listed)


def test_another_width_redoes_the_list_and_nothing_before_it(finished):
    _rerun(finished)
    run = Run(_config(finished.config.source.root, width=0.5), finished.run_dir)
    done = run.finish()
    assert {name for name, units in done.items() if units} == {"clean.uncertain", "emit"}


def test_without_a_band_nothing_is_listed(finished):
    run = _rerun(finished, width=0)
    assert count_uncertain_pairs(run.step("clean.uncertain")) is None
    manifest = read_manifest(run.run_dir / "manifests/manifest.json")
    assert manifest.uncertain is None
    assert "decisive_pairs.csv" not in manifest.digests
