"""Takes single images out of published manifests: a new version, with a tombstone for each.

Every other row stays as it is, class numbers and splits included, so that its digest is the same
in both versions. The old version is not touched; what was said of it still holds of it.
"""

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from manifests.arrow_schemas import REMOVED
from manifests.atomic import write_text
from manifests.exports.releases import MANIFEST_NAME, Release
from manifests.exports.staging import staged_folder
from manifests.input_error import InputError
from manifests.lineage import CODE_VERSION, digest_file, digest_json
from manifests.manifest_json import (
    Manifest,
    ManifestCounts,
    RemovedClass,
    SplitCounts,
    write_manifest,
)
from manifests.parquet_io import read_table, write_table
from manifests.row_erasure import Erased, copy_without
from manifests.rows import ForgetReason

TOMBSTONES_NAME: Final = "tombstones.json"
STAGE: Final = "forget"
_FORGOTTEN_PART = "removed/forgotten.parquet"
_PUBLISHED, _CLEAN, _REMOVED = "rgldv2_clean", "gldv2_clean", "removed"


@dataclass(frozen=True)
class Forgotten:
    """What was taken out.

    Attributes:
        image_ids: of the images, sorted.
        num_published: of these, images of the published split.
        num_mentions: see `manifests.row_erasure.Erased`.
        vanished_classes: that have no image in the published split any more. Their numbers stay
            free, since every other row stays as it is.
    """

    image_ids: tuple[str, ...]
    num_published: int
    num_mentions: int
    vanished_classes: tuple[int, ...]


def digest_row(row: Mapping[str, Any]) -> str:
    """SHA-256 of a row of a table, by its values alone."""
    return digest_json(dict(row))


def forget_images(source: Path, to: Path, image_ids: Collection[str], note: str = "") -> Forgotten:
    """Write the manifests in `source` without some images into the new folder `to`.

    Args:
        source: folder with a `manifest.json`; stays as it is.
        to: folder of the new version; appears whole or not at all.
        image_ids: GLDv2's ids of the images.
        note: why, for the tombstones.

    Raises:
        InputError: the manifests are missing or altered, or do not have one of the images; `to`
            holds something; a file of another kind names one of the images.
    """
    old = Release.open(source).manifest
    erased = Erased()
    with staged_folder(to, lambda _: False) as folder:
        # What was forgotten before is only added to.
        for name in sorted(old.digests.keys() - {TOMBSTONES_NAME}):
            copy_without(source, folder, name, image_ids, erased)
        _check_found(source, image_ids, erased)
        _add_removed_rows(folder / _FORGOTTEN_PART, erased, note)
        _write_tombstones(source, folder / TOMBSTONES_NAME, erased, note)
        names = sorted({*old.digests, _FORGOTTEN_PART, TOMBSTONES_NAME})
        write_manifest(folder / MANIFEST_NAME, _describe(source, old, folder, names, erased))
        left = pc.unique(_read_splits(folder, names, _PUBLISHED)["landmark_id"]).to_pylist()
    lost = {row["landmark_id"] for row in erased.of(_PUBLISHED)}
    return Forgotten(
        image_ids=tuple(sorted(set(image_ids))),
        num_published=len(erased.of(_PUBLISHED)),
        num_mentions=erased.num_mentions,
        vanished_classes=tuple(sorted(lost - set(left))),
    )


def _check_found(source: Path, image_ids: Collection[str], erased: Erased) -> None:
    if not image_ids:
        raise InputError("no image to forget: name at least one id")
    rows = [*erased.of(_PUBLISHED), *erased.of(_REMOVED)]
    unknown = sorted(set(image_ids) - {row["image_id"] for row in rows})
    if unknown:
        raise InputError(
            f"{source}: has no image {', '.join(unknown)}; give ids as GLDv2 writes them, 16 "
            "hexadecimal digits"
        )
    before = sorted({row["image_id"] for row in erased.of(_REMOVED) if row["stage"] == STAGE})
    if before:
        raise InputError(f"{source}: {', '.join(before)} was forgotten before; leave it out")


