"""The join of GLDv2's lists at their true size, beside the same join in plain pandas.

Writes CSV files of the true number of rows into a temporary folder, then joins them to the files of
500 shards, each way in a process of its own: seconds and peak memory.

    .venv/bin/python benchmarks/bench_metadata.py [--rows N] > metadata.json
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as arrow_csv
from separate_processes import PREPARE, compare_ways, measure_process

from manifests.gldv2_metadata import format_ids, parse_ids, read_lists

NUM_IMAGES, NUM_CLASSES, NUM_SHARDS = 4_132_914, 203_094, 500


def write_lists(folder: Path, num_rows: int) -> None:
    rng = np.random.default_rng(0)
    keys = np.unique(rng.integers(0, 2**64 - 1, num_rows, dtype=np.uint64))
    ids = format_ids(rng.permutation(keys))
    classes = rng.integers(0, NUM_CLASSES, len(ids))
    urls = pa.array(
        [
            f"https://upload.wikimedia.org/wikipedia/commons/a/ab/Photo_{n}.jpg"
            for n in range(len(ids))
        ]
    )
    train = pa.table({"id": ids, "url": urls, "landmark_id": classes})
    arrow_csv.write_csv(train, folder / "train.csv")
    rights = pa.table(
        {
            "id": ids,
            "url": urls,
            "author": pa.array([f"Author {n % 99_991}" for n in range(len(ids))]),
            "license": pa.array(["https://creativecommons.org/licenses/by/3.0/"] * len(ids)),
            "title": pa.array([f"File:A photograph, number {n}.jpg" for n in range(len(ids))]),
        }
    )
    arrow_csv.write_csv(rights, folder / "train_attribution.csv")
    named = {
        "landmark_id": np.arange(NUM_CLASSES),
        "category": [
            f"http://commons.wikimedia.org/wiki/Category:Place_{n}" for n in range(NUM_CLASSES)
        ],
    }
    arrow_csv.write_csv(pa.table(named), folder / "train_label_to_category.csv")
    np.save(folder / "seen.npy", rng.permutation(parse_ids(ids)[0]))


def join_ours(folder: Path) -> int:
    lists = read_lists(
        folder / "train.csv",
        folder / "train_attribution.csv",
        folder / "train_label_to_category.csv",
    )
    return sum(
        lists.look_up(format_ids(shard))["landmark_id"].null_count == 0
        for shard in np.array_split(np.load(folder / "seen.npy"), NUM_SHARDS)
    )


def join_pandas(folder: Path) -> int:
    train = pd.read_csv(folder / "train.csv")
    rights = pd.read_csv(folder / "train_attribution.csv").drop(columns="url")
    names = pd.read_csv(folder / "train_label_to_category.csv")
    table = train.merge(rights, on="id", how="left").merge(names, on="landmark_id", how="left")
    table = table.set_index("id")
    return sum(
        int(table.loc[format_ids(shard).to_pylist(), "landmark_id"].isna().sum()) == 0
        for shard in np.array_split(np.load(folder / "seen.npy"), NUM_SHARDS)
    )


WAYS = {"ours": join_ours, "pandas": join_pandas}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=NUM_IMAGES)
    parser.add_argument("--way", choices=[PREPARE, *WAYS], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    ways = {PREPARE: lambda folder: write_lists(folder, arguments.rows), **WAYS}
    if arguments.way:
        print(json.dumps(measure_process(lambda: ways[arguments.way](arguments.folder))))
        return
    with tempfile.TemporaryDirectory() as folder:
        results = compare_ways(__file__, ways, folder, "--rows", str(arguments.rows))
        print(json.dumps({"rows": arguments.rows, **results}, indent=1))


if __name__ == "__main__":
    main()
