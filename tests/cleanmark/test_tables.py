import io

import pytest
from rich.console import Console

from cleanmark.scoring import CleanScore, OverlapScore, Score
from cleanmark.tables import (
    print_failures,
    print_manifest,
    print_next,
    print_reasons,
    print_score,
    print_status,
    where_to_look,
)
from manifests.manifest_json import (
    Manifest,
    ManifestCounts,
    ManualAnswers,
    RemovedClass,
    SplitCounts,
)
from manifests.rows import ImageReason, ImageStatus, RemovalReason
from pipelines.markers import Tally
from pipelines.units import Report, UnitStatus

COUNTS = ManifestCounts(
    images=1200,
    classes=30,
    splits={
        "train": SplitCounts(images=1000, classes=30),
        "val": SplitCounts(images=200, classes=28),
    },
)


def _manifest(**changes):
    content = {
        "counts": COUNTS,
        "gldv2_clean": COUNTS,
        "ingested": 12345,
        "removed": {},
        "digests": {},
        "config_digest": "",
        "code_version": "",
        "policy": {},
        "parents": {},
        "removed_classes": (),
        "calibration": None,
        "ties": (),
        "pending": 0,
        "unmatched_decisions": 0,
    }
    return Manifest(**(content | changes))


def _print(function, *arguments, width=200):
    console = Console(file=io.StringIO(), width=width)
    function(console, *arguments)
    return console.file.getvalue()


def _rows(text):
    return [line.split() for line in text.splitlines() if line.strip()]


def test_the_sizes_of_the_splits_are_shown():
    rows = _rows(_print(print_manifest, _manifest()))
    assert ["ingested", "12,345"] in rows
    assert ["gldv2_clean", "1,200", "30", "1,000", "200"] in rows
    assert ["rgldv2_clean", "1,200", "30", "1,000", "200"] in rows


def test_answers_of_people_are_counted_in_one_line():
    answers = ManualAnswers(num_same=2, num_different=1, sha256="")
    text = _print(print_manifest, _manifest(answers=answers))
    assert f"\n{answers.describe()}\n" in text
    assert "answers" not in _print(print_manifest, _manifest())


@pytest.mark.parametrize("name", ["Saint [old] Mill", "Mill [/b]", None])
def test_a_removed_class_is_shown_with_its_name_as_it_is(name):
    removed = RemovedClass(
        landmark_id=7,
        landmark_name=name,
        images=12,
        reason="visual_majority",
        evidence="confirmed by [ana]" + " and so on" * 30,
        queries=(),
        reviewers=(),
        runner_ups=(),
    )
    text = _print(print_manifest, _manifest(removed_classes=(removed,)), width=80)
    line = f"removed class 7 ({name or 'no name'}, 12 images): {removed.evidence}\n"
    assert line in text


@pytest.mark.parametrize(
    ("stage", "reasons"),
    [
        ("ingest", [status for status in ImageStatus if status != "ok"]),
        ("clean", [reason for reason in ImageReason if reason != "verified"]),
        ("overlap", list(RemovalReason)),
    ],
)
def test_every_reason_of_a_stage_can_be_shown_most_frequent_first(stage, reasons):
    counts = {str(reason): 1000 + number for number, reason in enumerate(reasons)}
    rows = _rows(_print(print_reasons, _manifest(removed={stage: counts})))
    shown = [row[1:3] for row in rows if row[0] == stage]
    assert shown == [[name, f"{count:,}"] for name, count in reversed(counts.items())]


def test_the_status_shows_counts_and_the_first_line_of_errors():
    steps = [
        ("verify", 5, Tally(3, 1, {"pairs": 1234}, {"part-2": "ValueError: [x] bad\ntraceback"})),
        ("clean", None, Tally(0, 0, {}, {})),
    ]
    text = _print(print_status, steps)
    assert ["verify", "3", "1", "5", "pairs", "1,234"] in _rows(text)
    assert ["clean", "0", "0", "not", "known", "yet"] in _rows(text)
    assert "failed verify/part-2: ValueError: [x] bad\n" in text
    assert "traceback" not in text


def test_failures_keep_to_one_line_each():
    error = "ShardError: [x] " + "long " * 40 + "end\nmore"
    report = Report("ingest.scan", "images_000", UnitStatus.FAILED, {}, error, 0.0)
    text = _print(print_failures, [report], width=80)
    assert text == f"failed ingest.scan/images_000: {error.partition(chr(10))[0]}\n"


def _score(**clean):
    content = {
        "num_kept": 10,
        "wrong_kept": (),
        "num_wrong": 4,
        "num_correct": 12,
        "num_correct_kept": 10,
        "num_provable": 10,
        "num_provable_kept": 10,
    }
    overlap = OverlapScore((1, 2), (1, 2), (1,), (9,), (1,), ())
    return Score(CleanScore(**(content | clean)), overlap, {"a/b.jpg": "truncated"})


def test_a_score_is_shown_in_shares_and_numbers():
    text = _print(print_score, _score(num_kept=10, wrong_kept=("f" * 16,)))
    assert "90.0 % (9 of 10)" in text
    assert "83.3 % (10 of 12)" in text
    assert "1 of 4" in text
    assert "2 of 2" in text
    assert "  a/b.jpg: truncated\n" in text
    assert f"  kept with a wrong label: {'f' * 16}\n" in text


def test_a_share_of_nothing_is_no_number():
    text = _print(print_score, _score(num_kept=0, num_provable=0, num_provable_kept=0))
    assert "- (0 of 0)" in text


def test_commands_can_be_copied_whole(tmp_path):
    command = f"cleanmark emit {'x' * 120}/[run] --decisions FILE"
    text = _print(print_next, "What to do next:", [(command, "apply decisions")], width=80)
    assert text == f"What to do next:\n  {command}\n      apply decisions\n"
    assert str(tmp_path / "manifests") in where_to_look(tmp_path)
