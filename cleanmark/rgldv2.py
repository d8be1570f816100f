"""RGLDv2-clean from GLDv2's own list: the published classes taken out, without a single image.

The work is done on whole columns; a million and a half images are never Python objects one by
one, except where each is hashed to choose the images that validate.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curation.class_index import ValSplitSettings, mark_val_images
from manifests.arrow_schemas import LISTED, REMOVED
from manifests.gldv2_csv import read_category_csv, read_train_clean_table, write_train_clean_table
from manifests.gldv2_metadata import parse_ids
from manifests.image_origins import ImageOrigins
from manifests.input_error import InputError
from manifests.lineage import CODE_VERSION, digest_bytes, digest_file, digest_json
from manifests.manifest_json import (
    Manifest,
    ManifestCounts,
    RemovedClass,
    SplitCounts,
    write_manifest,
)
from manifests.parquet_io import write_table
from manifests.reference.published_removal import (
    GLDV2_CLEAN,
    REFERENCE_NAME,
    RGLDV2_CLEAN,
    SOURCE,
    PublishedClass,
    read_published_classes,
    reference_bytes,
)
from manifests.rows import RemovalReason

_PART = "part-00000.parquet"
_SPLIT_FOLDER = "rgldv2_clean"


class OtherTotalsError(InputError):
    """A list that is not the published GLDv2-clean; the message says in what it differs."""


@dataclass(frozen=True)
class Lists:
    """GLDv2's lists on disk.

    Attributes:
        train_clean: `train_clean.csv`; the only one that must be there.
        categories: `train_label_to_category.csv`, for the names of the classes.
        train: `train.csv`, for the addresses of the images.
        attribution: `train_attribution.csv`, for their authors, licences and titles.
    """

    train_clean: Path
    categories: Path | None = None
    train: Path | None = None
    attribution: Path | None = None

    @property
    def digests(self) -> dict[str, str]:
        """SHA-256 of each list that was given, by GLDv2's name of it."""
        paths = {
            "train_clean.csv": self.train_clean,
            "train_label_to_category.csv": self.categories,
            "train.csv": self.train,
            "train_attribution.csv": self.attribution,
        }
        return {name: digest_file(path) for name, path in paths.items() if path is not None}


def rebuild_rgldv2_clean(
    lists: Lists,
    out: Path,
    settings: ValSplitSettings | None = None,
    *,
    allow_other_totals: bool = False,
) -> Manifest:
    """Take the published classes out of a list and write what stays, what goes, and why.

    Writes `rgldv2_clean/` (Parquet, and a list in the form of `train_clean.csv`), `removed/`, and
    last `manifest.json`, into the folder `out`. The bytes depend on the lists and settings alone.

    Args:
        lists: GLDv2's lists.
        out: folder; made if missing.
        settings: which images validate.
        allow_other_totals: whether a list of other size than the published one is taken too.

    Raises:
        OtherTotalsError: the list, or a class that goes, has not the published size.
        manifests.gldv2_csv.Gldv2CsvError: a list is missing or has a row that cannot be right.
    """
    settings = settings or ValSplitSettings()
    published = read_published_classes()
    images = _sort_by_id(read_train_clean_table(lists.train_clean))
    if not allow_other_totals:
        _check_totals(lists.train_clean, images, published)
    names = read_category_csv(lists.categories) if lists.categories is not None else {}
    goes = pc.is_in(images["landmark_id"], pa.array([c.landmark_id for c in published]))
    # Every class is split by itself, so that the removal of others changes nothing.
    images = _split(images, settings)
    kept, gone = images.filter(pc.invert(goes)), images.filter(goes)

    # Until the last file is there, nothing may look finished.
    (out / "manifest.json").unlink(missing_ok=True)
    split_path, removed_path = out / _SPLIT_FOLDER / _PART, out / "removed" / _PART
    csv_path = out / _SPLIT_FOLDER / "train_clean.csv"
    origins = ImageOrigins.read(lists.train, lists.attribution)
    write_table(split_path, LISTED, _as_listed(kept, names, origins))
    write_table(removed_path, REMOVED, _as_removed(gone))
    write_train_clean_table(csv_path, kept)
    files = (split_path, csv_path, removed_path)
    manifest = Manifest(
        counts=_count(kept),
        gldv2_clean=_count(images),
        ingested=len(images),
        removed={"overlap": {RemovalReason.PUBLISHED: len(gone)}} if len(gone) else {},
        digests={str(path.relative_to(out)): digest_file(path) for path in sorted(files)},
        config_digest=digest_json(settings.model_dump(mode="json")),
        code_version=CODE_VERSION,
        policy={"policy": "published", **settings.model_dump(mode="json")},
        parents=lists.digests | {REFERENCE_NAME: digest_bytes(reference_bytes())},
        removed_classes=_describe_removals(gone, published, names),
        calibration=None,
        ties=(),
        pending=0,
        unmatched_decisions=0,
    )
    write_manifest(out / "manifest.json", manifest)
    return manifest


