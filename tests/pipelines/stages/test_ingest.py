import hashlib
import shutil

import pytest
from drawn_images import encode, make_texture
from gldv2_layout import LINK, image_id, write_lists, write_shard
from stage_runs import Run

from curation.images import decode_luma
from curation.perceptual_hash import perceptual_hash
from curation.shards import ShardError
from manifests.gldv2_csv import Gldv2CsvError, member_path, write_train_clean_csv
from pipelines.in_flight import Crash, record_crash
from pipelines.markers import CRASHES_SUFFIX
from pipelines.run_config import RunConfig

GOOD = encode(make_texture(1), "JPEG")
A, B, C, D = (image_id(number) for number in range(1, 5))


def _run(tmp_path, shards, class_of=None, titles=(), names=(), **source):
    """A job on shards made of members; every id that occurs is of class 7 unless told."""
    root = tmp_path / "gldv2"
    for name, members in shards.items():
        write_shard(root, name, members)
    names_in_shards = [name for members in shards.values() for name, _ in members]
    occurring = [i for i in (A, B, C, D) if any(i in name for name in names_in_shards)]
    class_of = dict.fromkeys(occurring, 7) if class_of is None else class_of
    write_lists(root, class_of, dict(titles), dict(names))
    config = RunConfig.model_validate({"source": {"root": root} | source})
    return Run(config, tmp_path / "run")


def _ingest_one(tmp_path, member_name, data, class_of=None):
    run = _run(tmp_path, {"images_000": [(member_name, data)]}, class_of)
    run.finish("ingest.join")
    (row,) = run.rows("images")
    return row


def test_a_good_image_gets_everything_there_is_to_know(tmp_path):
    members = [(member_path(A), encode(make_texture(2), "JPEG")), (member_path(B), GOOD)]
    run = _run(
        tmp_path,
        {"images_000": members},
        class_of={A: 7, B: 12},
        titles={B: "File:Old mill, [west].jpg"},
        names={12: "Old_Mill"},
    )
    run.finish("ingest.join")
    row = run.rows("images")[1]
    stored = (tmp_path / "gldv2" / row["shard"]).read_bytes()
    assert stored[row["offset"] : row["offset"] + row["num_bytes"]] == GOOD
    pixels = decode_luma(GOOD).pixels
    assert row == {
        "image_id": B,
        "landmark_id": 12,
        "landmark_name": "Old Mill",
        "split": "train",
        "shard": "train/images_000.tar",
        "member": member_path(B),
        "offset": row["offset"],
        "num_bytes": len(GOOD),
        "sha256": hashlib.sha256(GOOD).hexdigest(),
        "width": pixels.shape[1],
        "height": pixels.shape[0],
        "phash": perceptual_hash(pixels),
        "exif_orientation": None,
        "source_url": f"https://example.org/{B}.jpg",
        "author": "ana",
        "license": "CC0",
        "title": "File:Old mill, [west].jpg",
        "status": "ok",
        "reason": None,
    }


