"""Folders in GLDv2's layout, made of whatever members a test wants."""

import csv
import hashlib
import io
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from manifests.gldv2_csv import member_path

LINK = object()
"""Instead of bytes: the member is a symbolic link."""


def image_id(number: int) -> str:
    return f"{number:016x}"


def write_shard(
    root: Path, name: str, members: Sequence[tuple[str, object]], split: str = "train"
) -> Path:
    """Write a shard and its checksum file; members are names with bytes, or with `LINK`."""
    tar = root / split / f"{name}.tar"
    tar.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(tar, "w") as archive:
        for member_name, data in members:
            info = tarfile.TarInfo(member_name)
            if data is LINK:
                info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
                archive.addfile(info)
            else:
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    md5_file = root / "md5sum" / split / f"md5.{name}.txt"
    md5_file.parent.mkdir(parents=True, exist_ok=True)
    md5 = hashlib.md5(tar.read_bytes()).hexdigest()
    md5_file.write_text(f"{md5}  {tar.name}\n")
    return tar


def write_lists(
    root: Path, class_of: Mapping[str, int], titles: Mapping[str, str], names: Mapping[int, str]
) -> None:
    """Write the metadata files; rights only of the images with a title."""
    _write_csv(
        root / "metadata" / "train.csv",
        ("id", "url", "landmark_id"),
        [(i, f"https://example.org/{i}.jpg", landmark) for i, landmark in class_of.items()],
    )
    _write_csv(
        root / "metadata" / "train_attribution.csv",
        ("id", "url", "author", "license", "title"),
        [(i, "https://example.org/", "ana", "CC0", title) for i, title in titles.items()],
    )
    _write_csv(
        root / "metadata" / "train_label_to_category.csv",
        ("landmark_id", "category"),
        [(i, f"http://commons.wikimedia.org/wiki/Category:{n}") for i, n in names.items()],
    )


def write_classes(root: Path, classes: Mapping[int, Sequence[bytes]], shard: str) -> list[str]:
    """Write one shard with the images of some classes, and its lists; return the ids in order."""
    members, class_of = [], {}
    for landmark_id, files in classes.items():
        for data in files:
            name = image_id(len(members) + 1)
            members.append((member_path(name), data))
            class_of[name] = landmark_id
    write_shard(root, shard, members)
    write_lists(root, class_of, {}, {})
    return list(class_of)


def _write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([header, *rows])
