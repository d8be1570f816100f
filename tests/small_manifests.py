"""Manifests of a dozen images, written without a job, with everything an export must handle.

- classes 7, 20 and 100 stay; as text, 100 would come before 20
- class 55 overlaps an evaluation set and goes
- an image of class 7 was dropped by the cleaning
- a second file with the id of a kept image was refused at the door
- of some kept images, author, licence or title is not known
"""

import hashlib
from pathlib import Path

from curation.class_index import ValSplitSettings, choose_val_images, index_classes
from manifests.arrow_schemas import MANIFEST, REMOVED
from manifests.exports.releases import Release
from manifests.gldv2_csv import member_path, write_train_clean_csv
from manifests.lineage import digest_file
from manifests.manifest_json import (
    Manifest,
    ManifestCounts,
    RemovedClass,
    SplitCounts,
    write_manifest,
)
from manifests.parquet_io import write_rows

SIZES = {7: 5, 20: 4, 100: 2, 55: 3}
OVERLAPPING = 55
NAMES = {7: "Old Mill", 20: "Tower | of [Ó] & <b>", 55: "Stone Bridge"}
EVIDENCE = "confirmed photographs for tiny/q (3)"
SHARDS = ("images_000", "images_001")
SETTINGS = ValSplitSettings()


def image_id(landmark_id: int, number: int) -> str:
    return hashlib.sha256(f"{landmark_id}/{number}".encode()).hexdigest()[:16]


IDS = {c: sorted(image_id(c, n) for n in range(size)) for c, size in SIZES.items()}
KEPT = {c: ids for c, ids in IDS.items() if c != OVERLAPPING}
DROPPED_ID = image_id(7, 99)
TWICE_ID = IDS[7][0]
LACKING = {IDS[7][1]: {"author"}, IDS[20][2]: {"author", "license", "title"}}
NUM_INGESTED = sum(SIZES.values()) + 2


def write_small_manifests(folder: Path, policy: str = "paper") -> Path:
    """Write the manifests, with digests that are right for them."""
    tables = {"gldv2_clean": IDS, "rgldv2_clean": KEPT}
    for table, classes in tables.items():
        rows = manifest_rows(classes)
        for number, shard in enumerate(SHARDS):
            write_rows(folder / table / f"{shard}.parquet", MANIFEST, rows[number::2])
        write_train_clean_csv(folder / table / "train_clean.csv", classes)
    for shard, rows in zip(SHARDS, (removed_rows()[::2], removed_rows()[1::2]), strict=True):
        write_rows(folder / "removed" / f"{shard}.parquet", REMOVED, rows)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    digests = {path.relative_to(folder).as_posix(): digest_file(path) for path in files}
    write_manifest(folder / "manifest.json", _describe(digests, policy))
    return folder


def open_small_release(folder: Path) -> Release:
    return Release.open(write_small_manifests(folder / "manifests"))


def manifest_rows(classes: dict[int, list[str]]) -> list[dict]:
    """Rows of the table `manifest` for the images of some classes."""
    numbers = index_classes(classes)
    val = {i for ids in classes.values() for i in choose_val_images(ids, SETTINGS)}
    places = ((landmark_id, name) for landmark_id, ids in classes.items() for name in ids)
    return [
        _manifest_row(name, landmark_id, numbers[landmark_id], "val" if name in val else "train")
        for landmark_id, name in places
    ]


def removed_rows() -> list[dict]:
    gone = [(name, OVERLAPPING, "overlap", "visual_majority", EVIDENCE) for name in IDS[55]]
    dropped = (DROPPED_ID, 7, "clean", "no_verified_neighbour", f"Copy of {IDS[7][2]}.")
    twice = (TWICE_ID, 7, "ingest", "duplicate_id", None)
    names = REMOVED.schema.names
    return [dict(zip(names, row, strict=True)) for row in (*gone, dropped, twice)]


def _manifest_row(name: str, landmark_id: int, class_index: int, split: str) -> dict:
    rights = {"author": "Ana", "license": "CC BY 4.0", "title": f"File:{name}.jpg"}
    place = int(name[:6], 16)
    return {
        "image_id": name,
        "landmark_id": landmark_id,
        "class_index": class_index,
        "landmark_name": NAMES.get(landmark_id),
        "shard": f"train/{SHARDS[place % 2]}.tar",
        "member": member_path(name),
        "offset": 512 * place,
        "num_bytes": 1000 + place % 7,
        "width": 800,
        "height": 600,
        "sha256": hashlib.sha256(name.encode()).hexdigest(),
        "source_url": f"https://example.org/{name}.jpg",
        **{key: None if key in LACKING.get(name, ()) else text for key, text in rights.items()},
        "num_verified_neighbours": 3,
        "split": split,
    }


def _describe(digests: dict[str, str], policy: str) -> Manifest:
    return Manifest(
        counts=_count(KEPT),
        gldv2_clean=_count(IDS),
        ingested=NUM_INGESTED,
        removed={
            "clean": {"no_verified_neighbour": 1},
            "ingest": {"duplicate_id": 1},
            "overlap": {"visual_majority": 3},
        },
        digests=digests,
        config_digest="0" * 64,
        code_version="0",
        policy={"policy": policy, "min_confirmations": 1, **SETTINGS.model_dump(mode="json")},
        parents={},
        removed_classes=(
            RemovedClass(
                landmark_id=OVERLAPPING,
                landmark_name=NAMES[OVERLAPPING],
                images=3,
                reason="visual_majority",
                evidence=EVIDENCE,
                queries=("tiny/q",),
                reviewers=("anna",),
                runner_ups=(),
            ),
        ),
        calibration=None,
        ties=(),
        pending=0,
        unmatched_decisions=0,
    )


def _count(classes: dict[int, list[str]]) -> ManifestCounts:
    rows = manifest_rows(classes)
    splits = {}
    for split in ("train", "val"):
        found = [row["landmark_id"] for row in rows if row["split"] == split]
        splits[split] = SplitCounts(images=len(found), classes=len(set(found)))
    return ManifestCounts(images=len(rows), classes=len(classes), splits=splits)
