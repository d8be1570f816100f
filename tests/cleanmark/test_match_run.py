"""Matching two images of a run again: ids, queries, what the run said, and errors."""

import pytest
from PIL import Image
from tiny_run import COPY_ID, OVERLAPPING_CLASS, WRONG_LABEL_ID
from typer.testing import CliRunner

from cleanmark.cli import app
from cleanmark.match import MatchError
from cleanmark.match_run import match_in_run
from manifests.rows import PairReason, PairVerdict
from pipelines.run_folder import RunFolderError, write_config


def _note(result):
    return dict(result.notes)["the run"]


def test_every_pair_of_the_run_gets_the_same_answer_again(tiny_run):
    rows = tiny_run.rows("matches")
    for row in rows[:: max(len(rows) // 6, 1)]:
        result = match_in_run(tiny_run.run_dir, row["image_id_a"], row["image_id_b"])
        assert result.found.verdict == row["verdict"]
        verdict, reason = row["verdict"], row["reason"].replace("_", " ")
        assert _note(result).startswith(f"matches: {verdict}, {reason}, {row['num_inliers']} inl")


def test_the_order_of_the_ids_does_not_matter(tiny_run):
    row = next(row for row in tiny_run.rows("matches") if row["verdict"] == "verified")
    ids = row["image_id_a"], row["image_id_b"]
    forth, back = (match_in_run(tiny_run.run_dir, *order) for order in (ids, ids[::-1]))
    assert forth.found.num_inliers == back.found.num_inliers
    assert _note(forth) == _note(back)


def test_a_copy_is_told_as_one(tiny_run):
    row = next(r for r in tiny_run.rows("matches") if COPY_ID in (r["image_id_a"], r["image_id_b"]))
    assert match_in_run(tiny_run.run_dir, COPY_ID, COPY_ID).found.reason is PairReason.SAME_BYTES
    found = match_in_run(tiny_run.run_dir, row["image_id_a"], row["image_id_b"]).found
    assert found.verdict == row["verdict"]


def test_images_of_different_classes_are_looked_up_among_the_control_pairs(tiny_run):
    row = tiny_run.rows("controls")[0]
    result = match_in_run(tiny_run.run_dir, row["image_id_a"], row["image_id_b"])
    assert _note(result).startswith(f"controls: {row['verdict']}")


def test_a_pair_that_was_not_compared_is_called_so(tiny_run):
    other = next(r["image_id"] for r in tiny_run.rows("verdicts") if r["landmark_id"] == 104)
    assert "no row of this pair" in _note(match_in_run(tiny_run.run_dir, WRONG_LABEL_ID, other))


@pytest.mark.parametrize("swapped", [False, True])
def test_a_query_is_compared_with_the_threshold_of_the_overlap(tiny_run, swapped):
    row = next(
        r
        for r in tiny_run.rows("candidates")
        if r["landmark_id"] == OVERLAPPING_CLASS and r["verdict"] == "match"
    )
    names = [f"tiny/{row['query_id']}:{row['probe']}", row["image_id"]]
    result = match_in_run(tiny_run.run_dir, *(names[::-1] if swapped else names))
    assert result.found.num_inliers == row["num_inliers"]
    assert result.settings.min_inliers == tiny_run.config.overlap.min_inliers
    assert _note(result).startswith("candidates: match")
    assert f"by the {row['probe']}" in _note(result)


def test_a_query_means_its_crop_unless_told(tiny_run):
    crop, whole = (
        match_in_run(tiny_run.run_dir, name, WRONG_LABEL_ID).photograph_a
        for name in ("tiny/other", "tiny/other:whole")
    )
    assert (crop.name, whole.name) == ("tiny/other:crop", "tiny/other:whole")
    assert crop.pixels.shape[1] < whole.pixels.shape[1]


def test_the_picture_is_written(tiny_run, tmp_path):
    row = tiny_run.rows("matches")[0]
    picture = tmp_path / "match.png"
    match_in_run(tiny_run.run_dir, row["image_id_a"], row["image_id_b"], picture)
    with Image.open(picture) as image:
        assert image.width > 2 * 400


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ffffffffffffffff", "no usable image 'ffffffffffffffff'"),
        ("tiny/nobody", "no query 'nobody'"),
        ("unknown/other", "no evaluation set 'unknown'"),
    ],
)
@pytest.mark.parametrize("swapped", [False, True])
def test_what_the_run_does_not_have_is_named(tiny_run, name, message, swapped):
    names = [name, WRONG_LABEL_ID]
    with pytest.raises(MatchError, match=message):
        match_in_run(tiny_run.run_dir, *(names[::-1] if swapped else names))


def test_a_shard_that_is_gone_is_named(own_run, tmp_path):
    config = own_run.config.source.model_copy(update={"root": tmp_path / "gone"})
    moved = own_run.config.model_copy(update={"source": config})
    write_config(own_run.run_dir, moved)
    with pytest.raises(MatchError, match=f"{WRONG_LABEL_ID}: Not readable"):
        match_in_run(own_run.run_dir, WRONG_LABEL_ID, COPY_ID)


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(RunFolderError, match="no run folder"):
        match_in_run(tmp_path, "a", "b")


def test_two_images_of_one_place_are_verified(tiny_run):
    ids = [r["image_id"] for r in tiny_run.rows("verdicts") if r["landmark_id"] == 103]
    found = match_in_run(tiny_run.run_dir, *ids[:2]).found
    assert found.verdict is PairVerdict.VERIFIED


def test_the_command_prints_what_the_library_found(tiny_run, tmp_path):
    row = tiny_run.rows("matches")[0]
    ids = row["image_id_a"], row["image_id_b"]
    picture = tmp_path / "match.png"
    arguments = ["match", *ids, "--run", str(tiny_run.run_dir), "--out", str(picture)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0
    assert result.stdout == f"{match_in_run(tiny_run.run_dir, *ids)}\npicture: {picture}\n"
    assert picture.is_file()


def test_the_command_refuses_an_unknown_image_in_one_line(tiny_run):
    arguments = ["match", "nobody", COPY_ID, "--run", str(tiny_run.run_dir)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("cleanmark: ")
    assert result.stderr.count("\n") == 1
