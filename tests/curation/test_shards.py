"""Shards: checksums, members of every kind, damage, reading by offset."""

import hashlib
import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.shards import (
    Member,
    ShardError,
    check_md5,
    image_id_of,
    list_members,
    open_shard,
    read_bytes,
    read_expected_md5,
)

IDS = [f"{number:016x}" for number in (1, 0xABC, 2**60)]
NAMES = [f"{i[0]}/{i[1]}/{i[2]}/{i}.jpg" for i in IDS]
# Not multiples of the block size of 512 bytes, so that padding matters.
CONTENTS = [b"a" * 700, b"b" * 1300, b"c" * 100]


def build_tar(names=NAMES, contents=CONTENTS, tar_format=tarfile.USTAR_FORMAT):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tar_format) as archive:
        for name, content in zip(names, contents, strict=True):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


WHOLE = build_tar()
# Header and data blocks: 512 + 1024, 512 + 1536, 512 + 512; then the mark of the end.
FIRST_END, SECOND_END, END_MARK = 1536, 3584, 4608


@pytest.fixture
def tar(tmp_path):
    def make(data, name="images_000.tar"):
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return make


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("shards") / "images_000.tar"


@pytest.mark.parametrize(
    "tar_format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
)
def test_members_are_read_back_by_offset(tar, tar_format):
    """A name above 100 characters takes extra headers, each format its own."""
    names = [NAMES[0], f"{'long_folder/' * 12}{IDS[1]}.jpg", NAMES[2]]
    path = tar(build_tar(names, CONTENTS, tar_format))
    members = list_members(path)
    assert [member.name for member in members] == names
    assert [member.problem for member in members] == [None] * 3
    with open_shard(path) as shard:
        assert [shard.read(m.offset, m.num_bytes) for m in reversed(members)] == CONTENTS[::-1]
    assert read_bytes(path, members[1].offset, members[1].num_bytes) == CONTENTS[1]


def test_offsets_are_those_of_the_tar_format(tar):
    assert list_members(tar(WHOLE))[1] == Member(NAMES[1], FIRST_END + 512, 1300, None)


def test_folders_are_left_out_and_an_empty_archive_is_fine(tar):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        folder = tarfile.TarInfo("0/0")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
    assert list_members(tar(stream.getvalue())) == []
    assert list_members(tar(build_tar([], []))) == []


@pytest.mark.parametrize(
    ("name", "tar_type", "problem"),
    [
        ("link.jpg", tarfile.SYMTYPE, "a link to '/etc/passwd'"),
        ("link.jpg", tarfile.LNKTYPE, "a link to '/etc/passwd'"),
        ("pipe.jpg", tarfile.FIFOTYPE, "a special file"),
        ("disk.jpg", tarfile.CHRTYPE, "a special file"),
        ("/etc/passwd", tarfile.REGTYPE, "an absolute path"),
        ("a/../../secret.jpg", tarfile.REGTYPE, "leaves the archive"),
    ],
)
def test_unsafe_members_are_listed_with_their_problem(tar, name, tar_type, problem):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = tar_type, "/etc/passwd"
        archive.addfile(info)
        archive.addfile(tarfile.TarInfo(NAMES[0]))
    unsafe, safe = list_members(tar(stream.getvalue()))
    assert unsafe.name == name
    assert problem in unsafe.problem
    assert (safe.name, safe.problem) == (NAMES[0], None)


def test_a_name_that_is_not_utf8_can_be_stored(tar):
    (member,) = list_members(tar(build_tar(["caf\udce9.jpg"], [b""])))
    assert member.name == "caf\\xe9.jpg"
    assert member.name.encode()


@pytest.mark.parametrize(
    ("cut", "last_good"),
    [
        (FIRST_END + 512 + 600, NAMES[0]),  # in the data of the second member
        (FIRST_END + 100, NAMES[0]),  # in the header of the second member
        (SECOND_END + 512 + 99, NAMES[1]),  # one byte missing of the data of the last
        (SECOND_END, NAMES[1]),  # between two members, where nothing looks torn
        (END_MARK, NAMES[2]),  # the mark of the end is missing
    ],
)
def test_a_cut_shard_names_the_last_good_member(tar, cut, last_good):
    path = tar(WHOLE[:cut])
    with pytest.raises(ShardError, match="fetch the shard again") as caught:
        list_members(path)
    assert str(caught.value).startswith(str(path))
    assert f"after member {last_good!r}" in str(caught.value)


@given(st.integers(0, END_MARK + 511))
def test_no_cut_goes_unnoticed(scratch, cut):
    scratch.write_bytes(WHOLE[:cut])
    with pytest.raises(ShardError):
        list_members(scratch)


def test_a_garbled_header_is_not_taken_for_the_end(tar):
    garbled = bytearray(WHOLE)
    garbled[FIRST_END : FIRST_END + 512] = bytes(range(256)) * 2
    with pytest.raises(ShardError, match=f"garbled header at byte {FIRST_END}, after member"):
        list_members(tar(garbled))


