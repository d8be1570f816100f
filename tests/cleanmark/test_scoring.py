import csv

import pytest
from stage_runs import Run
from tiny_run import BROKEN_ID, OVERLAPPING_CLASS, WRONG_LABEL_ID

from cleanmark.scoring import TruthError, score_run
from pipelines.settings import TruthSettings

IMAGE_COLUMNS = ("image_id", "landmark_id", "place_shown", "label_correct", "planted")
CLASS_COLUMNS = ("landmark_id", "landmark", "shown_in_queries")


def _write(path, columns, rows):
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return path


def _truths(run):
    """The truth about the images of the tiny data set, by image id."""
    truths = {}
    for row in run.rows("images"):
        image_id, landmark_id = row["image_id"], row["landmark_id"]
        is_wrong = image_id == WRONG_LABEL_ID or landmark_id == 104
        truths[image_id] = {
            "image_id": image_id,
            "landmark_id": landmark_id,
            "place_shown": image_id if is_wrong else f"place {landmark_id}",
            "label_correct": "0" if is_wrong else "1",
        }
    return truths


def _truth(tmp_path, truths, overlapping=()):
    classes = [
        {"landmark_id": landmark_id, "shown_in_queries": "1" if landmark_id in overlapping else "0"}
        for landmark_id in (101, 102, 103, 104)
    ]
    return TruthSettings(
        images=_write(tmp_path / "truth.csv", IMAGE_COLUMNS, truths.values()),
        overlap=_write(tmp_path / "overlap.csv", CLASS_COLUMNS, classes),
    )


def test_a_run_without_a_mistake_scores_full(tiny_run: Run, tmp_path):
    truth = _truth(tmp_path, _truths(tiny_run), {OVERLAPPING_CLASS})
    score = score_run(tiny_run.run_dir, truth)
    assert (score.clean.num_kept, score.clean.wrong_kept, score.clean.num_wrong) == (12, (), 3)
    assert score.clean.num_correct == score.clean.num_correct_kept == 12
    assert score.clean.num_provable == score.clean.num_provable_kept == 12
    assert score.overlap.matched == score.overlap.proposed == (OVERLAPPING_CLASS,)
    assert score.overlap.falsely_matched == score.overlap.removed == ()


def test_mistakes_are_counted_and_named(tiny_run, tmp_path):
    truths = _truths(tiny_run)
    kept = next(row["image_id"] for row in tiny_run.rows("verdicts") if row["kept"])
    truths[kept] |= {"label_correct": "0", "place_shown": "elsewhere"}
    truths[WRONG_LABEL_ID] |= {"label_correct": "1", "place_shown": "place 101"}
    score = score_run(tiny_run.run_dir, _truth(tmp_path, truths, {104}))
    assert score.clean.wrong_kept == (kept,)
    assert (score.clean.num_correct, score.clean.num_correct_kept) == (12, 11)
    assert (score.clean.num_provable, score.clean.num_provable_kept) == (11, 11)
    assert score.overlap.falsely_matched == (OVERLAPPING_CLASS,)
    assert score.overlap.proposed == score.overlap.matched == ()


def test_an_image_that_only_strangers_verify_cannot_be_proved(tiny_run, tmp_path):
    truths = _truths(tiny_run)
    usable = {row["image_id"] for row in tiny_run.rows("verdicts")}
    shown = [i for i in sorted(usable) if truths[i]["place_shown"] == "place 103"]
    for image_id in shown[1:]:
        truths[image_id] |= {"label_correct": "0", "place_shown": image_id}
    clean = score_run(tiny_run.run_dir, _truth(tmp_path, truths)).clean
    assert clean.num_correct - clean.num_provable == 1


def test_a_class_that_is_removed_counts_as_removed(own_run, tmp_path):
    emit = own_run.config.emit.model_copy(update={"policy": "strict"})
    run = Run(own_run.config.model_copy(update={"emit": emit}), own_run.run_dir)
    run.finish()
    truths = _truths(run)
    right = score_run(run.run_dir, _truth(tmp_path, truths, {OVERLAPPING_CLASS})).overlap
    assert (right.removed, right.falsely_removed) == ((OVERLAPPING_CLASS,), ())
    wrong = score_run(run.run_dir, _truth(tmp_path, truths, {101})).overlap
    assert (wrong.removed, wrong.falsely_removed) == ((), (OVERLAPPING_CLASS,))


def test_files_that_cannot_be_read_are_named_and_left_out(tiny_run, tmp_path):
    truths = _truths(tiny_run)
    del truths[BROKEN_ID]
    score = score_run(tiny_run.run_dir, _truth(tmp_path, truths))
    assert sorted(score.unreadable.values()) == ["not_an_image", "truncated"]
    assert [member for member in score.unreadable if BROKEN_ID in member]


def test_without_a_truth_about_classes_only_the_cleaning_is_scored(tiny_run, tmp_path):
    truth = _truth(tmp_path, _truths(tiny_run)).model_copy(update={"overlap": None})
    assert score_run(tiny_run.run_dir, truth).overlap is None


def test_a_usable_image_without_truth_is_refused_by_name(tiny_run, tmp_path):
    truths = _truths(tiny_run)
    del truths[WRONG_LABEL_ID]
    with pytest.raises(TruthError, match=f"has no row for image {WRONG_LABEL_ID} of this run"):
        score_run(tiny_run.run_dir, _truth(tmp_path, truths))


@pytest.mark.parametrize(("name", "column"), [("truth", "place_shown"), ("overlap", "landmark_id")])
def test_a_missing_column_is_named(tiny_run, tmp_path, name, column):
    truth = _truth(tmp_path, _truths(tiny_run))
    path = tmp_path / f"{name}.csv"
    path.write_text(path.read_text().replace(column, "other", 1))
    with pytest.raises(TruthError, match=rf"{name}\.csv: column '{column}' is missing"):
        score_run(tiny_run.run_dir, truth)


def test_a_missing_file_is_named(tiny_run, tmp_path):
    truth = _truth(tmp_path, _truths(tiny_run))
    (tmp_path / "overlap.csv").unlink()
    with pytest.raises(TruthError, match=r"overlap\.csv: no such truth file; correct `truth:`"):
        score_run(tiny_run.run_dir, truth)
