"""What is refused before a training starts, and with which remedy."""

import shutil

import pytest
from drawn_manifest import DrawnSplit, write_drawn_split
from small_certificates import write_small_certificate

from manifests.input_error import InputError
from manifests.lineage import digest_file
from training.loop.data import open_data


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return write_drawn_split(tmp_path_factory.mktemp("drawn"))


@pytest.fixture
def own(drawn, tmp_path):
    shutil.copytree(drawn.root, tmp_path / "own")
    return DrawnSplit(tmp_path / "own")


def open_split(split, **data):
    recipe = split.recipe(data={"manifest": split.manifest, "shards": split.shards} | data)
    return open_data(recipe.data)


def certify(drawn, *, passed=True, **changes):
    manifest = drawn.root / "manifests" / "manifest.json"
    training = {
        "name": drawn.manifest.name,
        "kind": "manifest",
        "manifest_sha256": digest_file(manifest),
        "split": drawn.manifest.name,
    }
    write_small_certificate(manifest.parent, passed=passed, training=training | changes)


def test_a_sound_split_is_read(drawn):
    data = open_split(drawn)
    assert (len(data.train), len(data.val), data.num_classes) == (18, 6, 3)
    assert not data.is_certified


def test_a_class_with_one_training_image(own):
    rows = own.rows()
    own.write_rows([r for r in rows if r["class_index"] != 1 or r["image_id"].endswith("0")])
    with pytest.raises(InputError, match=r"class_index 1; .*clean.min_class_images=3"):
        open_split(own)


def test_a_class_that_only_validates(own):
    own.write_rows([r for r in own.rows() if r["class_index"] != 2 or r["split"] == "val"])
    with pytest.raises(InputError, match="class_index 2"):
        open_split(own)


def test_gaps_in_the_class_numbers(own):
    own.write_rows([row for row in own.rows() if row["class_index"] != 1])
    with pytest.raises(InputError, match=r"not 0..2 without gaps: 1 .*cleanmark emit"):
        open_split(own)


def test_no_training_images(own):
    own.write_rows([row for row in own.rows() if row["split"] == "val"])
    with pytest.raises(InputError, match="no training images"):
        open_split(own)


def test_a_missing_shard(own):
    (own.shards / "train" / "images_000.tar").unlink()
    with pytest.raises(InputError, match=r"1 of 1 shards are missing.*data.shards"):
        open_split(own)


def test_a_shard_cut_short(own):
    shard = own.shards / "train" / "images_000.tar"
    row = max(own.rows(), key=lambda row: row["offset"])
    shard.write_bytes(shard.read_bytes()[: row["offset"] + 10])
    with pytest.raises(InputError, match=r"images_000.tar: has \d+ bytes, .*fetch it again"):
        open_split(own)


def test_a_shard_with_other_bytes(own):
    shard = own.shards / "train" / "images_000.tar"
    row = own.rows()[4]
    with shard.open("r+b") as stream:
        stream.seek(row["offset"] + 30)
        stream.write(b"?")
    with pytest.raises(InputError, match=f"image {row['image_id']} .*another SHA-256"):
        open_split(own)
    # What is not sampled is not seen: the number of samples is what the check costs.
    open_split(own, num_checked_images=0)


def test_a_part_that_differs_from_the_published_one(own):
    rows = own.rows()
    digests_before = own.digests()
    own.write_rows(rows[:-1])
    changed = own.part.read_bytes()
    own.write_rows(rows)
    assert own.digests() == digests_before
    own.part.write_bytes(changed)
    with pytest.raises(InputError, match=r"images_000.parquet: its SHA-256 is not the one"):
        open_split(own)


def test_a_part_that_nobody_published(own):
    shutil.copyfile(own.part, own.manifest / "images_001.parquet")
    with pytest.raises(InputError, match=r"images_001.parquet: is not listed"):
        open_split(own)


def test_a_manifest_without_manifest_json(own):
    (own.root / "manifests" / "manifest.json").unlink()
    with pytest.raises(InputError, match=r"manifest.json: missing"):
        open_split(own)


def test_a_folder_without_manifest(own):
    with pytest.raises(InputError, match=r"data.manifest to a folder such as"):
        open_split(own, manifest=own.root)


def test_a_certificate_that_passed(own):
    certify(own)
    assert open_split(own, require_certificate=True).is_certified


def test_a_certificate_that_failed(own):
    certify(own, passed=False)
    with pytest.raises(InputError, match=r"failed its audit: 11 of 12 images examined"):
        open_split(own)


@pytest.mark.parametrize("digest", ["0" * 64, None])
def test_a_certificate_of_another_manifest(own, digest):
    certify(own, manifest_sha256=digest)
    with pytest.raises(InputError, match=r"certificate.json: speaks of another"):
        open_split(own)


@pytest.mark.parametrize("passed", [True, False])
def test_a_certificate_of_another_split_says_nothing_of_this_one(own, passed):
    certify(own, passed=passed, split="gldv2_clean")
    assert not open_split(own).is_certified
    with pytest.raises(InputError, match=r"no certificate"):
        open_split(own, require_certificate=True)


def test_a_certificate_that_was_altered(own):
    certify(own, passed=False)
    path = own.root / "manifests" / "certificate.json"
    path.write_text(path.read_text().replace('"passed": false', '"passed": true'))
    with pytest.raises(InputError, match=r"certificate.json: .*SHA-256"):
        open_split(own)


def test_the_certificate_alone_is_enough(own):
    certify(own)
    shutil.rmtree(own.root / "manifests" / "certificate")
    assert open_split(own, require_certificate=True).is_certified


def test_a_certificate_that_is_demanded(own):
    with pytest.raises(InputError, match=r"no certificate"):
        open_split(own, require_certificate=True)
