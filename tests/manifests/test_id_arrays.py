import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.id_arrays import IdIndex, encode_ids, list_ids, pack_ids, unpack_ids

# A zero byte at the end would be lost: no file has a name with one.
TEXTS = st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=6)


@given(st.lists(TEXTS))
def test_ids_come_back_as_they_were(texts):
    packed = pack_ids(pa.array(texts, pa.string()))
    assert list_ids(packed) == texts
    assert unpack_ids(packed).to_pylist() == texts
    assert unpack_ids(packed).type == pa.string()
    assert np.array_equal(packed, encode_ids(texts))


@given(st.lists(st.integers(0, 2**64 - 1)), st.integers(0, 5), st.integers(0, 5))
def test_pieces_and_slices_of_columns_are_packed_as_wholes(numbers, start, cut):
    texts = [f"{number:016x}" for number in numbers]
    pieces = [pa.array(texts[:cut], pa.string()), pa.array(texts[cut:], pa.string())]
    column = pa.chunked_array(pieces).slice(start)
    assert list_ids(pack_ids(column)) == texts[start:]


@given(st.lists(TEXTS, unique=True), st.lists(TEXTS))
def test_an_index_finds_what_a_dictionary_finds(texts, wanted):
    index = IdIndex.build(encode_ids(texts))
    rows = {text: row for row, text in enumerate(texts)}
    asked = [*wanted, *texts[:3]]
    assert index.find(encode_ids(asked)).tolist() == [rows.get(text, -1) for text in asked]
    for text in asked[:2]:
        assert index.find_one(text) == rows.get(text, -1)


@given(st.lists(TEXTS))
def test_arrays_of_ids_are_ordered_as_strings_are(texts):
    assert list_ids(np.sort(encode_ids(texts))) == sorted(texts)


def test_of_equal_ids_the_last_counts():
    index = IdIndex.build(encode_ids(["b", "a", "b"]))
    assert index.find_one("b") == 2
    assert len(index.ids) == 2


@pytest.mark.parametrize("count", [0, 1])
def test_what_is_looked_up_in_nothing_is_not_found(count):
    assert IdIndex.build(encode_ids([])).find(encode_ids(["a"] * count)).tolist() == [-1] * count
