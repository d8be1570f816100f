"""The export as the library of Hugging Face loads it, from the folder alone."""

import dataclasses

import pyarrow.compute as pc
import pyarrow.dataset as ds
import pytest
import yaml
from small_manifests import IDS, KEPT, NAMES, NUM_INGESTED, open_small_release

from manifests.exports.attribution import write_attribution
from manifests.exports.columns import EXPORTED, SplitName
from manifests.exports.dataset_card import write_dataset_card
from manifests.exports.hugging_face import write_release
from manifests.exports.identity import Identity
from manifests.exports.policy_record import write_policy_record
from manifests.input_error import InputError


@pytest.fixture(scope="module")
def load_dataset(tmp_path_factory):
    """`datasets.load_dataset` without a network, its cache in a folder of the test."""
    cache = tmp_path_factory.mktemp("hugging_face")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HOME", str(cache))
        patch.setenv("HF_DATASETS_OFFLINE", "1")
        patch.setenv("HF_HUB_OFFLINE", "1")
        datasets = pytest.importorskip("datasets", reason="needs the extra `exports`")
        datasets.disable_progress_bars()
        yield lambda *words: datasets.load_dataset(*map(str, words), cache_dir=str(cache))


def _write(root, releases, max_rows=3):
    exported = [write_release(root, release, max_rows) for release in releases]
    attribution = write_attribution(root, releases)
    write_dataset_card(root, exported, attribution, Identity(name="A list"))
    return exported


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    root = tmp_path_factory.mktemp("export")
    paper = open_small_release(root / "a")
    policy = paper.manifest.policy | {"policy": "strict"}
    strict = dataclasses.replace(
        paper, manifest=paper.manifest.model_copy(update={"policy": policy})
    )
    return root, _write(root, [paper, strict])


@pytest.mark.parametrize("policy", ["paper", "strict"])
def test_datasets_loads_every_policy_and_split(export, load_dataset, policy):
    loaded = load_dataset(export[0], policy)
    assert set(loaded) == {"train", "validation", "removed"}
    kept = [*loaded["train"]["id"], *loaded["validation"]["id"]]
    assert sorted(kept) == sorted(i for ids in KEPT.values() for i in ids)
    assert len(kept) + len(loaded["removed"]) == NUM_INGESTED
    for split in loaded.values():
        assert list(split.features) == EXPORTED.schema.names
        assert set(split["policy_id"]) == {policy}
    row = next(row for row in loaded["train"] if row["landmark_id"] == 7)
    assert (row["label"], row["landmark_name"], row["width"]) == (0, NAMES[7], 800)
    assert row["id"] in IDS[7]


def test_the_first_policy_loads_without_a_name(export, load_dataset):
    assert set(load_dataset(export[0])["train"]["policy_id"]) == {"paper"}


def test_rows_are_in_the_order_of_their_ids_over_all_files(export, load_dataset):
    exported = export[1][0]
    assert len(exported.find(SplitName.TRAIN).files) > 1
    ids = load_dataset(export[0], "paper")["train"]["id"]
    assert list(ids) == sorted(ids)


def test_a_split_without_images_is_left_out(tmp_path, load_dataset):
    release = open_small_release(tmp_path)
    nothing = release.removed.filter(ds.field("stage") == "")
    ingested = pc.sum([len(ids) for ids in KEPT.values()]).as_py()
    manifest = release.manifest.model_copy(update={"ingested": ingested})
    _write(tmp_path, [dataclasses.replace(release, removed=nothing, manifest=manifest)])
    assert set(load_dataset(tmp_path)) == {"train", "validation"}
    assert "| `paper` | removed | 0 | 0 |" in (tmp_path / "README.md").read_text()


def test_images_that_were_lost_on_the_way_are_noticed(tmp_path):
    release = open_small_release(tmp_path)
    few = release.kept.filter(ds.field("landmark_id") != 7)
    with pytest.raises(InputError, match=r"policy paper: 11 images .* 16 were ingested"):
        write_release(tmp_path, dataclasses.replace(release, kept=few))


def test_the_card_tells_the_counts_the_rule_and_the_removed_classes(export):
    text = (export[0] / "README.md").read_text(encoding="utf-8")
    assert text.startswith("---\nlicense: cc-by-4.0\npretty_name: A list\n")
    assert "| 55 | Stone Bridge | 3 | `paper`, `strict` | confirmed photographs" in text
    assert "max(1, int(val_fraction * n))" in text
    assert "val_fraction 0.2, seed 0" in text
    assert "Of 11 kept images, 9 have author, licence and title; 2 lack some" in text


def test_the_card_explains_every_reason(export):
    text = (export[0] / "README.md").read_text(encoding="utf-8")
    meaning = "The class with most confirmed photographs for a query."
    for policy in ("paper", "strict"):
        assert f"| `{policy}` | overlap | `visual_majority` | 3 | {meaning} |" in text
        assert f"| `{policy}` | ingest | `duplicate_id` | 1 |" in text


def test_names_in_the_card_are_no_markup(tmp_path):
    release = open_small_release(tmp_path)
    hostile = release.manifest.removed_classes[0].model_copy(
        update={"landmark_name": "a | [b](http://c) <script>\n# d"}
    )
    manifest = release.manifest.model_copy(update={"removed_classes": (hostile,)})
    _write(tmp_path, [dataclasses.replace(release, manifest=manifest)])
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert r"| a \| \[b\](http://c) \<script\> \# d |" in text


def test_the_policy_record_has_the_settings_and_the_removed_classes(tmp_path):
    release = open_small_release(tmp_path)
    write_policy_record(tmp_path, [write_release(tmp_path, release)])
    record = yaml.safe_load((tmp_path / "policy.yaml").read_text(encoding="utf-8"))
    paper = record["policies"]["paper"]
    assert paper["settings"] == release.manifest.policy
    assert [c["landmark_id"] for c in paper["removed_classes"]] == [55]
    assert paper["splits"]["removed"] == {"images": 5, "classes": 2}
