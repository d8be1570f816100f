import hashlib
import json

import pyarrow.parquet as pq
import pytest
from small_manifests import DROPPED_ID, IDS, KEPT, TWICE_ID, write_small_manifests

from manifests.arrow_schemas import MANIFEST
from manifests.exports.columns import SplitName
from manifests.exports.hugging_face import write_release
from manifests.exports.releases import Release
from manifests.gldv2_csv import read_train_clean_csv
from manifests.input_error import InputError
from manifests.lineage import digest_file
from manifests.manifest_json import read_manifest, write_manifest
from manifests.parquet_io import write_table
from manifests.tombstones import digest_row, forget_images

FORGOTTEN = IDS[20][1]
TABLES = ("gldv2_clean", "rgldv2_clean", "removed")


@pytest.fixture
def old(tmp_path):
    return write_small_manifests(tmp_path / "old")


@pytest.fixture
def new(tmp_path):
    return tmp_path / "new"


def _rows(folder, table):
    """Every row of a table as JSON, read without our own reader."""
    parts = sorted((folder / table).glob("*.parquet"))
    return [row for part in parts for row in pq.read_table(part).to_pylist()]


def _digests(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def test_the_image_is_gone_and_every_other_row_is_as_it_was(old, new):
    forgotten = forget_images(old, new, [FORGOTTEN], "asked by the author")
    assert (forgotten.image_ids, forgotten.num_published) == ((FORGOTTEN,), 1)
    for table in TABLES:
        stays = [row for row in _rows(old, table) if row["image_id"] != FORGOTTEN]
        found = [row for row in _rows(new, table) if row.get("stage") != "forget"]
        assert sorted(map(digest_row, found)) == sorted(map(digest_row, stays))
    assert len(_rows(old, "rgldv2_clean")) - len(_rows(new, "rgldv2_clean")) == 1


def test_the_tombstone_has_digests_of_the_rows_and_nothing_personal(old, new):
    forget_images(old, new, [FORGOTTEN], "asked by the author")
    row = next(row for row in _rows(old, "rgldv2_clean") if row["image_id"] == FORGOTTEN)
    text = (new / "tombstones.json").read_text()
    [tombstone] = json.loads(text)
    assert tombstone["image_id"] == FORGOTTEN
    assert tombstone["rows_sha256"]["rgldv2_clean"] == [digest_row(row)]
    assert tombstone["previous_manifest_sha256"] == digest_file(old / "manifest.json")
    assert tombstone["note"] == "asked by the author"
    assert row["title"] not in text
    assert row["source_url"] not in text
    assert [r for r in _rows(new, "removed") if r["image_id"] == FORGOTTEN] == [
        {
            "image_id": FORGOTTEN,
            "landmark_id": 20,
            "stage": "forget",
            "reason": "forgotten",
            "evidence": "asked by the author",
        }
    ]


def test_parts_and_lists_without_the_image_keep_their_bytes(old, new):
    forget_images(old, new, [FORGOTTEN])
    before, after = _digests(old), _digests(new)
    changed = {name for name in before if after[name] != before[name]}
    parts = {n for n in before if n.endswith(".parquet")}
    holding = {n for n in parts if FORGOTTEN in pq.read_table(old / n)["image_id"].to_pylist()}
    assert len(holding) == 2
    lists = {f"{table}/train_clean.csv" for table in ("gldv2_clean", "rgldv2_clean")}
    assert changed == {"manifest.json"} | holding | lists
    assert after.keys() - before.keys() == {"tombstones.json", "removed/forgotten.parquet"}


def test_the_lists_do_without_it(old, new):
    forget_images(old, new, [FORGOTTEN])
    expected = {c: tuple(i for i in ids if i != FORGOTTEN) for c, ids in KEPT.items()}
    assert read_train_clean_csv(new / "rgldv2_clean" / "train_clean.csv") == expected


def test_the_old_version_is_not_touched_and_the_new_one_names_it(old, new):
    before = _digests(old)
    forget_images(old, new, [FORGOTTEN])
    assert _digests(old) == before
    Release.open(old)
    manifest = read_manifest(new / "manifest.json")
    assert manifest.parents["previous_manifest"] == before["manifest.json"]
    found = _digests(new)
    del found["manifest.json"]
    assert manifest.digests == found


@pytest.mark.parametrize("image_id", [FORGOTTEN, IDS[55][0], DROPPED_ID, TWICE_ID])
def test_kept_and_removed_still_add_up(old, new, tmp_path, image_id):
    forget_images(old, new, [image_id])
    manifest = read_manifest(new / "manifest.json")
    was = read_manifest(old / "manifest.json")
    assert manifest.ingested == was.ingested
    assert manifest.counts.images == len(_rows(new, "rgldv2_clean"))
    assert manifest.gldv2_clean.images == len(_rows(new, "gldv2_clean"))
    counted = {}
    for row in _rows(new, "removed"):
        by_reason = counted.setdefault(row["stage"], {})
        by_reason[row["reason"]] = by_reason.get(row["reason"], 0) + 1
    assert manifest.removed == counted
    # The export checks the sum by itself.
    exported = write_release(tmp_path / "export", Release.open(new))
    assert exported.find(SplitName.REMOVED).num_images == sum(map(len, [_rows(new, "removed")]))


def test_a_removed_class_is_smaller_by_its_forgotten_image(old, new):
    forget_images(old, new, [IDS[55][0]])
    assert [c.images for c in read_manifest(new / "manifest.json").removed_classes] == [2]


def test_versions_follow_one_another(old, new, tmp_path):
    forget_images(old, new, [FORGOTTEN])
    forget_images(new, tmp_path / "newer", [IDS[7][2]])
    tombstones = json.loads((tmp_path / "newer" / "tombstones.json").read_text())
    assert [t["image_id"] for t in tombstones] == [FORGOTTEN, IDS[7][2]]
    rows = [r for r in _rows(tmp_path / "newer", "removed") if r["stage"] == "forget"]
    assert {row["image_id"] for row in rows} == {FORGOTTEN, IDS[7][2]}
    assert read_manifest(tmp_path / "newer" / "manifest.json").removed["forget"] == {"forgotten": 2}


def test_together_or_one_by_one_the_rows_are_the_same(old, new, tmp_path):
    first, second = IDS[7][0], IDS[20][0]
    forget_images(old, new, [second, first])
    forget_images(old, tmp_path / "one", [first])
    forget_images(tmp_path / "one", tmp_path / "two", [second])
    together, in_turn = _digests(new), _digests(tmp_path / "two")
    differ = {name for name in together if together[name] != in_turn[name]}
    # These two name the version before.
    assert differ == {"manifest.json", "tombstones.json"}


def test_an_emptied_class_leaves_its_number_free(old, new):
    forgotten = forget_images(old, new, IDS[20])
    assert forgotten.vanished_classes == (20,)
    numbers = {row["landmark_id"]: row["class_index"] for row in _rows(new, "rgldv2_clean")}
    assert numbers == {7: 0, 100: 2}
    assert 20 not in read_train_clean_csv(new / "rgldv2_clean" / "train_clean.csv")


def test_the_evidence_of_others_that_names_the_image_is_counted(old, new):
    assert forget_images(old, new, [IDS[7][2]]).num_mentions == 1


def test_rows_of_other_lists_that_name_the_image_go(old, new):
    manifest = read_manifest(old / "manifest.json")
    path = old / "decisive_pairs.csv"
    path.write_text(f"a,b\n{FORGOTTEN},{IDS[7][0]}\n{IDS[7][0]},{IDS[7][1]}\n")
    digests = manifest.digests | {path.name: digest_file(path)}
    write_manifest(old / "manifest.json", manifest.model_copy(update={"digests": digests}))
    forget_images(old, new, [FORGOTTEN])
    assert (new / path.name).read_text() == f"a,b\n{IDS[7][0]},{IDS[7][1]}\n"


@pytest.mark.parametrize("name", ["notes.txt", "notes.csv"])
def test_a_file_that_names_the_image_otherwise_is_refused(old, new, name):
    manifest = read_manifest(old / "manifest.json")
    (old / name).write_text(f"a\nseen/{FORGOTTEN}.jpg\n")
    digests = manifest.digests | {name: digest_file(old / name)}
    write_manifest(old / "manifest.json", manifest.model_copy(update={"digests": digests}))
    with pytest.raises(InputError, match=rf"{name}: names one of the images"):
        forget_images(old, new, [FORGOTTEN])
    assert not new.exists()


@pytest.mark.parametrize(
    ("image_ids", "message"),
    [
        (["0" * 16], "has no image 0000000000000000"),
        ([], "name at least one id"),
        ([FORGOTTEN, "f" * 16], "has no image ffffffffffffffff"),
    ],
)
def test_what_cannot_be_forgotten_is_named_and_nothing_is_written(old, new, image_ids, message):
    with pytest.raises(InputError, match=message):
        forget_images(old, new, image_ids)
    assert not new.exists()


def test_what_was_forgotten_cannot_be_forgotten_again(old, new, tmp_path):
    forget_images(old, new, [FORGOTTEN])
    with pytest.raises(InputError, match="was forgotten before"):
        forget_images(new, tmp_path / "newer", [FORGOTTEN])


def test_an_altered_part_is_refused(old, new):
    part = old / "rgldv2_clean" / "images_000.parquet"
    write_table(part, MANIFEST, pq.read_table(part)[1:])
    with pytest.raises(InputError, match=r"images_000.parquet: not the file .* SHA-256 differs"):
        forget_images(old, new, [FORGOTTEN])


def test_a_folder_with_something_in_it_is_refused(old, new):
    new.mkdir()
    (new / "mine").write_text("")
    with pytest.raises(InputError, match="something else"):
        forget_images(old, new, [FORGOTTEN])