@pytest.mark.parametrize(
    ("data", "status", "reason"),
    [
        (GOOD[: len(GOOD) // 2], "truncated", "begins as JPEG but does not decode to its end"),
        (b"<html>404</html>", "not_an_image", "it begins with b'<html>404"),
        (b"", "not_an_image", "the file is empty"),
        (encode(make_texture(1, 40, 20), "JPEG"), "too_small", "40 x 20 px"),
        (encode(make_texture(1), "PNG"), "ok", "PNG inside .jpg"),
        (encode(make_texture(1).convert("L"), "JPEG"), "ok", "converted from L"),
        (encode(make_texture(1).convert("P"), "GIF"), "ok", "GIF inside .jpg; converted from"),
    ],
)
def test_what_the_decoder_says_is_recorded(tmp_path, data, status, reason):
    row = _ingest_one(tmp_path, member_path(A), data)
    assert row["status"] == status
    assert reason in row["reason"]
    assert (row["width"] is not None) == (status == "ok")
    assert row["sha256"] == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(
    ("image", "file_format", "note"),
    [
        (make_texture(1), "JPEG", None),
        (make_texture(1), "PNG", "PNG inside .jpg"),
        (make_texture(1), "WEBP", "WEBP inside .jpg"),
        (make_texture(1).convert("CMYK"), "JPEG", "converted from CMYK"),
        (make_texture(1).convert("L"), "JPEG", "converted from L"),
        (make_texture(1).convert("I;16"), "PNG", "PNG inside .jpg; converted from 16-bit grey"),
    ],
)
def test_a_wrong_extension_and_an_unusual_mode_are_kept_and_noted(
    tmp_path, image, file_format, note
):
    row = _ingest_one(tmp_path, member_path(A), encode(image, file_format))
    assert (row["status"], row["reason"]) == ("ok", note)


@pytest.mark.parametrize(
    ("file_format", "suffix", "note"),
    [("PNG", "png", None), ("JPEG", "png", "JPEG inside .png"), ("JPEG", "JPEG", None)],
)
def test_an_extension_is_wrong_only_for_its_own_format(tmp_path, file_format, suffix, note):
    row = _ingest_one(tmp_path, f"{A}.{suffix}", encode(make_texture(1), file_format))
    assert (row["status"], row["reason"]) == ("ok", note)


@pytest.mark.parametrize(
    ("member_name", "data", "reason"),
    [
        (f"../{A}.jpg", GOOD, "a path that leaves the archive"),
        (f"/{A}.jpg", GOOD, "an absolute path"),
        (member_path(A), LINK, "a link to '/etc/passwd'"),
    ],
)
def test_an_unsafe_member_is_listed_and_not_read(tmp_path, member_name, data, reason):
    row = _ingest_one(tmp_path, member_name, data)
    assert (row["status"], row["image_id"]) == ("unsafe_name", A)
    assert reason in row["reason"]
    assert row["sha256"] is None


@pytest.mark.parametrize(("class_of", "member"), [({B: 7}, member_path(A)), (None, "cover.jpg")])
def test_an_image_that_no_list_names_is_unlisted(tmp_path, class_of, member):
    run = _run(tmp_path, {"images_000": [(member, GOOD)]}, class_of)
    run.finish("ingest.join")
    row = run.rows("images")[0]
    assert (row["status"], row["landmark_id"]) == ("unlisted", None)


def test_a_broken_file_that_no_list_names_stays_broken(tmp_path):
    assert _ingest_one(tmp_path, "LICENSE.txt", b"text")["status"] == "not_an_image"


def test_an_id_that_comes_again_is_refused_in_the_shard_and_across_shards(tmp_path):
    first = [(member_path(A), GOOD), (member_path(B), GOOD), (f"copy/{A}.jpg", GOOD)]
    run = _run(
        tmp_path,
        {"images_000": first, "images_001": [(member_path(B), GOOD), (member_path(C), GOOD)]},
    )
    run.finish("ingest.join")
    found = [(row["shard"][-7:-4], row["image_id"], row["status"]) for row in run.rows("images")]
    assert found == [
        ("000", A, "ok"),
        ("000", B, "ok"),
        ("000", A, "duplicate_id"),
        ("001", B, "duplicate_id"),
        ("001", C, "ok"),
    ]


def test_every_member_has_one_row_and_the_counts_say_so(tmp_path):
    members = [(member_path(A), GOOD), (member_path(B), b""), (member_path(C), LINK), ("x", GOOD)]
    run = _run(tmp_path, {"images_000": members})
    scanned = run.do("ingest.scan")["images_000"]
    joined = run.do("ingest.join")["images"]
    assert scanned.counts == {"files": 4, "unreadable": 2}
    assert joined.counts == {"images": 4, "usable": 1, "missing": 0}
    assert [row["member"] for row in run.rows("images")] == [name for name, _ in members]


def test_an_image_that_stopped_workers_is_recorded_and_left_alone(tmp_path):
    run = _run(tmp_path, {"images_000": [(member_path(A), GOOD), (member_path(B), GOOD)]})
    (unit,) = run.step("ingest.scan").plan()
    crashes = unit.state_path(run.run_dir, CRASHES_SUFFIX)
    for _ in range(2):
        record_crash(crashes, unit.fingerprint, member_path(A), Crash("killed by SIGSEGV"))
    run.finish("ingest.join")
    crashed, good = run.rows("images")
    assert (crashed["status"], crashed["reason"]) == ("decoder_crashed", "killed by SIGSEGV")
    assert (crashed["landmark_id"], crashed["width"]) == (7, None)
    assert crashed["sha256"] == hashlib.sha256(GOOD).hexdigest()
    assert good["status"] == "ok"


def test_the_largest_shard_comes_first_and_the_plan_repeats(tmp_path):
    shards = {
        "images_000": [(member_path(A), GOOD)],
        "images_001": [(member_path(B), GOOD * 9)],
        "images_002": [(member_path(C), GOOD)],
    }
    plan = _run(tmp_path, shards).step("ingest.scan").plan()
    assert [unit.unit_id for unit in plan] == ["images_001", "images_000", "images_002"]
    assert _run(tmp_path, {}).step("ingest.scan").plan() == plan


def test_a_folder_without_shards_is_refused(tmp_path):
    run = _run(tmp_path, {})
    with pytest.raises(ShardError, match=r"gldv2/train: no shards named images_NNN\.tar"):
        run.step("ingest.scan").plan()


def test_a_missing_list_of_classes_is_refused_before_anything_is_decoded(tmp_path):
    run = _run(tmp_path, {"images_000": [(member_path(A), GOOD)]})
    (tmp_path / "gldv2/metadata/train.csv").unlink()
    with pytest.raises(Gldv2CsvError, match=r"metadata/train\.csv: no such file.*fetch it from"):
        run.step("ingest.scan").plan()


def test_names_and_rights_may_be_missing(tmp_path):
    run = _run(tmp_path, {"images_000": [(member_path(A), GOOD)]}, titles={A: "x"}, names={7: "y"})
    for name in ("train_attribution.csv", "train_label_to_category.csv"):
        (tmp_path / "gldv2/metadata" / name).unlink()
    run.finish("ingest.join")
    (row,) = run.rows("images")
    assert (row["status"], row["landmark_id"]) == ("ok", 7)
    assert {row[name] for name in ("landmark_name", "author", "license", "title")} == {None}


def test_a_corrected_title_redoes_the_join_and_decodes_nothing_again(tmp_path):
    run = _run(tmp_path, {"images_000": [(member_path(A), GOOD)]}, titles={A: "File:Old.jpg"})
    run.finish("ingest.join")
    write_lists(tmp_path / "gldv2", {A: 7}, {A: "File:New.jpg"}, {})
    assert run.finish("ingest.join") == {"ingest.scan": [], "ingest.join": ["images"]}
    assert run.rows("images")[0]["title"] == "File:New.jpg"


def test_a_changed_shard_redoes_what_depends_on_it_and_nothing_else(own_run, tiny_root, tmp_path):
    shutil.copytree(tiny_root, tmp_path / "moved")
    source = own_run.config.source.model_copy(update={"root": tmp_path / "moved"})
    run = Run(own_run.config.model_copy(update={"source": source}), own_run.run_dir)
    assert not any(run.finish("overlap").values())
    write_shard(tmp_path / "moved", "images_001", [(member_path(A), GOOD)])
    done = run.finish("describe")
    assert done == {
        "ingest.scan": ["images_001"],
        "ingest.join": ["images"],
        "describe": ["images_001"],
    }


def test_a_changed_early_shard_redoes_the_joins_that_must_know_its_ids(
    own_run, tiny_root, tmp_path
):
    shutil.copytree(tiny_root, tmp_path / "moved")
    source = own_run.config.source.model_copy(update={"root": tmp_path / "moved"})
    run = Run(own_run.config.model_copy(update={"source": source}), own_run.run_dir)
    taken = run.rows("images")[-1]
    assert taken["shard"] == "train/images_001.tar"
    write_shard(tmp_path / "moved", "images_000", [(taken["member"], GOOD)])
    assert run.finish("ingest.join") == {
        "ingest.scan": ["images_000"],
        "ingest.join": ["images"],
    }
    assert [
        row["status"] for row in run.rows("images") if row["image_id"] == taken["image_id"]
    ] == [
        "ok",
        "duplicate_id",
    ]


def test_what_is_listed_and_in_no_shard_is_a_row_with_a_reason(tmp_path):
    shards = {"images_000": [(member_path(B), GOOD)]}
    run = _run(tmp_path, shards, class_of={A: 7, B: 7, C: 9}, names={9: "Old_Mill"})
    run.finish("ingest.join")
    present, *missing = run.rows("images")
    assert present["image_id"] == B
    assert [(row["image_id"], row["landmark_id"], row["status"]) for row in missing] == [
        (A, 7, "not_found"),
        (C, 9, "not_found"),
    ]
    assert missing[1]["landmark_name"] == "Old Mill"
    assert missing[0]["source_url"] == f"https://example.org/{A}.jpg"
    assert missing[0]["reason"] == "train.csv lists it, no shard here holds it"
    for name in ("shard", "member", "offset", "num_bytes", "sha256", "width"):
        assert missing[0][name] is None
    assert run.step("describe").plan()[0].unit_id == "images_000"
    assert len(run.step("describe").plan()) == 1


def test_a_broken_second_file_with_an_id_counts_as_a_repeat(tmp_path):
    members = [(member_path(A), GOOD), (f"copy/{A}.jpg", b"")]
    run = _run(tmp_path, {"images_000": members})
    run.finish("ingest.join")
    assert [row["status"] for row in run.rows("images")] == ["ok", "duplicate_id"]


def test_a_source_can_be_restricted_to_a_list(tmp_path):
    shards = {"images_000": [(member_path(i), GOOD) for i in (A, B)] + [(member_path(C), b"")]}
    restriction = tmp_path / "train_clean.csv"
    write_train_clean_csv(restriction, {7: [A]})
    run = _run(tmp_path, shards, restrict_to=restriction)
    run.finish("ingest.join")
    assert [row["status"] for row in run.rows("images")] == ["ok", "excluded", "not_an_image"]
    write_train_clean_csv(restriction, {7: [B]})
    assert run.finish("ingest.join") == {"ingest.scan": [], "ingest.join": ["images"]}
    assert [row["status"] for row in run.rows("images")] == ["excluded", "ok", "not_an_image"]
