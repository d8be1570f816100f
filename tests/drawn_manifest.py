"""A published split of drawn pictures, with shards, as `cleanmark emit` leaves one."""

import io
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from manifests.arrow_schemas import MANIFEST
from manifests.lineage import digest_bytes, digest_file
from manifests.manifest_json import Manifest, ManifestCounts, read_manifest, write_manifest
from manifests.parquet_io import read_table, write_rows
from training.recipe import Recipe

NAME = "rgldv2_clean"
SIZES_PX = ((96, 64), (64, 96), (80, 80))
"""Width and height; three aspect groups."""


@dataclass(frozen=True)
class DrawnSplit:
    """Where a split and its shards lie."""

    root: Path

    @property
    def manifest(self) -> Path:
        return self.root / "manifests" / NAME

    @property
    def shards(self) -> Path:
        return self.root / "shards"

    @property
    def part(self) -> Path:
        return self.manifest / "images_000.parquet"

    def rows(self) -> list[dict]:
        return read_table(self.part, MANIFEST).to_pylist()

    def write_rows(self, rows: Sequence[dict]) -> None:
        """Publish other rows, with digests that are right for them."""
        write_rows(self.part, MANIFEST, rows)
        self.publish()

    def publish(self) -> None:
        path = self.root / "manifests" / "manifest.json"
        digests = {f"{NAME}/{self.part.name}": digest_file(self.part)}
        write_manifest(path, _describe(digests))

    def digests(self) -> dict[str, str]:
        return read_manifest(self.root / "manifests" / "manifest.json").digests

    def recipe(self, **settings: object) -> Recipe:
        """A training of seconds on it; `settings` replace its own."""
        content = {
            "data": {"manifest": self.manifest, "shards": self.shards, "num_workers": 0},
            "network": {"backbone": "resnet18", "dimensions": 16},
            "batches": {"long_side_px": 64},
            "batch_size": 6,
            "epochs": 2,
            "learning_rate": {"peak": 0.01, "warmup_epochs": 0.5},
            "device": "cpu",
            "log_every_steps": 1,
        }
        return Recipe.model_validate(content | settings)


def write_drawn_split(root: Path, num_classes: int = 3, num_train: int = 6) -> DrawnSplit:
    """Write a split: each class one pattern, seen brighter, darker and shifted; two images of each
    class validate."""
    split = DrawnSplit(root)
    members, rows = [], []
    for class_index in range(num_classes):
        for number in range(num_train + 2):
            data = _encode(draw_view(class_index, number))
            image_id = f"{class_index:08x}{number:08x}"
            width, height = SIZES_PX[number % len(SIZES_PX)]
            rows.append(_row(image_id, class_index, width, height, data))
            rows[-1]["split"] = "train" if number < num_train else "val"
            members.append((rows[-1]["member"], data))
    offsets = write_tar(split.shards / "train" / "images_000.tar", members)
    for row in rows:
        row["offset"] = offsets[row["member"]]
    split.write_rows(rows)
    return split


def draw_view(class_index: int, number: int) -> np.ndarray:
    """A view of the pattern of a class, uint8 (height, width, 3)."""
    width, height = SIZES_PX[number % len(SIZES_PX)]
    coarse = np.random.default_rng(class_index).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    pattern = cv2.resize(coarse, (width + 16, height + 16), interpolation=cv2.INTER_CUBIC)
    rng = np.random.default_rng((class_index, number))
    left, top = rng.integers(0, 17, 2).tolist()
    view = pattern[top : top + height, left : left + width] * rng.uniform(0.6, 1.0)
    return np.clip(view + rng.normal(0, 4, view.shape), 0, 255).astype(np.uint8)


def write_tar(path: Path, members: Sequence[tuple[str, bytes]]) -> dict[str, int]:
    """Write a shard; return where each member's bytes begin."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    with tarfile.open(path) as archive:
        return {member.name: member.offset_data for member in archive}


def _row(image_id: str, class_index: int, width: int, height: int, data: bytes) -> dict:
    return {
        "image_id": image_id,
        "landmark_id": 100 + class_index,
        "class_index": class_index,
        "landmark_name": None,
        "shard": "train/images_000.tar",
        "member": f"{image_id}.jpg",
        "num_bytes": len(data),
        "width": width,
        "height": height,
        "sha256": digest_bytes(data),
        "source_url": None,
        "author": None,
        "license": None,
        "title": None,
        "num_verified_neighbours": 3,
    }


def _encode(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=90)
    return stream.getvalue()


def _describe(digests: dict[str, str]) -> Manifest:
    counts = ManifestCounts(images=0, classes=0, splits={})
    return Manifest(
        counts=counts,
        gldv2_clean=counts,
        ingested=0,
        removed={},
        digests=digests,
        config_digest="",
        code_version="",
        policy={},
        parents={},
        removed_classes=(),
        calibration=None,
        ties=(),
        pending=0,
        unmatched_decisions=0,
    )
