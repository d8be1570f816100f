"""GLDv2 files of a few kilobytes for tests about fetching: random shards, right checksums."""

import hashlib
import random
from collections.abc import Sequence
from pathlib import Path

from manifests.gldv2_csv import HEADERS

LISTS = ("train", "train_attribution", "train_label_to_category")


def make_files(shards: Sequence[int], num_bytes: int = 50_000, seed: int = 7) -> dict[str, bytes]:
    """What a mirror of the train split serves, by path with a slash in front."""
    rng = random.Random(seed)
    files = {}
    for number in shards:
        name = f"images_{number:03d}"
        content = rng.randbytes(num_bytes + number)
        md5 = hashlib.md5(content).hexdigest()
        files[f"/train/{name}.tar"] = content
        files[f"/md5sum/train/md5.{name}.txt"] = f"{md5}  {name}.tar\n".encode()
    for name in LISTS:
        header = ",".join(HEADERS[f"{name}.csv"])
        files[f"/metadata/{name}.csv"] = f"{header}\n".encode() + rng.randbytes(40).hex().encode()
    return files


def read_tree(folder: Path) -> dict[str, bytes]:
    """Every published file below a folder, by path with a slash in front; state is left out."""
    return {
        f"/{path.relative_to(folder)}": path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not path.name.startswith(".")
        and path.name != "fetch_ledger.json"
        and ".part" not in path.name
        and "quarantine" not in path.parts
    }
