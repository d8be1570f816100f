import csv
import hashlib
from itertools import permutations

import pytest

from manifests.arrow_schemas import DECISIONS
from manifests.decisions import DecisionsError
from manifests.parquet_io import write_rows
from manifests.rows import Decision
from pipelines.decision_log import current_decisions, decision_parts, import_decisions

HEADER = ("eval_set", "query_id", "image_id", "reviewer", "decision", "decided_at")
NOON, LATER = "2026-05-01T12:00:00Z", "2026-05-01T12:00:01Z"


def _row(decision, decided_at=NOON, reviewer="ana", image="0"):
    return ("mini", "query_1", image * 16, reviewer, decision, decided_at)


def _write(path, *rows, header=HEADER):
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([header, *rows])
    return path


def _answers(run_dir):
    return [(row.reviewer, row.image_id[0], row.decision) for row in current_decisions(run_dir)]


def _digests(run_dir):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in decision_parts(run_dir)}


def test_a_run_without_decisions_has_none(tmp_path):
    assert decision_parts(tmp_path) == []
    assert current_decisions(tmp_path) == []


def test_every_column_survives(tmp_path):
    header = (*HEADER, "comment")
    row = (*_row("unsure", "2026-05-01T14:00:00+02:00"), "Zwei Türme, [sic]")
    import_decisions(tmp_path, _write(tmp_path / "a.csv", row, header=header))
    (found,) = current_decisions(tmp_path)
    assert found.key == ("mini", "query_1", "0" * 16, "ana")
    assert found.decision is Decision.UNSURE
    assert found.decided_at.isoformat() == "2026-05-01T12:00:00+00:00"
    assert found.comment == "Zwei Türme, [sic]"


def test_files_are_added_and_never_changed(tmp_path):
    seen = {}
    for number in range(12):
        source = _write(tmp_path / "a.csv", _row("same", reviewer=f"r{number:02d}"))
        part = import_decisions(tmp_path, source)
        found = _digests(tmp_path)
        assert found.items() > seen.items()
        assert found.keys() - seen.keys() == {part.name}
        seen = found
    assert [name for name, _, _ in _answers(tmp_path)] == [f"r{n:02d}" for n in range(12)]


def test_the_same_file_twice_counts_once(tmp_path):
    first = _write(tmp_path / "a.csv", _row("same"))
    second = _write(tmp_path / "b.csv", _row("different"))
    part = import_decisions(tmp_path, first)
    import_decisions(tmp_path, second)
    renamed = first.rename(tmp_path / "renamed.csv")
    assert import_decisions(tmp_path, renamed) == part
    assert len(decision_parts(tmp_path)) == 2
    assert _answers(tmp_path) == [("ana", "0", Decision.DIFFERENT)]


def test_of_equal_times_the_file_added_later_counts(tmp_path):
    for number, decision in enumerate(("same", "different", "unsure")):
        import_decisions(tmp_path, _write(tmp_path / f"{number}.csv", _row(decision)))
        assert _answers(tmp_path) == [("ana", "0", Decision(decision))]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_later_time_counts_in_whatever_order_the_files_come(tmp_path, order):
    rows = [_row("same"), _row("different", LATER), _row("unsure", "2026-04-30T23:00:00Z")]
    for number in order:
        import_decisions(tmp_path, _write(tmp_path / f"{number}.csv", rows[number]))
    assert _answers(tmp_path) == [("ana", "0", Decision.DIFFERENT)]


def test_reviewers_and_images_are_kept_apart(tmp_path):
    import_decisions(
        tmp_path,
        _write(
            tmp_path / "a.csv", _row("same"), _row("same", reviewer="bo"), _row("same", image="1")
        ),
    )
    import_decisions(tmp_path, _write(tmp_path / "b.csv", _row("different", reviewer="bo")))
    assert _answers(tmp_path) == [
        ("ana", "0", Decision.SAME),
        ("bo", "0", Decision.DIFFERENT),
        ("ana", "1", Decision.SAME),
    ]


def test_a_parquet_file_says_the_same_as_csv(tmp_path):
    row = dict(zip(HEADER, _row("same"), strict=True)) | {"comment": None}
    write_rows(tmp_path / "a.parquet", DECISIONS, [row])
    import_decisions(tmp_path / "parquet", tmp_path / "a.parquet")
    import_decisions(tmp_path / "csv", _write(tmp_path / "a.csv", _row("same")))
    assert current_decisions(tmp_path / "parquet") == current_decisions(tmp_path / "csv")


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ([_row("same"), _row("perhaps")], r"bad\.csv: row 3: decision 'perhaps' is none of same"),
        ([_row("same"), _row("same", "yesterday")], r"bad\.csv: row 3: decided_at 'yesterday'"),
        ([_row("same"), _row("same", image="g")], r"bad\.csv: row 3: image_id"),
        ([_row("same"), _row("same")[:5]], r"bad\.csv: row 3: 5 fields, the header has 6"),
    ],
)
def test_a_file_with_a_bad_row_leaves_nothing(tmp_path, rows, complaint):
    import_decisions(tmp_path, _write(tmp_path / "good.csv", _row("same")))
    before = _digests(tmp_path)
    with pytest.raises(DecisionsError, match=complaint):
        import_decisions(tmp_path, _write(tmp_path / "bad.csv", *rows))
    assert _digests(tmp_path) == before


def test_a_missing_file_does_not_even_make_the_folder(tmp_path):
    with pytest.raises(DecisionsError, match=r"none\.csv: no such file"):
        import_decisions(tmp_path, tmp_path / "none.csv")
    assert list(tmp_path.iterdir()) == []


def test_what_an_interrupted_import_leaves_is_not_read(tmp_path):
    part = import_decisions(tmp_path, _write(tmp_path / "a.csv", _row("same")))
    part.with_name(f".{part.name}.0a1b2c3d.part").write_bytes(b"half")
    assert decision_parts(tmp_path) == [part]
