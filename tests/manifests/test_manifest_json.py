import json

import pytest
from pydantic import ValidationError

from manifests.manifest_json import (
    CalibrationResult,
    Manifest,
    ManifestCounts,
    ManualAnswers,
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
        "calibration": None,
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


def _calibration(**changes):
    fields = {
        "num_pairs": 4000,
        "num_accepted": 0,
        "one_place": (),
        "rate_low": 0.0,
        "rate_high": 0.00092,
        "max_chance_inliers": 12,
        "threshold": 30,
        "confirmed": True,
        "suggested_threshold": 30,
    }
    return CalibrationResult(**fields | changes)


@pytest.mark.parametrize(
    ("changes", "ending"),
    [
        ({}, "The threshold is confirmed."),
        ({"confirmed": False, "suggested_threshold": 41}, "A threshold of 41 would be safe."),
        (
            {"confirmed": False, "suggested_threshold": None},
            "More pairs would be needed to confirm it.",
        ),
        ({"one_place": ((3, 9),)}, "Classes that seem to be one place: 3 and 9."),
    ],
)
def test_a_calibration_says_what_it_found(changes, ending):
    text = _calibration(**changes).describe()
    assert text.startswith("Of 4,000 control pairs")
    assert "at most 0.092 %" in text
    assert text.endswith(ending)


def test_answers_are_counted_in_words():
    text = ManualAnswers(num_same=1200, num_different=34, sha256="3" * 64).describe()
    assert text == (
        "The cleaning went by people's answers on 1,234 pairs: 1,200 same, 34 different."
    )


def test_a_manifest_from_before_there_were_answers_can_be_read(path):
    answers = ManualAnswers(num_same=1, num_different=0, sha256="3" * 64)
    write_manifest(path, make_manifest(answers=answers))
    content = json.loads(path.read_text())
    assert content.pop("answers") == answers.model_dump()
    path.write_text(json.dumps(content))
    assert read_manifest(path) == make_manifest()
