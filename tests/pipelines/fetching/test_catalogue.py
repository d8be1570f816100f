import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.fetching.catalogue import (
    EVALUATION_SETS,
    GLDV2_SPLITS,
    PARIS_CORRUPT,
    CatalogueError,
    FileKind,
    at_mirror,
    gldv2,
    parse_shards,
)


def by_path(dataset):
    return {file.path: file for file in dataset.files}


def test_addresses_of_gldv2_are_the_published_ones():
    files = by_path(gldv2("train", (7,)))
    base = "https://s3.amazonaws.com/google-landmark"
    assert files["train/images_007.tar"].url == f"{base}/train/images_007.tar"
    assert files["md5sum/train/md5.images_007.txt"].url == f"{base}/md5sum/train/md5.images_007.txt"
    assert files["metadata/train.csv"].url == f"{base}/metadata/train.csv"
    test = by_path(gldv2("test", ()))
    assert (
        test["ground_truth/retrieval_solution_v2.1.csv"].url
        == f"{base}/ground_truth/retrieval_solution_v2.1.csv"
    )


@pytest.mark.parametrize(("split", "num_shards"), [("train", 500), ("index", 100), ("test", 20)])
def test_every_shard_has_its_own_checksum_file(split, num_shards):
    files = by_path(gldv2(split))
    shards = [file for file in files.values() if file.kind is FileKind.TAR]
    assert len(shards) == num_shards
    for shard in shards:
        checksum = files[shard.md5_path]
        assert checksum.kind is FileKind.MD5
        assert checksum.path.removesuffix(".txt").endswith(shard.path[-14:].removesuffix(".tar"))


def test_published_sizes_add_up_to_what_is_published_for_all():
    total = sum(
        file.about_bytes or 0
        for split in GLDV2_SPLITS
        for file in gldv2(split).files
        if file.kind is FileKind.TAR
    )
    assert total == 500 * 10**9 + 100 * 85 * 10**7 + 20 * 5 * 10**8


def test_split_or_shard_that_does_not_exist_is_refused():
    with pytest.raises(CatalogueError, match="no split 'val'"):
        gldv2("val")
    with pytest.raises(CatalogueError, match="no shard 20; it has 0 to 19"):
        gldv2("test", (20,))


@given(st.sets(st.integers(0, 499), min_size=1))
def test_shards_are_read_back_from_a_list(numbers):
    text = ",".join(str(number) for number in numbers)
    assert parse_shards(text) == tuple(sorted(numbers))


@given(st.integers(0, 499), st.integers(0, 499))
def test_range_of_shards_includes_both_ends(first, length):
    assert parse_shards(f"{first}-{first + length}") == tuple(range(first, first + length + 1))


@pytest.mark.parametrize("text", ["", "a", "3-1", "1,,2", "-1", "1-2-3", "0x1", "1;2"])
def test_text_that_names_no_shards_is_refused(text):
    with pytest.raises(CatalogueError, match="shards"):
        parse_shards(text)


@pytest.mark.parametrize("name", EVALUATION_SETS)
def test_paths_of_evaluation_sets_are_plain_and_different(name):
    dataset = EVALUATION_SETS[name]()
    paths = [file.path for file in dataset.files]
    assert len(set(paths)) == len(paths)
    assert all("/" not in path for path in paths)
    assert all(file.url.endswith(f"/{file.path}") for file in dataset.files)


def test_ground_truth_that_comes_unencrypted_is_pinned():
    for make in EVALUATION_SETS.values():
        for file in make().files:
            if file.kind is FileKind.GROUND_TRUTH:
                assert len(file.sha256 or "") == 64


def test_ground_truth_digests_are_those_of_the_files(groundtruth_root):
    from manifests.lineage import digest_file

    for name in ("roxford5k", "rparis6k"):
        file = next(f for f in EVALUATION_SETS[name]().files if f.kind is FileKind.GROUND_TRUTH)
        local = groundtruth_root / file.path
        assert digest_file(local) == file.sha256
        assert local.stat().st_size == file.about_bytes


def test_ground_truth_uses_no_corrupt_image(groundtruth_root):
    from manifests.evaluation_sets import read_ground_truth

    truth = read_ground_truth(groundtruth_root / "gnd_rparis6k.pkl", "rparis6k")
    used = {*truth.database, *(query.query_id for query in truth.queries)}
    assert len(PARIS_CORRUPT) == 20
    assert not used & set(PARIS_CORRUPT)


def test_mirror_has_every_file_at_its_path():
    mirrored = at_mirror(gldv2("train", (3,)), "s3://bucket/gldv2/")
    assert by_path(mirrored)["train/images_003.tar"].url == "s3://bucket/gldv2/train/images_003.tar"
