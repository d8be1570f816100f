import pytest
from stage_runs import Run

from curation.calibration import CalibrationSettings
from pipelines.stages.calibrate import read_calibration


def _with_calibration(run, **changes):
    verify = run.config.verify.model_copy(update={"calibration": CalibrationSettings(**changes)})
    return Run(run.config.model_copy(update={"verify": verify}), run.run_dir)


def test_control_pairs_are_of_different_classes_of_the_clean_split(tiny_run):
    kept = {r["image_id"]: r["landmark_id"] for r in tiny_run.rows("verdicts") if r["kept"]}
    rows = tiny_run.rows("controls")
    for row in rows:
        assert row["image_id_a"] < row["image_id_b"]
        assert kept[row["image_id_a"]] == row["landmark_id_a"]
        assert kept[row["image_id_b"]] == row["landmark_id_b"]
        assert row["landmark_id_a"] != row["landmark_id_b"]
    # Three classes of four images: all pairs across, as the sample asked for is larger.
    assert len({(row["image_id_a"], row["image_id_b"]) for row in rows}) == len(rows) == 48


def test_what_the_manifest_says_is_what_the_table_gives(tiny_run):
    found = read_calibration(tiny_run.run_dir, tiny_run.config.verify)
    assert (found.num_pairs, found.num_accepted, found.one_place) == (48, 0, ())
    assert found.max_chance_inliers == max(row["num_inliers"] for row in tiny_run.rows("controls"))
    assert not found.confirmed  # 48 pairs cannot show that fewer than one in a thousand pass


def test_another_sample_size_redoes_the_sample_and_nothing_before_it(own_run):
    run = _with_calibration(own_run, num_pairs=10)
    done = run.finish("clean.calibrate")
    assert done.pop("clean.calibrate") == ["part-000"]
    assert not any(done.values())
    assert len(run.rows("controls")) == 10


@pytest.mark.parametrize("num_pairs", [0])
def test_it_can_be_left_out(own_run, num_pairs):
    run = _with_calibration(own_run, num_pairs=num_pairs)
    run.finish()
    assert read_calibration(run.run_dir, run.config.verify) is None
