import pyarrow as pa
import pytest
from stage_runs import Run

from curation.class_index import ValSplitSettings, choose_val_images
from manifests.arrow_schemas import IMAGES, MANIFEST, REMOVED, VERDICTS
from manifests.rows import MEANINGS, ImageReason, ImageStatus
from pipelines.manifest_rows import Cause, Fate, explain_removals, make_manifest
from pipelines.verdict_columns import VerdictColumns, read_verdicts

A, B, C = "0" * 15 + "a", "0" * 15 + "b", "0" * 15 + "c"


def _images(*rows):
    found = [_image(**row) for row in rows]
    return pa.Table.from_pylist(found, schema=IMAGES.schema)


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


def _fate(*verdicts, removed=(), removed_images=()):
    columns = VerdictColumns.from_tables([pa.Table.from_pylist(verdicts, schema=VERDICTS.schema)])
    return Fate.choose(columns, dict(removed), dict(removed_images), ValSplitSettings())


def _explain_one(image, fate):
    (row,) = explain_removals(_images(image), fate).to_pylist()
    return row


def test_the_verdicts_of_a_run_are_its_rows_by_image_id(tiny_run: Run):
    verdicts = read_verdicts(tiny_run.run_dir)
    rows = sorted(tiny_run.rows("verdicts"), key=lambda row: row["image_id"])
    assert [i.decode() for i in verdicts.image_ids] == [row["image_id"] for row in rows]
    assert verdicts.kept.tolist() == [row["kept"] for row in rows]
    copies = [verdicts.image_ids[n].decode() if n >= 0 else None for n in verdicts.duplicates_of]
    assert copies == [row["duplicate_of"] for row in rows]


def test_a_manifest_has_the_columns_of_the_table():
    verdicts = [_verdict(A), _verdict(B, num_verified_neighbours=9), _verdict(C, landmark_id=3)]
    fate = _fate(*verdicts)
    images = _images({"image_id": B}, {"image_id": A}, {"image_id": C, "landmark_id": 3})
    manifest = make_manifest(images, fate)
    assert manifest.schema.equals(MANIFEST.schema)
    assert manifest["image_id"].to_pylist() == [B, A, C]
    assert manifest["class_index"].to_pylist() == [1, 1, 0]
    assert manifest["num_verified_neighbours"].to_pylist() == [9, 3, 3]
    val = choose_val_images([A, B], ValSplitSettings()) | {C}
    assert {
        i for i, s in zip([B, A, C], manifest["split"].to_pylist(), strict=True) if s == "val"
    } == val


@pytest.mark.parametrize("status", [status for status in ImageStatus if status != "ok"])
def test_a_second_file_with_the_id_of_a_kept_image_is_not_kept(status):
    fate = _fate(_verdict(A))
    images = _images({"image_id": A}, {"image_id": A, "status": status})
    is_kept, _ = fate.find_kept(images)
    assert is_kept.tolist() == [True, False]
    assert len(make_manifest(images, fate)) == len(explain_removals(images, fate)) == 1


@pytest.mark.parametrize("status", [status for status in ImageStatus if status != "ok"])
def test_what_could_not_be_used_was_removed_by_ingest(status):
    row = _explain_one({"image_id": A, "status": status}, _fate())
    assert row.keys() == {column.name for column in REMOVED.columns}
    assert (row["stage"], row["reason"]) == ("ingest", status)
    assert row["evidence"] == f"train/images_000.tar, 0/0/0/{A}.jpg: {MEANINGS[status]}"


def test_the_decoder_s_own_words_come_before_the_general_meaning():
    row = _explain_one({"image_id": A, "status": "truncated", "reason": "ends early"}, _fate())
    assert row["evidence"].endswith(": ends early")


@pytest.mark.parametrize("reason", [reason for reason in ImageReason if reason != "verified"])
def test_what_the_cleaning_dropped_keeps_its_reason(reason):
    fate = _fate(_verdict(C, str(reason), num_verified_neighbours=2))
    row = _explain_one({"image_id": C}, fate)
    assert (row["stage"], row["reason"], row["landmark_id"]) == ("clean", reason, 7)
    assert row["evidence"] == f"{MEANINGS[reason]} Verified neighbours: 2."


def test_a_dropped_copy_names_its_original():
    fate = _fate(_verdict(A), _verdict(C, "duplicate", duplicate_of=A))
    assert _explain_one({"image_id": C}, fate)["evidence"].endswith(f"Copy of {A}.")


def test_what_went_with_its_class_keeps_the_reason_of_the_class():
    cause = Cause("overlap", "visual_majority", "most confirmed photographs for q (2)")
    row = _explain_one({"image_id": A}, _fate(_verdict(A), removed={7: cause}))
    assert (row["stage"], row["reason"], row["evidence"]) == cause


def test_what_went_by_itself_keeps_its_own_reason_and_its_class_stays():
    cause = Cause("clean", "cross_class_duplicate", "copies")
    fate = _fate(_verdict(A), _verdict(B), removed_images={A: cause, "unknown": cause})
    images = _images({"image_id": A}, {"image_id": B})
    assert explain_removals(images, fate)["reason"].to_pylist() == ["cross_class_duplicate"]
    assert make_manifest(images, fate)["image_id"].to_pylist() == [B]
    assert fate.class_sizes == {7: 1}


def test_an_image_that_nothing_removed_and_no_manifest_lists_is_an_error_not_a_silence():
    with pytest.raises(KeyError):
        explain_removals(_images({"image_id": A}), _fate(_verdict(B)))
