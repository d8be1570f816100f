from itertools import combinations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.id_arrays import encode_ids
from manifests.rows import PairVerdict
from pipelines.manual_verdicts import ManualVerdicts

THRESHOLD = 30
PAIRS = list(combinations("abcde", 2))


def _table(rows):
    """Rows of ids, inliers and verdict."""
    columns = list(zip(*rows, strict=True)) or [()] * 4
    names = ("image_id_a", "image_id_b", "num_inliers", "verdict")
    types = (pa.string(), pa.string(), pa.int32(), pa.string())
    arrays = [pa.array(c, t) for c, t in zip(columns, types, strict=True)]
    return pa.table(dict(zip(names, arrays, strict=True)))


def _overrule(row, answers):
    """One row on which people may have answered, by the rule as it is written down."""
    a, b, num_inliers, verdict = row
    answer = answers.get((a, b))
    if answer == "different":
        return a, b, num_inliers, "rejected"
    if answer == "same" and verdict != "duplicate":
        return a, b, max(num_inliers, THRESHOLD), "verified"
    return row


@given(
    st.lists(
        st.tuples(
            st.sampled_from(PAIRS), st.integers(0, 60), st.sampled_from([*map(str, PairVerdict)])
        ),
        unique_by=lambda row: row[0],
    ),
    st.dictionaries(st.sampled_from(PAIRS), st.sampled_from(["same", "different"])),
)
def test_answers_stand_in_for_verdicts(found, answers):
    rows = [(*pair, num_inliers, verdict) for pair, num_inliers, verdict in found]
    matches = _table(rows)
    manual = ManualVerdicts([(*pair, answer) for pair, answer in answers.items()], THRESHOLD)
    overruled = manual.overrule(matches)
    assert overruled.schema == matches.schema
    assert [tuple(row.values()) for row in overruled.to_pylist()] == [
        _overrule(row, answers) for row in rows
    ]
    is_answered = [pair in answers for pair, _, _ in found]
    assert manual.find_answered(matches).to_pylist() == is_answered


def test_without_answers_the_table_is_the_same_object():
    matches = _table([("a", "b", 3, "rejected")])
    assert ManualVerdicts().overrule(matches) is matches


@pytest.mark.parametrize("chunks", [1, 3])
def test_rows_may_lie_in_several_chunks(chunks):
    rows = [(*pair, 5, "rejected") for pair in PAIRS]
    matches = pa.concat_tables(_table(rows[number::chunks]) for number in range(chunks))
    manual = ManualVerdicts([("b", "d", "same")], THRESHOLD)
    verified = [
        (row["image_id_a"], row["image_id_b"])
        for row in manual.overrule(matches).to_pylist()
        if row["verdict"] == "verified"
    ]
    assert verified == [("b", "d")]


def test_the_answer_same_vouches_for_both_images_and_different_for_none():
    manual = ManualVerdicts([("a", "bb", "same"), ("c", "d", "different")], THRESHOLD)
    ids = encode_ids(["a", "b", "bb", "c", "d"])
    np.testing.assert_array_equal(manual.vouches_for(ids), [True, False, True, False, False])
    assert not ManualVerdicts().vouches_for(ids).any()
