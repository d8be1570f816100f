"""Decisions files: both formats, the latest word, and every kind of mistake."""

import csv
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.arrow_schemas import DECISIONS
from manifests.decisions import DecisionRow, DecisionsError, latest_per_reviewer, read_decisions
from manifests.parquet_io import write_rows
from manifests.rows import Decision

ROW = {
    "eval_set": "roxford5k",
    "query_id": "all_souls_000013",
    "image_id": "0123456789abcdef",
    "reviewer": "ada",
    "decision": "same",
    "decided_at": "2024-05-01T12:00:00+00:00",
    "comment": None,
}
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


def save_csv(folder, *rows, columns=tuple(ROW)):
    path = folder / "decisions.csv"
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_csv_and_parquet_say_the_same(tmp_path):
    rows = [ROW, ROW | {"decision": "unsure", "comment": 'a "quoted",\ntwo-line comment'}]
    write_rows(tmp_path / "decisions.parquet", DECISIONS, rows)
    from_csv = read_decisions(save_csv(tmp_path, *rows))
    assert from_csv == read_decisions(tmp_path / "decisions.parquet")
    assert from_csv[0] == DecisionRow(
        "roxford5k", "all_souls_000013", "0123456789abcdef", "ada", Decision.SAME, NOON, None
    )
    assert from_csv[1].comment == rows[1]["comment"]


def test_a_parquet_file_of_another_program_is_read(tmp_path):
    """It has no schema version, no comment, and real time stamps."""
    row = {key: value for key, value in ROW.items() if key != "comment"} | {"decided_at": NOON}
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "decisions.parquet")
    assert read_decisions(tmp_path / "decisions.parquet")[0].decided_at == NOON


@pytest.mark.parametrize(
    "text", ["2024-05-01T12:00:00Z", "2024-05-01 12:00", "2024-05-01T14:00:00+02:00"]
)
def test_times_are_utc(tmp_path, text):
    assert read_decisions(save_csv(tmp_path, ROW | {"decided_at": text}))[0].decided_at == NOON


def test_the_comment_column_may_be_left_out(tmp_path):
    columns = [name for name in ROW if name != "comment"]
    assert read_decisions(save_csv(tmp_path, ROW, columns=columns))[0].comment is None


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"decision": "maybe"}, "decision 'maybe' is none of same, different, unsure"),
        ({"image_id": "0123"}, "image_id '0123' is not 16"),
        ({"decided_at": "yesterday"}, "decided_at 'yesterday' is not an ISO 8601 time"),
        ({"reviewer": " "}, "reviewer is empty"),
        ({"eval_set": ""}, "eval_set is empty"),
    ],
)
def test_a_wrong_row_is_named(tmp_path, change, complaint):
    path = save_csv(tmp_path, ROW, ROW | change)
    with pytest.raises(DecisionsError, match=f"decisions.csv: row 3: {complaint}"):
        read_decisions(path)


def test_a_null_in_parquet_is_named(tmp_path):
    pq.write_table(pa.Table.from_pylist([ROW, ROW | {"decision": None}]), tmp_path / "d.parquet")
    with pytest.raises(DecisionsError, match="row 2: decision is null"):
        read_decisions(tmp_path / "d.parquet")


def test_wrong_columns_are_named(tmp_path):
    columns = ["eval_set", "query_id", "image_id", "reviewer", "decided_at", "coment"]
    with pytest.raises(DecisionsError, match=r"missing: \['decision'\], unknown.*\['coment'\]"):
        read_decisions(save_csv(tmp_path, columns=columns))
    with pytest.raises(DecisionsError, match=r"repeated: \['comment'\]"):
        read_decisions(save_csv(tmp_path, columns=[*ROW, "comment"]))


def test_an_unquoted_comma_is_named(tmp_path):
    path = save_csv(tmp_path, ROW)
    path.write_text(path.read_text() + "\na,b,c\n")
    with pytest.raises(DecisionsError, match="row 4: 3 fields, the header has 7"):
        read_decisions(path)


@pytest.mark.parametrize("name", ["d.csv", "d.parquet"])
def test_missing_and_unreadable_files_are_named(tmp_path, name):
    with pytest.raises(DecisionsError, match="no such file"):
        read_decisions(tmp_path / name)
    (tmp_path / name).write_bytes(b"\xff\xfe nonsense")
    with pytest.raises(DecisionsError, match=r"d\.\w+: not readable as (CSV|Parquet)"):
        read_decisions(tmp_path / name)


def decide(reviewer="ada", hour=12, decision=Decision.SAME, query_id="q"):
    time = datetime(2024, 5, 1, hour, tzinfo=UTC)
    return DecisionRow("set", query_id, "0" * 16, reviewer, decision, time, None)


def test_the_later_time_wins_and_reviewers_do_not_replace_each_other():
    late, early, other = decide(hour=13), decide(decision=Decision.UNSURE), decide("bob")
    assert latest_per_reviewer([late, early, other]) == [late, other]


def test_at_the_same_time_the_later_row_wins():
    first, second = decide(), decide(decision=Decision.DIFFERENT)
    assert latest_per_reviewer([first, second]) == [second]


DECISION_ROWS = st.builds(
    decide,
    st.sampled_from("abc"),
    st.integers(0, 3),
    st.sampled_from(Decision),
    st.sampled_from("qr"),
)


@given(st.lists(DECISION_ROWS))
def test_each_candidate_keeps_one_word_of_each_reviewer(rows):
    kept = latest_per_reviewer(rows)
    assert [row.key for row in kept] == sorted({row.key for row in rows})
    for row in kept:
        assert row.decided_at == max(r.decided_at for r in rows if r.key == row.key)
    assert latest_per_reviewer(kept) == kept


def test_ids_of_other_lists_are_taken_when_they_are_expected(tmp_path):
    path = save_csv(tmp_path, ROW | {"image_id": "gate/1.jpg"})
    with pytest.raises(DecisionsError, match=r"row 2: image_id 'gate/1\.jpg' is not 16"):
        read_decisions(path)
    (row,) = read_decisions(path, any_image_id=True)
    assert row.image_id == "gate/1.jpg"
    with pytest.raises(DecisionsError, match="row 2: image_id is empty"):
        read_decisions(save_csv(tmp_path, ROW | {"image_id": ""}), any_image_id=True)
