import pyarrow as pa
import pyarrow.dataset as ds
from hypothesis import given
from hypothesis import strategies as st

from manifests.exports.id_ranges import cut_ids

ids = st.lists(st.text("0123456789abcdef", min_size=1, max_size=3))


def _cut(texts, max_rows):
    column = pa.chunked_array([pa.array(texts, pa.string())])
    rows = ds.dataset(pa.table({"id": column}))
    ranges = cut_ids(column, max_rows)
    return [rows.to_table(filter=r.as_filter("id"))["id"].to_pylist() for r in ranges]


@given(ids, st.integers(1, 5))
def test_every_id_is_in_exactly_one_range_and_ranges_ascend(texts, max_rows):
    parts = _cut(texts, max_rows)
    assert sorted(i for part in parts for i in part) == sorted(texts)
    assert [i for part in parts for i in sorted(part)] == sorted(texts)


@given(st.sets(st.text("0123456789abcdef", min_size=1, max_size=3)), st.integers(1, 5))
def test_distinct_ids_give_few_ranges_of_bounded_size(texts, max_rows):
    sizes = [len(part) for part in _cut(sorted(texts), max_rows)]
    assert len(sizes) == -(-len(texts) // max_rows)
    assert all(0 < size <= max_rows for size in sizes)


@given(ids, st.randoms(use_true_random=False))
def test_the_order_of_the_ids_does_not_matter(texts, rng):
    shuffled = rng.sample(texts, len(texts))
    assert cut_ids(_column(texts), 3) == cut_ids(_column(shuffled), 3)


def _column(texts):
    return pa.chunked_array([pa.array(texts, pa.string())])