def _sort_by_id(images: pa.Table) -> pa.Table:
    keys, _ = parse_ids(images["image_id"])
    return images.combine_chunks().take(pa.array(np.argsort(keys)))


def _check_totals(path: Path, images: pa.Table, published: tuple[PublishedClass, ...]) -> None:
    sizes = _class_sizes(images)
    faults = []
    found = SplitCounts(images=len(images), classes=len(sizes))
    if found != GLDV2_CLEAN:
        faults.append(
            f"{found.images:,} images of {found.classes:,} classes, "
            f"published are {GLDV2_CLEAN.images:,} of {GLDV2_CLEAN.classes:,}"
        )
    for landmark in published:
        size = sizes.get(landmark.landmark_id, 0)
        if size != landmark.images:
            faults.append(
                f"class {landmark.landmark_id} ({landmark.landmark_name}): {size} images, "
                f"published are {landmark.images}"
            )
    if faults:
        raise OtherTotalsError(
            f"{path}: not the published GLDv2-clean: {'; '.join(faults)}. So the result cannot "
            f"have the published {RGLDV2_CLEAN.images:,} images of {RGLDV2_CLEAN.classes:,} "
            "classes. Fetch the list again (cleanmark fetch gldv2), or pass "
            "--allow-other-totals to take the classes out of this one"
        )


def _class_sizes(images: pa.Table) -> dict[int, int]:
    counted = images["landmark_id"].value_counts()
    return {entry["values"]: entry["counts"] for entry in counted.to_pylist()}


def _split(images: pa.Table, settings: ValSplitSettings) -> pa.Table:
    held_out = mark_val_images(
        images["image_id"].to_pylist(), _number_classes(images["landmark_id"]), settings
    )
    split = pa.array(np.where(held_out, "val", "train"), pa.string())
    return images.append_column("split", split)


def _number_classes(landmark_ids: pa.ChunkedArray) -> NDArray[np.int64]:
    # Unique integers come in ascending order: the rule by which classes are numbered.
    _, class_index = np.unique(landmark_ids.to_numpy(), return_inverse=True)
    return class_index


def _as_listed(kept: pa.Table, names: dict[int, str], origins: ImageOrigins) -> pa.Table:
    ids = kept["image_id"]
    columns = {
        **{name: kept[name] for name in kept.column_names},
        "class_index": pa.array(_number_classes(kept["landmark_id"]).astype(np.int32)),
        "landmark_name": _look_up_names(kept["landmark_id"].to_numpy(), names),
        "member": _member_paths(ids),
        **origins.look_up(ids),
    }
    return pa.table({name: columns[name] for name in LISTED.schema.names})


def _member_paths(ids: pa.ChunkedArray) -> pa.ChunkedArray:
    """As `manifests.gldv2_csv.member_path`, for whole columns."""
    folders = [pc.utf8_slice_codeunits(ids, place, place + 1) for place in range(3)]
    file_names = pc.binary_join_element_wise(ids, "jpg", ".")
    return pc.binary_join_element_wise(*folders, file_names, "/")


def _look_up_names(landmark_ids: NDArray[np.int64], names: dict[int, str]) -> pa.Array:
    classes, position = np.unique(landmark_ids, return_inverse=True)
    by_class = pa.array([names.get(landmark_id) for landmark_id in classes.tolist()], pa.string())
    return by_class.take(pa.array(position))


def _as_removed(gone: pa.Table) -> pa.Table:
    size = len(gone)
    columns = {
        "image_id": gone["image_id"],
        "landmark_id": gone["landmark_id"],
        "stage": pa.repeat("overlap", size),
        "reason": pa.repeat(str(RemovalReason.PUBLISHED), size),
        "evidence": pa.repeat(SOURCE, size),
    }
    return pa.table({name: columns[name] for name in REMOVED.schema.names})


def _count(images: pa.Table) -> ManifestCounts:
    whole = _count_images(images)
    splits = {
        split: _count_images(images.filter(pc.equal(images["split"], split)))
        for split in ("train", "val")
    }
    return ManifestCounts(images=whole.images, classes=whole.classes, splits=splits)


def _count_images(images: pa.Table) -> SplitCounts:
    return SplitCounts(images=len(images), classes=pc.count_distinct(images["landmark_id"]).as_py())


def _describe_removals(
    gone: pa.Table, published: tuple[PublishedClass, ...], names: dict[int, str]
) -> tuple[RemovedClass, ...]:
    sizes = _class_sizes(gone)
    return tuple(
        RemovedClass(
            landmark_id=landmark.landmark_id,
            landmark_name=names.get(landmark.landmark_id, landmark.landmark_name),
            images=sizes[landmark.landmark_id],
            reason=RemovalReason.PUBLISHED,
            evidence=f"{SOURCE}; found there by {_CHANNELS[landmark.found_by]}",
            queries=(),
            reviewers=(),
            runner_ups=(),
        )
        for landmark in published
        if landmark.landmark_id in sizes
    )


_CHANNELS = {"visual": "its photographs", "text": "its name"}
