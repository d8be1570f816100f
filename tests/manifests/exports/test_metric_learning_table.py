import pandas as pd
import pyarrow as pa
import pytest
from small_manifests import KEPT, open_small_release

from manifests.exports.columns import EXPORTED, SplitName
from manifests.exports.hugging_face import ExportedRelease, ExportedSplit, write_release
from manifests.exports.metric_learning_table import write_metric_learning_table
from manifests.parquet_io import write_table

COLUMNS = ["label", "path", "split", "is_query", "is_gallery", "category"]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    root = tmp_path_factory.mktemp("oml")
    return write_release(root, open_small_release(root), max_rows=3)


def test_pandas_reads_what_open_metric_learning_asks_for(exported):
    table = pd.read_csv(write_metric_learning_table(exported))
    assert list(table.columns) == COLUMNS
    assert len(table) == sum(map(len, KEPT.values()))
    train, val = (table[table["split"] == name] for name in ("train", "validation"))
    assert len(train) + len(val) == len(table)
    assert train[["is_query", "is_gallery"]].isna().all(axis=None)
    # As booleans: the word False would count as true.
    assert {type(value) for value in val["is_query"]} == {bool}
    assert set(val["is_gallery"]) == {True}
    assert set(table.groupby("label")["category"].nunique()) == {1}


def test_a_query_has_something_to_find(exported, tmp_path):
    images = {0: ["a", "b"], 1: ["c"], 2: ["d", "e", "f"]}
    labels = [(label, name) for label, names in images.items() for name in names]
    path = write_metric_learning_table(_validation_only(exported, tmp_path, labels))
    table = pd.read_csv(path).set_index("path")
    assert {name for name in table.index if table.loc[name, "is_query"]} == set("abdef")
    gallery = table[table["is_gallery"]]
    for name, row in table[table["is_query"]].iterrows():
        assert (gallery.drop(index=name)["label"] == row["label"]).any()


def _validation_only(exported, root, labels):
    rows = pa.Table.from_pylist(
        [
            dict.fromkeys(EXPORTED.schema.names)
            | {"label": label, "member": name, "id": name, "image_id": name}
            | dict.fromkeys(("split", "decision", "reason_code", "policy_id"), "")
            for label, name in labels
        ],
        EXPORTED.schema,
    )
    write_table(root / "part", EXPORTED, rows)
    empty = [ExportedSplit(name, (), 0, 0, 0) for name in SplitName if name != "validation"]
    split = ExportedSplit(SplitName.VALIDATION, ("part",), len(rows), 3, 0)
    return ExportedRelease(root, exported.release, (*empty, split))
