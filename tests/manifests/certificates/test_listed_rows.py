"""Lists of other kinds than lines of text, compared with what was certified."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_certificates import (
    IMAGE_IDS,
    UNREAD,
    small_tables,
    training_rows,
    with_rows,
    write_small_certificate,
)
from small_manifests import IDS, KEPT, OVERLAPPING, manifest_rows, write_small_manifests

from manifests.certificates.covered_tables import FINDINGS, TRAINING_ROWS, UNCOVERED
from manifests.certificates.verify import verify_certificate
from manifests.lineage import digest_file
from manifests.manifest_json import read_manifest, write_manifest


def write_parquet(path, rows):
    names = ("image_id", "label", "sha256")
    columns = zip(*rows, strict=True)
    pq.write_table(pa.table(dict(zip(names, map(list, columns), strict=True))), path)
    return path


@pytest.mark.parametrize(
    ("position", "difference"),
    [
        (4, f"image {IMAGE_IDS[4]} has another SHA-256 than the file that was certified"),
        (UNREAD, None),
    ],
)
def test_digests_are_compared_where_both_are_known(tmp_path, position, difference):
    write_small_certificate(tmp_path)
    rows = training_rows()
    path = write_parquet(tmp_path / "list.parquet", rows)
    assert verify_certificate(tmp_path, train=path).difference is None
    rows[position] = (*rows[position][:2], "0" * 64)
    write_parquet(path, rows)
    assert verify_certificate(tmp_path, train=path).difference == difference


@pytest.fixture
def certified_manifests(tmp_path):
    manifests = write_small_manifests(tmp_path / "manifests")
    training = {
        "name": "rgldv2_clean",
        "kind": "manifest",
        "manifest_sha256": digest_file(manifests / "manifest.json"),
        "split": "rgldv2_clean",
    }
    rows = [
        (row["image_id"], str(row["landmark_id"]), row["sha256"]) for row in manifest_rows(KEPT)
    ]
    tables = with_rows(
        small_tables(),
        training=(TRAINING_ROWS, rows),
        uncovered=(UNCOVERED, []),
        findings=(FINDINGS, []),
    )
    write_small_certificate(manifests, tables=tables, training=training)
    return manifests


def test_manifests_beside_their_certificate(certified_manifests):
    check = verify_certificate(certified_manifests, train=certified_manifests)
    assert check.is_sound
    assert check.difference is None


def test_the_split_before_the_removal(certified_manifests):
    check = verify_certificate(certified_manifests, train=certified_manifests / "gldv2_clean")
    assert check.difference == f"image {IDS[OVERLAPPING][0]} is in the list and was not certified"


def test_another_manifest_of_the_same_images(certified_manifests):
    path = certified_manifests / "manifest.json"
    write_manifest(path, read_manifest(path).model_copy(update={"pending": 1}))
    check = verify_certificate(certified_manifests, train=certified_manifests)
    assert check.difference.startswith(f"{path} is not the one that was certified")
