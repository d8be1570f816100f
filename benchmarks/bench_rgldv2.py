"""`cleanmark rgldv2` at the true size of GLDv2-clean, beside a plain pandas script.

Draws a list with the published totals into a temporary folder, then makes the cleaned split from
it, each way in a process of its own: seconds, processor seconds and peak memory.

    .venv/bin/python benchmarks/bench_rgldv2.py > rgldv2.json
"""

import hashlib
import json
from pathlib import Path

import pandas as pd
from published_lists import draw_class_sizes, write_published_list
from separate_processes import PREPARE, run_ways

from cleanmark.rgldv2 import Lists, rebuild_rgldv2_clean
from manifests.reference.published_removal import read_published_classes


def make_ours(folder: Path) -> int:
    return rebuild_rgldv2_clean(Lists(folder / "train_clean.csv"), folder / "ours").counts.images


def make_pandas(folder: Path) -> int:
    """Classes out, class numbers, the same choice of validation images, Parquet and CSV."""
    out = folder / "pandas"
    out.mkdir()
    classes = pd.read_csv(folder / "train_clean.csv")
    gone = classes["landmark_id"].isin([c.landmark_id for c in read_published_classes()])
    kept = classes[~gone].sort_values("landmark_id")
    kept.to_csv(out / "train_clean.csv", index=False)
    for name, part in (("rgldv2_clean", kept), ("removed", classes[gone])):
        images = part.assign(image_id=part["images"].str.split()).explode("image_id")
        images = images.drop(columns="images").sort_values("image_id")
        if name == "rgldv2_clean":
            images["class_index"] = images["landmark_id"].rank(method="dense").astype("int32") - 1
            ids = images["image_id"]
            images["rank"] = [hashlib.sha256(f"0:{i}".encode()).hexdigest() for i in ids]
            place = images.groupby("landmark_id")["rank"].rank(method="first")
            size = images.groupby("landmark_id")["image_id"].transform("size")
            held_out = place <= (0.2 * size).astype(int).clip(lower=1)
            images["split"] = held_out.map({True: "val", False: "train"})
            images["member"] = ids.str[0] + "/" + ids.str[1] + "/" + ids.str[2] + "/" + ids + ".jpg"
            images = images.drop(columns="rank")
            num_kept = len(images)
        images.to_parquet(out / f"{name}.parquet", index=False)
    return num_kept


def draw_list(folder: Path) -> None:
    write_published_list(folder / "train_clean.csv", draw_class_sizes())


WAYS = {PREPARE: draw_list, "ours": make_ours, "pandas": make_pandas}


def main() -> None:
    print(json.dumps(run_ways(__file__, __doc__, WAYS), indent=1))


if __name__ == "__main__":
    main()
