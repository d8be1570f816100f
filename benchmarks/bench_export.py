"""`cleanmark export` and `cleanmark forget` at the true size of GLDv2-clean.

Draws a list with the published totals, with addresses and rights, into a temporary folder, makes
the cleaned split of it, and exports that: all formats, and beside it a plain pandas script that
writes the same Parquet files, attribution and lists. Each in a process of its own: seconds,
processor seconds and peak memory, of which the imports alone take what `nothing` takes.

    .venv/bin/python benchmarks/bench_export.py > export.json
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from published_lists import draw_class_sizes, write_published_list
from separate_processes import PREPARE, run_ways

from cleanmark.export import export
from cleanmark.rgldv2 import Lists, rebuild_rgldv2_clean
from manifests.gldv2_csv import read_train_clean_table
from manifests.tombstones import forget_images

MAX_PART_ROWS = 200_000
PART = "rgldv2/rgldv2_clean/part-00000.parquet"


def do_nothing(folder: Path) -> None:
    """What the imports take."""


def export_all(folder: Path) -> None:
    export(folder / "rgldv2", folder / "export")


def export_with_pandas(folder: Path) -> None:
    out = folder / "pandas"
    out.mkdir()
    rows = pd.read_parquet(folder / PART).sort_values("image_id")
    rows["id"] = rows["image_id"]
    rows["image_id"] = "gldv2:train:" + rows["id"]
    rows[["image_id", "source_url", "author", "license", "title"]].to_parquet(out / "rights")
    for split, part in rows.groupby("split"):
        count = -(-len(part) // MAX_PART_ROWS)
        for number, places in enumerate(np.array_split(np.arange(len(part)), count)):
            part.iloc[places].to_parquet(out / f"{split}-{number}.parquet", compression="zstd")
        part[["member", "class_index"]].to_csv(out / f"{split}.txt", sep=" ", index=False)
    rows.groupby("landmark_id")["id"].agg(" ".join).to_csv(out / "train_clean.csv")


def forget_one(folder: Path) -> None:
    rows = pd.read_parquet(folder / PART, columns=["image_id"])
    forget_images(folder / "rgldv2", folder / "forgotten", [rows["image_id"].iloc[0]])


def prepare(folder: Path) -> None:
    rebuild_rgldv2_clean(write_lists(folder), folder / "rgldv2")


WAYS = {
    PREPARE: prepare,
    "nothing": do_nothing,
    "export": export_all,
    "pandas": export_with_pandas,
    "forget": forget_one,
}


def write_lists(folder: Path) -> Lists:
    """GLDv2's lists at their true size; of one image in a hundred the rights are not known."""
    lists = Lists(
        *(folder / name for name in ("clean.csv", "names.csv", "train.csv", "rights.csv"))
    )
    write_published_list(lists.train_clean, draw_class_sizes())
    images = read_train_clean_table(lists.train_clean).to_pandas()
    images = images.rename(columns={"image_id": "id"})
    images["url"] = "https://upload.wikimedia.org/wikipedia/commons/A_photograph_" + images["id"]
    images[["id", "url", "landmark_id"]].to_csv(lists.train, index=False)
    images["author"] = "Author " + (images.index % 5000).astype(str)
    images["license"] = "https://creativecommons.org/licenses/by/3.0/"
    images["title"] = "File:A photograph " + images["id"] + ".jpg"
    rights = images.loc[images.index % 100 > 0, ["id", "url", "author", "license", "title"]]
    rights.to_csv(lists.attribution, index=False)
    classes = images[["landmark_id"]].drop_duplicates()
    category = "http://commons.wikimedia.org/wiki/Category:Landmark_"
    classes["category"] = category + classes["landmark_id"].astype(str)
    classes.to_csv(lists.categories, index=False)
    return lists


def main() -> None:
    print(json.dumps(run_ways(__file__, __doc__, WAYS), indent=1))


if __name__ == "__main__":
    main()
