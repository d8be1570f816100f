"""Answers that do not fit the run that they are about."""

import pytest
from stage_runs import Run
from tiny_run import BROKEN_ID

from manifests.manual_answers import ManualAnswerError
from manifests.parquet_io import TableError
from pipelines.answer_check import read_checked_answers
from pipelines.stages.verify import blocks_of


@pytest.fixture
def path(tmp_path):
    return tmp_path / "answers.csv"


def _parts_of_class(run):
    return {
        block.landmark_id: list(unit.outputs)
        for unit in run.step("verify").plan()
        for block in blocks_of(unit)
    }


def _check(run, path, *rows):
    lines = ["image_id_a,image_id_b,answer", *(",".join(row) for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    return read_checked_answers(path, run.run_dir, _parts_of_class(run))


def _pairs(run, landmark_id):
    rows = [row for row in run.rows("matches") if row["landmark_id"] == landmark_id]
    return [(row["image_id_a"], row["image_id_b"]) for row in rows]


def test_answers_are_sorted_into_the_classes_of_their_images(tiny_run: Run, path):
    (a, b), (c, d) = _pairs(tiny_run, 103)[0], _pairs(tiny_run, 101)[0]
    found = _check(tiny_run, path, (b, a, "same"), (c, d, "different"))
    assert {landmark_id: [p.image_ids for p in own] for landmark_id, own in found.items()} == {
        101: [(c, d)],
        103: [(a, b)],
    }


def test_a_file_without_an_answer_asks_nothing_of_the_run(path, tmp_path):
    path.write_text("image_id_a,image_id_b,answer\nx,y,\n")
    assert read_checked_answers(path, tmp_path / "nothing here", {}) == {}


def test_parts_of_other_classes_are_not_read(own_run: Run, path):
    pair = _pairs(own_run, 101)[0]
    parts = {own_run.run_dir / part for part in _parts_of_class(own_run)[101]}
    others = set((own_run.run_dir / "matches").glob("*.parquet")) - parts
    assert others
    for part in others:
        part.write_bytes(b"no Parquet")
    assert _check(own_run, path, (*pair, "same")).keys() == {101}
    for part in parts:
        part.write_bytes(b"no Parquet")
    with pytest.raises(TableError):
        _check(own_run, path, (*pair, "same"))


def _complain(run, path, *rows):
    with pytest.raises(ManualAnswerError) as error:
        _check(run, path, *rows)
    text = str(error.value)
    assert text.startswith(f"{path}: row {len(rows) + 1}: ")
    assert "delete the row" in text
    return text


@pytest.mark.parametrize("unknown", ["f" * 16, BROKEN_ID, ""])
def test_an_image_that_the_run_cannot_use_is_refused(tiny_run: Run, path, unknown):
    good = _pairs(tiny_run, 101)[0]
    complaint = _complain(tiny_run, path, (*good, "same"), (good[0], unknown, "same"))
    assert f"the run has no usable image {unknown!r}" in complaint


def test_images_of_two_classes_are_refused(tiny_run: Run, path):
    a, b = _pairs(tiny_run, 101)[0][0], _pairs(tiny_run, 103)[0][0]
    complaint = _complain(tiny_run, path, (a, b, "different"))
    first, second = sorted([(a, 101), (b, 103)])
    assert f"{first[0]} is of class {first[1]} and {second[0]} of class {second[1]}" in complaint


def test_a_pair_that_was_not_verified_is_refused(own_run: Run, path):
    """With one neighbour each, not every pair of a class is put to the verifier."""
    verify = own_run.config.verify.model_copy(update={"num_neighbours": 1})
    run = Run(own_run.config.model_copy(update={"verify": verify}), own_run.run_dir)
    run.finish("verify")
    ids = sorted({row["image_id"] for row in run.rows("images") if row["landmark_id"] == 103})
    usable = {image_id for pair in _pairs(own_run, 103) for image_id in pair}
    pairs = [(a, b) for a in ids for b in ids if a < b and {a, b} <= usable]
    never = [pair for pair in pairs if pair not in _pairs(run, 103)]
    complaint = _complain(run, path, (*_pairs(run, 103)[0], "same"), (*never[0], "same"))
    assert f"{never[0][0]} and {never[0][1]} were never put to the verifier" in complaint


def test_an_image_is_no_pair_with_itself(tiny_run: Run, path):
    image_id = _pairs(tiny_run, 101)[0][0]
    assert "never put to the verifier" in _complain(tiny_run, path, (image_id, image_id, "same"))


def test_a_file_that_the_run_will_write_over_is_refused(tiny_run: Run):
    path = tiny_run.run_dir / "manifests" / "decisive_pairs.csv"
    before = path.read_bytes()
    with pytest.raises(ManualAnswerError, match="move it to a place outside the run folder"):
        read_checked_answers(path, tiny_run.run_dir, {})
    assert path.read_bytes() == before
