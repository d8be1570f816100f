"""The table of images that open-metric-learning reads (`df.csv`)."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from manifests.exports.columns import SplitName
from manifests.exports.hugging_face import ExportedRelease
from manifests.exports.lists import compat_folder

COLUMNS = ("label", "path", "split", "is_query", "is_gallery", "category")
_CATEGORY = "landmark"
"""Groups labels for metrics of their own; a group for each landmark would say nothing."""
_SCHEMA = pa.schema([(name, pa.int32() if name == "label" else pa.string()) for name in COLUMNS])


def write_metric_learning_table(exported: ExportedRelease) -> Path:
    """Write a row for every kept image, `path` being relative to the unpacked shards.

    Training images are neither query nor gallery. Of the images that validate, all are gallery;
    queries are those whose class has another one, as a query must have something to find.
    """
    path = compat_folder(exported) / "df.csv"
    has_partner = _count_validation(exported) > 1
    options = arrow_csv.WriteOptions(quoting_style="needed")
    with arrow_csv.CSVWriter(path, _SCHEMA, write_options=options) as writer:
        for split in (SplitName.TRAIN, SplitName.VALIDATION):
            for part in exported.read_parts(split, ["label", "member"]):
                writer.write_table(_as_rows(part, split, has_partner))
    return path


def _count_validation(exported: ExportedRelease) -> np.ndarray:
    """Images that validate, int64 (C,), by label."""
    counts = np.zeros(0, np.int64)
    for part in exported.read_parts(SplitName.VALIDATION, ["label"]):
        found = np.bincount(part["label"].to_numpy(), minlength=len(counts))
        found[: len(counts)] += counts
        counts = found
    return counts


def _as_rows(part: pa.Table, split: SplitName, has_partner: np.ndarray) -> pa.Table:
    size = len(part)
    if split is SplitName.TRAIN:
        is_query = is_gallery = pa.nulls(size, pa.string())
    else:
        is_query = pc.if_else(pa.array(has_partner[part["label"].to_numpy()]), "True", "False")
        is_gallery = pa.repeat("True", size)
    columns = [
        part["label"],
        part["member"],
        pa.repeat(split.value, size),
        is_query,
        is_gallery,
        pa.repeat(_CATEGORY, size),
    ]
    return pa.table(columns, schema=_SCHEMA)
