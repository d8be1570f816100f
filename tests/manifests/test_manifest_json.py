import json

import pytest
from pydantic import ValidationError

from manifests.manifest_json import (
    Manifest,
    ManifestCounts,
    RemovedClass,
    SplitCounts,
    read_manifest,
    write_manifest,
)


def make_manifest(**changes):
    half = SplitCounts(images=2, classes=1)
    counts = ManifestCounts(images=4, classes=1, splits={"val": half, "train": half})
    removed = RemovedClass(
        landmark_id=9,
        landmark_name="Sacré-Cœur",
        images=3,
        reason="visual_majority",
        evidence="2 queries",
        queries=("q1", "q2"),
        reviewers=("ann",),
        runner_ups=(4,),
    )
    fields = {
        "counts": counts,
        "gldv2_clean": counts,
        "ingested": 9,
        "removed": {"overlap": {"visual_majority": 3}, "clean": {"no_features": 2}},
        "digests": {"part.parquet": "0" * 64},
        "config_digest": "1" * 64,
        "code_version": "0.1.0",
        "policy": {"name": "paper"},
        "parents": {"images": "2" * 64},
        "removed_classes": (removed,),
        "ties": (),
        "pending": 0,
        "unmatched_decisions": 1,
    }
    return Manifest(**fields | changes)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "manifest.json"


def test_a_manifest_comes_back_as_it_was(path):
    write_manifest(path, make_manifest())
    assert read_manifest(path) == make_manifest()


def test_equal_content_gives_equal_bytes(path):
    write_manifest(path, make_manifest())
    first = path.read_bytes()
    reordered = {"clean": {"no_features": 2}, "overlap": {"visual_majority": 3}}
    write_manifest(path, make_manifest(removed=reordered))
    assert path.read_bytes() == first
    write_manifest(path, read_manifest(path))
    assert path.read_bytes() == first


def test_people_can_read_it(path):
    write_manifest(path, make_manifest())
    text = path.read_text(encoding="utf-8")
    assert "Sacré-Cœur" in text
    assert text.endswith("}\n")
    assert list(json.loads(text)) == sorted(json.loads(text))


@pytest.mark.parametrize(
    "change",
    [{"format_version": 2}, {"surprise": 1}, {"ingested": "many"}, {"counts": None}],
    ids=lambda change: next(iter(change)),
)
def test_another_format_is_refused(path, change):
    write_manifest(path, make_manifest())
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValidationError, match=next(iter(change))):
        read_manifest(path)


def test_a_file_cut_short_is_refused(path):
    write_manifest(path, make_manifest())
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValidationError):
        read_manifest(path)
