import pytest
from stage_runs import Run

from manifests.arrow_schemas import MANIFEST, REMOVED
from manifests.rows import MEANINGS, ImageReason, ImageStatus
from pipelines.manifest_rows import Cause, Fate, Verdicts, explain_removal, manifest_row

A, B, C = "0" * 15 + "a", "0" * 15 + "b", "0" * 15 + "c"


def _image(image_id, status="ok", **columns):
    return {
        "image_id": image_id,
        "landmark_id": 7,
        "landmark_name": "Old Mill",
        "split": "train",
        "shard": "train/images_000.tar",
        "member": f"0/0/0/{image_id}.jpg",
        "offset": 512,
        "num_bytes": 100,
        "sha256": "5" * 64,
        "width": 64,
        "height": 48,
        "phash": "0" * 16,
        "exif_orientation": None,
        "source_url": None,
        "author": "ana",
        "license": "CC0",
        "title": None,
        "status": status,
        "reason": None,
    } | columns


def _verdict(image_id, reason="verified", landmark_id=7, **columns):
    return {
        "image_id": image_id,
        "landmark_id": landmark_id,
        "kept": reason == "verified",
        "reason": reason,
        "num_verified_neighbours": 3,
        "component_id": None,
        "duplicate_of": None,
    } | columns


def _verdicts(*rows):
    return Verdicts({row["image_id"]: row for row in rows}, {7: "Old Mill"})


def _fate(classes=None, val=(), removed=()):
    classes = {7: [A, B]} if classes is None else classes
    numbers = {landmark_id: number for number, landmark_id in enumerate(sorted(classes))}
    return Fate(classes, numbers, frozenset(val), dict(removed), {})


def test_kept_images_are_grouped_by_class_both_ascending():
    verdicts = _verdicts(
        _verdict(C, landmark_id=7),
        _verdict(A, landmark_id=7),
        _verdict(B, landmark_id=2),
        _verdict("0" * 16, "no_features", landmark_id=2),
    )
    assert list(verdicts.kept_by_class.items()) == [(2, [B]), (7, [A, C])]


def test_the_verdicts_of_a_run_come_with_the_names_of_its_classes(tiny_run: Run):
    verdicts = Verdicts.load(tiny_run.run_dir)
    kept = {row["image_id"] for row in tiny_run.rows("verdicts") if row["kept"]}
    assert {i for ids in verdicts.kept_by_class.values() for i in ids} == kept
    assert verdicts.landmark_names[103] == "Stone Bridge"


def test_a_manifest_row_has_the_columns_of_the_table():
    fate = _fate({3: [C], 7: [A, B]}, val=[B])
    verdicts = _verdicts(_verdict(A), _verdict(B, num_verified_neighbours=9))
    rows = [manifest_row(_image(image_id), verdicts, fate) for image_id in (A, B)]
    assert all(row.keys() == {column.name for column in MANIFEST.columns} for row in rows)
    assert [row["split"] for row in rows] == ["train", "val"]
    assert [row["class_index"] for row in rows] == [1, 1]
    assert [row["num_verified_neighbours"] for row in rows] == [3, 9]


@pytest.mark.parametrize("status", [status for status in ImageStatus if status != "ok"])
def test_a_second_file_with_the_id_of_a_kept_image_is_not_kept(status):
    fate = _fate()
    assert fate.keeps(_image(A))
    assert not fate.keeps(_image(A, status))
    assert not fate.keeps(_image(C))


@pytest.mark.parametrize("status", [status for status in ImageStatus if status != "ok"])
def test_what_could_not_be_used_was_removed_by_ingest(status):
    row = explain_removal(_image(A, status), _verdicts(), _fate())
    assert row.keys() == {column.name for column in REMOVED.columns}
    assert (row["stage"], row["reason"]) == ("ingest", status)
    assert row["evidence"] == f"train/images_000.tar, 0/0/0/{A}.jpg: {MEANINGS[status]}"


def test_the_decoder_s_own_words_come_before_the_general_meaning():
    row = explain_removal(_image(A, "truncated", reason="ends early"), _verdicts(), _fate())
    assert row["evidence"].endswith(": ends early")


@pytest.mark.parametrize("reason", [reason for reason in ImageReason if reason != "verified"])
def test_what_the_cleaning_dropped_keeps_its_reason(reason):
    verdicts = _verdicts(_verdict(C, str(reason), num_verified_neighbours=2))
    row = explain_removal(_image(C), verdicts, _fate())
    assert (row["stage"], row["reason"], row["landmark_id"]) == ("clean", reason, 7)
    assert row["evidence"] == f"{MEANINGS[reason]} Verified neighbours: 2."


def test_a_dropped_copy_names_its_original():
    verdicts = _verdicts(_verdict(C, "duplicate", duplicate_of=A))
    assert explain_removal(_image(C), verdicts, _fate())["evidence"].endswith(f"Copy of {A}.")


def test_what_went_with_its_class_keeps_the_reason_of_the_class():
    fate = _fate(
        {}, removed={7: Cause("overlap", "visual_majority", "most confirmed photographs for q (2)")}
    )
    row = explain_removal(_image(A), _verdicts(_verdict(A)), fate)
    assert (row["stage"], row["reason"]) == ("overlap", "visual_majority")
    assert row["evidence"] == "most confirmed photographs for q (2)"


def test_a_kept_image_that_no_manifest_lists_is_an_error_not_a_silence():
    with pytest.raises(KeyError):
        explain_removal(_image(A), _verdicts(_verdict(A)), _fate({}))
