from pathlib import Path

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from manifests.arrow_schemas import DIFFERENCES
from manifests.image_lists import ImageList, ListKind
from manifests.list_differences import CAUSES, Cause, compare_lists

LISTS = st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from(["1", "2", "47378"]))


def _list(images, removed=()):
    columns = ("image_id", "stage", "reason", "evidence")
    rows = [dict(zip(columns, row, strict=True)) for row in removed]
    schema = pa.schema([(name, pa.string()) for name in columns])
    table = {"image_id": list(images), "label": list(images.values())}
    labelled = pa.table(table, pa.schema([("image_id", pa.string()), ("label", pa.string())]))
    return ImageList(Path("x"), ListKind.PARQUET, labelled, pa.Table.from_pylist(rows, schema))


def _compare(a, b, removed=()):
    rows = compare_lists(_list(a), _list(b, removed)).to_pylist()
    return {row.pop("image_id"): tuple(row.values()) for row in rows}


def test_equal_lists_do_not_differ():
    assert _compare({"a": "1"}, {"a": "1"}) == {}


def test_what_the_other_list_removed_it_explains():
    found = _compare({"a": "1", "b": "1"}, {"b": "1"}, [("a", "clean", "no_features", "")])
    assert found == {"a": ("1", None, Cause.REMOVED_THERE, "clean: no_features")}


def test_a_published_class_that_is_wholly_gone_is_named():
    found = _compare({"a": "47378", "b": "1"}, {"b": "1"})
    assert found == {"a": ("47378", None, Cause.PUBLISHED_OVERLAP, "Song et al. 2024, Table A12")}


def test_one_image_of_a_published_class_is_not_explained_by_the_paper():
    found = _compare({"a": "47378", "b": "47378"}, {"b": "47378"})
    assert found == {"a": ("47378", None, Cause.UNEXPLAINED, None)}


def test_other_classes_and_other_labels():
    found = _compare({"a": "1", "b": "2"}, {"b": "3", "c": "4"})
    assert found == {
        "a": ("1", None, Cause.CLASS_MISSING, None),
        "b": ("2", "3", Cause.OTHER_LABEL, None),
        "c": (None, "4", Cause.CLASS_MISSING, None),
    }


@given(LISTS, LISTS)
def test_exactly_the_images_that_differ_are_listed(a, b):
    found = compare_lists(_list(a), _list(b))
    assert found.schema.names == DIFFERENCES.schema.names
    labels = {i: (la, lb) for i, la, lb, *_ in (row.values() for row in found.to_pylist())}
    differ = {i for i in a.keys() | b.keys() if a.get(i) != b.get(i)}
    assert labels == {i: (a.get(i), b.get(i)) for i in differ}
    assert found["cause"].null_count == 0


@given(LISTS, LISTS)
def test_the_order_of_the_lists_only_swaps_the_columns(a, b):
    there, back = (compare_lists(_list(x), _list(y)).to_pylist() for x, y in ((a, b), (b, a)))
    swapped = [row | {"label_a": row["label_b"], "label_b": row["label_a"]} for row in back]
    assert there == swapped


def test_every_cause_has_a_meaning():
    assert set(CAUSES) == set(Cause)