def _add_removed_rows(path: Path, erased: Erased, note: str) -> None:
    """A row for each that is gone, so that kept and removed rows still add up to all."""
    old = read_table(path, REMOVED) if path.is_file() else REMOVED.schema.empty_table()
    rows = [
        {
            "image_id": row["image_id"],
            "landmark_id": row["landmark_id"],
            "stage": STAGE,
            "reason": ForgetReason.FORGOTTEN.value,
            "evidence": note or None,
        }
        for row in (*erased.of(_PUBLISHED), *erased.of(_REMOVED))
    ]
    new = pa.Table.from_pylist(rows, REMOVED.schema)
    write_table(path, REMOVED, pa.concat_tables([old, new]).sort_by("image_id"))


def _write_tombstones(source: Path, path: Path, erased: Erased, note: str) -> None:
    """Digests of the rows instead of the rows: whoever has one can show that it was meant."""
    old_path = source / TOMBSTONES_NAME
    old = json.loads(old_path.read_text(encoding="utf-8")) if old_path.is_file() else []
    digests: dict[str, dict[str, list[str]]] = {}
    for table, rows in sorted(erased.rows.items()):
        for row in rows:
            digests.setdefault(row["image_id"], {}).setdefault(table, []).append(digest_row(row))
    previous = digest_file(source / MANIFEST_NAME)
    new = [
        {"image_id": i, "rows_sha256": found, "previous_manifest_sha256": previous, "note": note}
        for i, found in sorted(digests.items())
    ]
    write_text(path, json.dumps([*old, *new], indent=1, ensure_ascii=False) + "\n")


def _describe(
    source: Path, old: Manifest, folder: Path, names: Sequence[str], erased: Erased
) -> Manifest:
    """The manifest of the new version; what does not count images is that of the old one."""
    has_clean = any(name.startswith(f"{_CLEAN}/") for name in names)
    changes: dict[str, Any] = {
        "counts": _count(folder, names, _PUBLISHED),
        "removed": _recount_removed(old, erased),
        "removed_classes": _shrink(old.removed_classes, erased),
        "reduced_classes": _shrink(old.reduced_classes, erased),
        "digests": {name: digest_file(folder / name) for name in names},
        "code_version": CODE_VERSION,
        "parents": old.parents | {"previous_manifest": digest_file(source / MANIFEST_NAME)},
    }
    if has_clean:
        changes["gldv2_clean"] = _count(folder, names, _CLEAN)
    return old.model_copy(update=changes)


def _recount_removed(old: Manifest, erased: Erased) -> dict[str, dict[str, int]]:
    counts = Counter(
        {(s, r): n for s, by_reason in old.removed.items() for r, n in by_reason.items()}
    )
    counts.subtract(Counter((row["stage"], row["reason"]) for row in erased.of(_REMOVED)))
    num_gone = len(erased.of(_PUBLISHED)) + len(erased.of(_REMOVED))
    counts[STAGE, ForgetReason.FORGOTTEN.value] += num_gone
    removed: dict[str, dict[str, int]] = {}
    for (stage, reason), number in sorted(counts.items()):
        if number:
            removed.setdefault(stage, {})[reason] = number
    return removed


def _shrink(classes: Sequence[RemovedClass], erased: Erased) -> tuple[RemovedClass, ...]:
    """Classes with the numbers of images that the table `removed` still has of them."""
    gone = Counter(row["landmark_id"] for row in erased.of(_REMOVED) if row["stage"] == "overlap")
    return tuple(c.model_copy(update={"images": c.images - gone[c.landmark_id]}) for c in classes)


def _count(folder: Path, names: Sequence[str], table: str) -> ManifestCounts:
    rows = _read_splits(folder, names, table)
    splits = {
        split: _count_rows(rows.filter(pc.equal(rows["split"], split)))
        for split in ("train", "val")
    }
    whole = _count_rows(rows)
    return ManifestCounts(images=whole.images, classes=whole.classes, splits=splits)


def _count_rows(rows: pa.Table) -> SplitCounts:
    return SplitCounts(images=len(rows), classes=pc.count_distinct(rows["landmark_id"]).as_py())


def _read_splits(folder: Path, names: Sequence[str], table: str) -> pa.Table:
    parts = [folder / n for n in names if n.startswith(f"{table}/") and n.endswith(".parquet")]
    return pa.concat_tables(pq.read_table(part, columns=["landmark_id", "split"]) for part in parts)
