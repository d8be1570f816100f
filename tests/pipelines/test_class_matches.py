import pyarrow as pa
import pytest
from stage_runs import Run

from manifests.arrow_schemas import MATCHES
from manifests.feature_store import FeatureStore
from manifests.parquet_io import write_rows
from manifests.rows import PairVerdict
from pipelines.class_matches import ClassMatches, JudgedClass, is_accepted
from pipelines.manual_verdicts import ManualVerdicts
from pipelines.run_folder import table_parts
from pipelines.run_tables import open_features, open_images

COLUMNS = ("landmark_id", "image_id_a", "image_id_b", "num_inliers", "verdict")
NO_ANSWERS = ManualVerdicts()


def _match(landmark_id, a, b, num_inliers=40, verdict=PairVerdict.VERIFIED):
    return {
        "landmark_id": landmark_id,
        "image_id_a": a,
        "image_id_b": b,
        "num_features_a": 100,
        "num_features_b": 100,
        "similarity": 0.5,
        "num_tentative": num_inliers,
        "num_inliers": num_inliers,
        "model": None,
        "transform": None,
        "verdict": verdict,
        "reason": "enough_inliers",
    }


@pytest.fixture
def parts(tmp_path):
    """Two parts; class 7 lies in both, class 8 in one."""
    rows = [
        [_match(7, "a", "b"), _match(8, "x", "y"), _match(7, "a", "d", 4, PairVerdict.REJECTED)],
        [_match(7, "a", "c")],
    ]
    paths = [tmp_path / f"part-{number}.parquet" for number in range(2)]
    for path, own in zip(paths, rows, strict=True):
        write_rows(path, MATCHES, own)
    return paths


def test_a_class_has_its_rows_of_all_parts_in_order(parts):
    matches = ClassMatches(parts, COLUMNS, [7, 9], is_accepted, NO_ANSWERS)
    assert matches.of_class(7)["image_id_b"].to_pylist() == ["b", "c"]


def test_classes_that_were_not_asked_for_are_not_there(parts):
    matches = ClassMatches(parts, COLUMNS, [7, 9], is_accepted, NO_ANSWERS)
    assert len(matches.of_class(8)) == len(matches.of_class(9)) == 0
    assert matches.of_class(9).column_names == list(COLUMNS)


def test_without_parts_every_class_is_empty():
    assert len(ClassMatches([], COLUMNS, [7], is_accepted, NO_ANSWERS).of_class(7)) == 0


def _judge(run, landmark_id, accepted, manual=NO_ANSWERS):
    images, features = open_images(run.run_dir), open_features(run.run_dir)
    return JudgedClass.open(landmark_id, images, features, accepted, manual)


def test_a_class_of_a_run_has_its_images_pairs_and_copies(tiny_run: Run):
    parts = table_parts(tiny_run.run_dir, "verify")
    accepted = ClassMatches(parts, COLUMNS, [102], is_accepted, NO_ANSWERS).of_class(102)
    judged = _judge(tiny_run, 102, accepted)
    ids = [row["image_id"] for row in tiny_run.rows("images") if row["landmark_id"] == 102]
    assert judged.ids == sorted(ids)
    assert judged.is_described.all()
    pairs = zip(judged.first, judged.second, strict=True)
    named = [(judged.ids[a], judged.ids[b]) for a, b in pairs]
    rows = [row for row in tiny_run.rows("matches") if row["landmark_id"] == 102]
    rows = [row for row in rows if row["verdict"] != PairVerdict.REJECTED]
    assert named == [(row["image_id_a"], row["image_id_b"]) for row in rows]
    (group,) = judged.duplicates.groups
    copies = [row for row in tiny_run.rows("verdicts") if row["duplicate_of"] is not None]
    assert set(group) == {copies[0]["image_id"], copies[0]["duplicate_of"]}


def test_a_match_of_an_image_outside_the_class_is_refused(tiny_run: Run):
    judged = _judge(tiny_run, 102, MATCHES.schema.empty_table())
    with pytest.raises(ValueError, match="image 0000 has matches in class 102 but is not in it"):
        judged.locate(pa.chunked_array([["0000", judged.ids[0]]]))
    with pytest.raises(ValueError, match="verify again"):
        _judge(tiny_run, 999, MATCHES.schema.empty_table()).locate(pa.chunked_array([["0000"]]))


def _pair_of_copies(run):
    (row,) = [row for row in run.rows("matches") if row["verdict"] == PairVerdict.DUPLICATE]
    return row["image_id_a"], row["image_id_b"]


@pytest.mark.parametrize(("answer", "are_copies"), [("same", True), ("different", False)])
def test_people_can_tell_copies_apart_but_make_none(tiny_run: Run, answer, are_copies):
    pair = _pair_of_copies(tiny_run)
    manual = ManualVerdicts([(*pair, answer)], 30)
    parts = table_parts(tiny_run.run_dir, "verify")
    accepted = ClassMatches(parts, COLUMNS, [102], is_accepted, manual).of_class(102)
    judged = _judge(tiny_run, 102, accepted, manual)
    assert [set(group) for group in judged.duplicates.groups] == [set(pair)] * are_copies
    plain = ClassMatches(parts, COLUMNS, [102], is_accepted, NO_ANSWERS).of_class(102)
    assert accepted.num_rows == plain.num_rows - (not are_copies)


def test_an_answer_stands_in_for_features_that_are_not_there(tiny_run: Run):
    images = open_images(tiny_run.run_dir)
    ids = images.list_ids(images.rows_of_class(103))
    manual = ManualVerdicts([(ids[0], ids[2], "same"), (ids[1], ids[3], "different")], 30)
    no_pairs = MATCHES.schema.empty_table()
    judged = JudgedClass.open(103, images, FeatureStore([]), no_pairs, manual)
    assert judged.is_described.tolist() == [True, False, True, False]
