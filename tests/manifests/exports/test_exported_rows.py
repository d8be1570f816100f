import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_manifests import (
    DROPPED_ID,
    EVIDENCE,
    IDS,
    KEPT,
    NAMES,
    OVERLAPPING,
    TWICE_ID,
    manifest_rows,
    open_small_release,
)

from manifests.exports.columns import ATTRIBUTION, EXPORTED, SplitName
from manifests.exports.exported_rows import category_url, read_ids, read_rows
from manifests.exports.id_ranges import IdRange
from manifests.gldv2_csv import readable_name

EVERYTHING = IdRange(None, None)
DOCUMENT = Path(__file__).parents[3] / "docs" / "exports.md"


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    return open_small_release(tmp_path_factory.mktemp("release"))


def _rows(release, split):
    return read_rows(release, split, EVERYTHING).to_pylist()


def test_kept_rows_say_what_the_manifest_says(release):
    exported = [*_rows(release, SplitName.TRAIN), *_rows(release, SplitName.VALIDATION)]
    by_id = {row["id"]: row for row in exported}
    originals = manifest_rows(KEPT)
    assert by_id.keys() == {row["image_id"] for row in originals}
    same = (
        "landmark_id",
        "landmark_name",
        "width",
        "height",
        "sha256",
        "shard",
        "member",
        "offset",
    )
    for original in originals:
        row = by_id[original["image_id"]]
        assert [row[name] for name in same] == [original[name] for name in same]
        assert row["image_id"] == f"gldv2:train:{original['image_id']}"
        assert row["url"] == original["source_url"]
        assert row["label"] == original["class_index"]
        assert row["split"] == {"train": "train", "val": "validation"}[original["split"]]
        assert (row["decision"], row["reason_code"]) == ("keep", "verified")
        assert (row["stage"], row["evidence"], row["policy_id"]) == (None, None, "paper")


def test_labels_number_the_classes_by_integer(release):
    labels = {row["landmark_id"]: row["label"] for row in _rows(release, SplitName.TRAIN)}
    assert labels == {7: 0, 20: 1, 100: 2}


def test_an_image_of_a_removed_class_has_its_evidence_and_all_that_is_known_of_it(release):
    rows = [r for r in _rows(release, SplitName.REMOVED) if r["landmark_id"] == OVERLAPPING]
    assert [row["id"] for row in rows] == IDS[OVERLAPPING]
    for row in rows:
        assert (row["decision"], row["stage"], row["evidence"]) == ("drop", "overlap", EVIDENCE)
        assert row["reason_code"] == "visual_majority"
        assert row["label"] is None
        assert row["landmark_name"] == NAMES[OVERLAPPING]
        assert row["url"] == f"https://example.org/{row['id']}.jpg"


def test_a_file_refused_at_the_door_does_not_borrow_from_the_kept_one_with_its_id(release):
    rows = {row["id"]: row for row in _rows(release, SplitName.REMOVED)}
    for image_id, stage in ((TWICE_ID, "ingest"), (DROPPED_ID, "clean")):
        assert rows[image_id]["stage"] == stage
        assert (rows[image_id]["shard"], rows[image_id]["url"]) == (None, None)


@pytest.mark.parametrize("split", SplitName)
def test_rows_are_sorted_and_ranges_divide_them(release, split):
    whole = _rows(release, split)
    ids = [row["id"] for row in whole]
    assert ids == sorted(ids)
    assert sorted(read_ids(release, split).to_pylist()) == ids
    middle = ids[len(ids) // 2]
    parts = [IdRange(None, middle), IdRange(middle, None)]
    tables = [read_rows(release, split, part) for part in parts]
    assert [row for table in tables for row in table.to_pylist()] == whole


@given(st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1))
def test_a_category_leads_back_to_the_name(text):
    name = unicodedata.normalize("NFC", text.replace("_", " ").strip())
    url = category_url(name)
    assert url.isascii()
    assert "Category:" in name or readable_name(url) == name


@pytest.mark.parametrize("table", [EXPORTED, ATTRIBUTION], ids=lambda table: table.name)
def test_every_column_is_documented(table):
    document = DOCUMENT.read_text(encoding="utf-8")
    for column in table.columns:
        assert f"| `{column.name}` | {column.description} |" in document