@pytest.mark.parametrize("data", [b"", b"<html>404 Not Found</html>", b"\x1f\x8b" + bytes(999)])
def test_what_is_no_tar_is_refused(tar, data):
    with pytest.raises(ShardError, match="after no member at all"):
        list_members(tar(data))


@pytest.mark.timeout(20)
def test_a_negative_size_does_not_loop_for_ever(tar):
    info = tarfile.TarInfo(NAMES[1])
    info.size = -2 * 1024
    evil = WHOLE[:FIRST_END] + info.tobuf(tarfile.GNU_FORMAT) + WHOLE[FIRST_END:]
    with pytest.raises(ShardError, match="impossible size"):
        list_members(tar(evil))


def test_a_shard_shorter_than_it_was_is_noticed(tar):
    path = tar(WHOLE)
    last = list_members(path)[-1]
    path.write_bytes(WHOLE[: last.offset + 60])
    with pytest.raises(ShardError, match=f"60 bytes at offset {last.offset}, expected 100"):
        read_bytes(path, last.offset, last.num_bytes)


def test_a_missing_shard_is_named(tmp_path):
    absent = tmp_path / "images_007.tar"
    for read in (list_members, lambda path: read_bytes(path, 0, 1)):
        with pytest.raises(ShardError, match=r"images_007\.tar.*fetch the shard again"):
            read(absent)


def write_md5(folder, line, name="md5.images_000.txt"):
    path = folder / name
    path.write_text(line)
    return path


def test_the_published_form_of_a_checksum_is_read(tmp_path):
    digest = "825975950b2e22f0f66aa8fd26c1f153"
    assert read_expected_md5(write_md5(tmp_path, f"{digest}  images_000.tar\n")) == digest
    assert read_expected_md5(write_md5(tmp_path, f"{digest}  images_000.tar")) == digest


@pytest.mark.parametrize(
    "line",
    [
        "",
        "825975950b2e22f0f66aa8fd26c1f153",
        "825975950b2e22f0f66aa8fd26c1f153 images_000.tar",
        "825975950b2e22f0f66aa8fd26c1f1  images_000.tar",
        "825975950b2e22f0f66aa8fd26c1f153  images_001.tar",
        "825975950b2e22f0f66aa8fd26c1f153  ../images_000.tar",
        "  images_000.tar",
        "<html>\n</html>",
    ],
)
def test_another_form_is_refused(tmp_path, line):
    with pytest.raises(ShardError, match=r"expected '<32 hex.* images_000\.tar'.*fetch the check"):
        read_expected_md5(write_md5(tmp_path, line))


def test_a_missing_or_misnamed_checksum_file_is_refused(tmp_path):
    with pytest.raises(ShardError, match="No such file"):
        read_expected_md5(tmp_path / "md5.images_000.txt")
    with pytest.raises(ShardError, match=r"not named like md5\.images_000\.txt"):
        read_expected_md5(write_md5(tmp_path, "", "checksums.txt"))


@given(st.binary(min_size=1, max_size=2000), st.data())
def test_any_change_of_one_byte_is_noticed(scratch, content, data):
    digest = hashlib.md5(content).hexdigest()
    md5_file = write_md5(scratch.parent, f"{digest}  {scratch.name}\n")
    scratch.write_bytes(content)
    check_md5(scratch, md5_file)
    changed = bytearray(content)
    changed[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    scratch.write_bytes(changed)
    with pytest.raises(ShardError, match=f"says {digest}; fetch the shard again") as caught:
        check_md5(scratch, md5_file)
    assert hashlib.md5(changed).hexdigest() in str(caught.value)


def test_the_checksum_of_another_shard_is_no_checksum(tar, tmp_path):
    path = tar(WHOLE, "images_001.tar")
    md5_file = write_md5(tmp_path, f"{hashlib.md5(WHOLE).hexdigest()}  images_000.tar")
    with pytest.raises(ShardError, match=r"give md5\.images_001\.txt"):
        check_md5(path, md5_file)


@pytest.mark.parametrize(
    ("name", "image_id"),
    [
        ("0/1/2/0123456789abcdef.jpg", "0123456789abcdef"),
        ("./any/0123456789abcdef.JPEG", "0123456789abcdef"),
        ("0123456789abcdef.png", "0123456789abcdef"),
        ("0/1/2/0123456789ABCDEF.jpg", None),
        ("0123456789abcdef.json", None),
        ("0123456789abcdef/readme.jpg", None),
        ("0123456789abcdef0.jpg", None),
        ("", None),
    ],
)
def test_image_ids_come_from_the_file_name(name, image_id):
    assert image_id_of(name) == image_id


def test_real_shards_pass(photos_root):
    tars = sorted((photos_root / "train").glob("*.tar"))
    assert tars
    for path in tars:
        check_md5(path, photos_root / "md5sum" / "train" / f"md5.{path.stem}.txt")
        for member in list_members(path):
            assert member.problem is None
            assert image_id_of(member.name) is not None
