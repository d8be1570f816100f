"""Damaged, lying and malicious files through the real scan: each gets a row, none is half kept."""

import io
import random
import struct
import zlib

import pytest
from drawn_images import encode, make_texture
from gldv2_layout import LINK, image_id, write_lists, write_shard
from PIL import Image
from stage_runs import Run

from manifests.gldv2_csv import member_path
from pipelines.run_config import RunConfig
from pipelines.units import UnitStatus

WHOLE = {
    "baseline": encode(make_texture(1), "JPEG", quality=92),
    "progressive": encode(make_texture(2), "JPEG", progressive=True),
    "grey": encode(make_texture(3).convert("L"), "JPEG"),
    "cmyk": encode(make_texture(4).convert("CMYK"), "JPEG"),
    "png": encode(make_texture(5), "PNG"),
    "gif": encode(make_texture(6).convert("P"), "GIF"),
    "webp": encode(make_texture(7), "WEBP"),
}
JPEGS = ("baseline", "progressive", "grey", "cmyk")
NUM_OF_EACH = 10
NUM_TARS = 60


def _cut(rng, data):
    return data[: rng.randrange(3, len(data) - 1)]


def _flip(rng, data):
    damaged = bytearray(data)
    for _ in range(rng.randint(1, 8)):
        damaged[rng.randrange(len(data))] ^= rng.randint(1, 255)
    return bytes(damaged)


def _flip_header(rng, data):
    damaged = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        damaged[rng.randrange(4, 48)] = rng.choice((0, 1, 0x7F, 0x80, 0xFF))
    return bytes(damaged)


def _splice(rng, data):
    at = rng.randrange(4, len(data))
    return data[:at] + rng.randbytes(rng.randint(1, 300)) + data[at + rng.randint(0, 300) :]


MUTATIONS = {"cut": _cut, "flip": _flip, "flip_header": _flip_header, "splice": _splice}


def _with_jpeg_size(width, height):
    data = bytearray(WHOLE["baseline"])
    start_of_frame = data.index(b"\xff\xc0")
    struct.pack_into(">HH", data, start_of_frame + 5, height, width)
    return bytes(data)


def _png_promising(width, height):
    def chunk(kind, body):
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(1 << 20), 9)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )


BOMBS = {
    "jpeg": (_with_jpeg_size(65500, 65500), "decompression_bomb"),
    "png": (_png_promising(60_000, 60_000), "decompression_bomb"),
    "gif": (b"GIF89a" + struct.pack("<HH", 65535, 65535) + WHOLE["gif"][10:], "decompression_bomb"),
    "taller than its data": (_with_jpeg_size(96, 9000), "ok"),
    "png without its rows": (_png_promising(9000, 9000), "truncated"),
    "flat": (_with_jpeg_size(65500, 1), "too_small"),
}
UNSAFE = [
    ("../0000000000000001.jpg", WHOLE["baseline"]),
    ("a/../../0000000000000002.jpg", WHOLE["baseline"]),
    ("/etc/0000000000000003.jpg", WHOLE["baseline"]),
    ("0/0/0/0000000000000004.jpg", LINK),
]


def _mutated_files():
    rng = random.Random(20)
    return [
        (kind, name, mutate(rng, data))
        for kind, data in WHOLE.items()
        for name, mutate in MUTATIONS.items()
        for _ in range(NUM_OF_EACH)
    ]


def _run(tmp_path, shards):
    root = tmp_path / "gldv2"
    for name, members in shards.items():
        write_shard(root, name, members)
    write_lists(root, {}, {}, {})
    config = RunConfig.model_validate({"source": {"root": root, "check_md5": False}})
    return Run(config, tmp_path / "run")


def _scan_one_shard(tmp_path, members):
    run = _run(tmp_path, {"images_000": members})
    run.finish("ingest.scan")
    rows = run.rows("files")
    assert [row["member"] for row in rows] == [name for name, _ in members]
    return rows


