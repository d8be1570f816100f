"""Which samples of GLDv2's own shards belong to a split, for readers of WebDataset.

GLDv2's shards are tar files that WebDataset reads as they are: the key of a sample is the name of
its member without the suffix. What they lack is the label, and a word on which samples to take.
"""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from manifests.atomic import write_text
from manifests.exports.columns import KEPT_SPLITS
from manifests.exports.hugging_face import ExportedRelease, ExportedSplit
from manifests.input_error import InputError

_FOLDER = "webdataset"
_COLUMNS = ["shard", "member", "label", "offset", "num_bytes"]


def write_webdataset_index(exported: ExportedRelease) -> None:
    """Write `SPLIT.json`, the shards with their numbers of samples, and `SPLIT.csv`, the samples.

    The samples come in the order in which they lie in the shards.

    Raises:
        InputError: the manifests were made from lists alone, which do not say where images are.
    """
    for split in exported.written_splits:
        if split.name in KEPT_SPLITS:
            _write_split(exported, split)


def _write_split(exported: ExportedRelease, split: ExportedSplit) -> None:
    folder = exported.root / _FOLDER / exported.policy
    folder.mkdir(parents=True, exist_ok=True)
    rows = pa.concat_tables(exported.read_parts(split.name, _COLUMNS))
    if rows["shard"].null_count:
        raise InputError(
            f"{exported.release.path}: does not say in which shards the images are, which "
            "a WebDataset index needs; export a run, or leave webdataset out of --format"
        )
    # A path of a shard stands for thousands of samples.
    rows = rows.set_column(0, "shard", rows["shard"].dictionary_encode())
    shards = rows["shard"].value_counts()
    sizes = dict(
        zip(shards.field("values").to_pylist(), shards.field("counts").to_pylist(), strict=True)
    )
    index = {
        "name": f"{exported.policy}/{split.name}",
        "num_samples": split.num_images,
        "samples": f"{split.name}.csv",
        "shardlist": [{"url": shard, "nsamples": sizes[shard]} for shard in sorted(sizes)],
    }
    write_text(folder / f"{split.name}.json", json.dumps(index, indent=1) + "\n")
    _write_samples(folder / f"{split.name}.csv", rows)


def _write_samples(path: Path, rows: pa.Table) -> None:
    rows = rows.set_column(0, "shard", rows["shard"].cast(pa.string()))
    rows = rows.sort_by([("shard", "ascending"), ("offset", "ascending")])
    keys = pc.replace_substring_regex(rows["member"], r"\.[^./]*$", "")
    columns = {"shard": rows["shard"], "key": keys}
    columns |= {name: rows[name] for name in ("label", "offset", "num_bytes")}
    options = arrow_csv.WriteOptions(quoting_style="needed")
    arrow_csv.write_csv(pa.table(columns), path, write_options=options)
