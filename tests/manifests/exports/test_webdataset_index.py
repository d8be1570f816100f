import csv
import json

import pyarrow as pa
import pytest
from small_manifests import open_small_release

from manifests.exports.columns import EXPORTED, SplitName
from manifests.exports.hugging_face import write_release
from manifests.exports.webdataset_index import write_webdataset_index
from manifests.input_error import InputError
from manifests.parquet_io import read_table, write_table


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    root = tmp_path_factory.mktemp("webdataset")
    exported = write_release(root, open_small_release(root), max_rows=3)
    write_webdataset_index(exported)
    return exported


def _read(exported, split):
    folder = exported.root / "webdataset" / "paper"
    index = json.loads((folder / f"{split}.json").read_text())
    with (folder / index["samples"]).open(newline="") as stream:
        return index, list(csv.DictReader(stream))


@pytest.mark.parametrize("split", [SplitName.TRAIN, SplitName.VALIDATION])
def test_every_image_of_the_split_is_a_sample_with_its_label(exported, split):
    _, samples = _read(exported, split)
    columns = ["shard", "member", "label", "offset", "num_bytes"]
    rows = [row for part in exported.read_parts(split, columns) for row in part.to_pylist()]
    expected = {
        row["member"].removesuffix(".jpg"): (row["shard"], str(row["label"]), str(row["offset"]))
        for row in rows
    }
    found = {s["key"]: (s["shard"], s["label"], s["offset"]) for s in samples}
    assert found == expected
    assert not any("." in key for key in found)


@pytest.mark.parametrize("split", [SplitName.TRAIN, SplitName.VALIDATION])
def test_samples_come_in_the_order_of_the_shards_and_are_counted(exported, split):
    index, samples = _read(exported, split)
    places = [(sample["shard"], int(sample["offset"])) for sample in samples]
    assert places == sorted(places)
    counted = {entry["url"]: entry["nsamples"] for entry in index["shardlist"]}
    shards = [shard for shard, _ in places]
    assert counted == {shard: shards.count(shard) for shard in shards}
    assert index["num_samples"] == len(samples)


def test_there_is_no_index_of_what_was_removed(exported):
    names = {path.stem for path in (exported.root / "webdataset" / "paper").iterdir()}
    assert names == {"train", "validation"}


def test_without_shards_it_is_refused_with_a_remedy(tmp_path):
    exported = write_release(tmp_path, open_small_release(tmp_path))
    for file in exported.find(SplitName.TRAIN).files:
        rows = read_table(tmp_path / file, EXPORTED)
        place = rows.schema.get_field_index("shard")
        nothing = pa.nulls(len(rows), pa.string())
        write_table(tmp_path / file, EXPORTED, rows.set_column(place, "shard", nothing))
    with pytest.raises(InputError, match=r"which a WebDataset index needs.*--format"):
        write_webdataset_index(exported)