def _check_row(row, data):
    """A kept file decodes to its end, to the size its header gives; any other has a reason."""
    if row["status"] != "ok":
        assert row["status"] in ("truncated", "not_an_image", "too_small", "decompression_bomb")
        assert row["reason"]
        assert row["width"] is row["height"] is row["phash"] is None
        return
    assert len(row["phash"]) == 16
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        size = image.size
    swapped = row["exif_orientation"] in (5, 6, 7, 8)
    assert (row["width"], row["height"]) == (size[::-1] if swapped else size)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::PIL.Image.DecompressionBombWarning")
def test_no_damaged_file_stops_the_scan_or_is_half_kept(tmp_path):
    files = _mutated_files()
    assert len(files) >= 200
    members = [(member_path(image_id(n)), data) for n, (_, _, data) in enumerate(files)]
    rows = _scan_one_shard(tmp_path, members)
    statuses = set()
    for row, (kind, mutation, data) in zip(rows, files, strict=True):
        _check_row(row, data)
        statuses.add(row["status"])
        if mutation == "cut" and kind in JPEGS:
            assert row["status"] == "truncated", (kind, len(data))
    assert {"ok", "truncated", "not_an_image"} <= statuses


@pytest.mark.parametrize("kind", JPEGS)
def test_no_cut_of_a_jpeg_is_kept_wherever_it_is(tmp_path, kind):
    whole = WHOLE[kind]
    cuts = [*range(3, len(whole) - 40, 37), *range(len(whole) - 40, len(whole))]
    members = [(member_path(image_id(cut)), whole[:cut]) for cut in cuts]
    rows = _scan_one_shard(tmp_path, members)
    assert {row["status"] for row in rows} == {"truncated"}


def test_bombs_and_lying_headers_are_named(tmp_path):
    members = [(f"{name}.jpg", data) for name, (data, _) in BOMBS.items()]
    rows = _scan_one_shard(tmp_path, members)
    assert {row["member"]: row["status"] for row in rows} == {
        f"{name}.jpg": status for name, (_, status) in BOMBS.items()
    }


def test_unsafe_names_are_named_and_their_neighbours_are_kept(tmp_path):
    good = (member_path(image_id(9)), WHOLE["baseline"])
    rows = _scan_one_shard(tmp_path, [*UNSAFE, good])
    assert [row["status"] for row in rows] == ["unsafe_name"] * len(UNSAFE) + ["ok"]
    assert all(row["sha256"] is None for row in rows[:-1])


def _damage_tar(rng, tar):
    data = bytearray(tar.read_bytes())
    headers = [512 * n for n in range(len(data) // 512) if data[512 * n + 257 :][:5] == b"ustar"]
    what = rng.choice(("cut", "header", "anywhere", "size"))
    if what == "cut":
        del data[rng.randrange(1, len(data)) :]
    elif what == "header":
        data[rng.choice(headers) + rng.randrange(345)] ^= rng.randint(1, 255)
    elif what == "anywhere":
        for _ in range(20):
            data[rng.randrange(len(data))] ^= rng.randint(1, 255)
    else:
        at = rng.choice(headers) + 124
        data[at : at + 12] = rng.choice((b"77777777777\0", b"-0000000001\0", b"\x80" + bytes(11)))
    tar.write_bytes(data)


def test_a_broken_tar_is_named_and_the_other_tars_go_on(tmp_path):
    members = [(member_path(image_id(n)), data) for n, data in enumerate(WHOLE.values())]
    run = _run(tmp_path, {f"images_{n:03d}": members for n in range(NUM_TARS)})
    rng = random.Random(21)
    for n in range(1, NUM_TARS):
        _damage_tar(rng, tmp_path / f"gldv2/train/images_{n:03d}.tar")
    reports = run.do("ingest.scan")
    done = {name for name, report in reports.items() if report.status is UnitStatus.DONE}
    assert "images_000" in done
    assert len(done) < NUM_TARS / 2
    for name in reports.keys() - done:
        assert f"{name}.tar" in reports[name].error
        assert "fetch the shard again" in reports[name].error
    rows = run.rows("files")
    assert len(rows) == len(done) * len(members)
    for row in rows:
        stored = (tmp_path / "gldv2" / row["shard"]).read_bytes()
        _check_row(row, stored[row["offset"] :][: row["num_bytes"]])
