"""The export as mlcroissant validates and streams it, from the folder alone."""

import hashlib
import json
import sys
from datetime import date

import pytest
from small_manifests import IDS, KEPT, NUM_INGESTED, OVERLAPPING, open_small_release

from manifests.exports.croissant import write_croissant
from manifests.exports.hugging_face import write_release
from manifests.exports.identity import Identity
from manifests.input_error import InputError

# What rdflib and pandas say to mlcroissant.
pytestmark = pytest.mark.filterwarnings(
    "ignore:ConjunctiveGraph is deprecated:DeprecationWarning",
    "ignore:The inplace keyword in DataFrame.reset_index:DeprecationWarning",
)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    pytest.importorskip("mlcroissant", reason="needs the extra `exports`")
    root = tmp_path_factory.mktemp("croissant")
    write_croissant(root, [write_release(root, open_small_release(root), 3)], Identity())
    return root


@pytest.fixture(scope="module")
def dataset(root):
    import mlcroissant

    return mlcroissant.Dataset(jsonld=str(root / "croissant.json"))


def test_the_library_finds_no_error_and_misses_nothing_but_the_date(dataset):
    issues = dataset.metadata.ctx.issues
    assert not issues.errors
    assert len(issues.warnings) == 1
    assert "datePublished" in next(iter(issues.warnings))


def test_it_conforms_to_croissant_1_1(root):
    content = json.loads((root / "croissant.json").read_text())
    assert content["conformsTo"] == "http://mlcommons.org/croissant/1.1"


def test_every_file_is_there_with_its_digest(root):
    content = json.loads((root / "croissant.json").read_text())
    files = [node for node in content["distribution"] if node["@type"] == "cr:FileObject"]
    found = {node["contentUrl"]: node["sha256"] for node in files}
    paths = {path.relative_to(root).as_posix(): path for path in root.glob("data/**/*.parquet")}
    assert found == {n: hashlib.sha256(p.read_bytes()).hexdigest() for n, p in paths.items()}


def test_every_row_is_streamed_with_its_split(dataset):
    rows = {}
    for record in dataset.records("paper"):
        row = {name.removeprefix("paper/"): _text(value) for name, value in record.items()}
        rows.setdefault(row["split"], []).append(row)
    assert set(rows) == {"train", "validation", "removed"}
    assert sum(map(len, rows.values())) == NUM_INGESTED
    kept = {row["id"]: row for split in ("train", "validation") for row in rows[split]}
    for label, landmark_id in enumerate(sorted(KEPT)):
        for image_id in KEPT[landmark_id]:
            assert kept[image_id]["label"] == label
            assert kept[image_id]["landmark_id"] == landmark_id
    gone = {row["id"]: row for row in rows["removed"] if row["landmark_id"] == OVERLAPPING}
    assert gone.keys() == set(IDS[OVERLAPPING])
    assert all(row["label"] is None for row in gone.values())


def test_the_splits_are_those_that_croissant_names(dataset):
    records = [{k: _text(v) for k, v in r.items()} for r in dataset.records("splits")]
    assert {r["splits/name"]: r["splits/url"] for r in records} == {
        "train": "cr:TrainingSplit",
        "validation": "cr:ValidationSplit",
        "removed": "cr:Split",
    }


def test_a_date_is_written_when_it_is_given(tmp_path):
    release = open_small_release(tmp_path)
    identity = Identity(published=date(2024, 5, 1))
    write_croissant(tmp_path, [write_release(tmp_path, release)], identity)
    content = json.loads((tmp_path / "croissant.json").read_text())
    assert content["datePublished"] == "2024-05-01"


def test_without_the_library_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlcroissant", None)
    with pytest.raises(InputError, match=r"pip install 'cleanmark\[exports\]'"):
        write_croissant(tmp_path, [], Identity())


def _text(value):
    return value.decode() if isinstance(value, bytes) else value
