"""RGLDv2-clean from GLDv2's own list: the published classes taken out, without a single image.

The work is done on whole columns; a million and a half images are never Python objects one by
one, except where each is hashed to choose the images that validate.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cleanmark.rgldv2_locations import ImageLocations, describe_missing, refuse_missing
from cleanmark.rgldv2_rows import Columns, describe_kept, describe_published, number_classes
from curation.class_index import ValSplitSettings, mark_val_images
from manifests.arrow_schemas import REMOVED
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
from manifests.rows import ImageStatus, RemovalReason

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
    run_dir: Path | None = None,
    allow_other_totals: bool = False,
    allow_missing: bool = False,
) -> Manifest:
    """Take the published classes out of a list and write what stays, what goes, and why.

    Writes `rgldv2_clean/` (Parquet, and a list in the form of `train_clean.csv`), `removed/`, and
    last `manifest.json`, into the folder `out`. The bytes depend on the lists and settings alone.

    Args:
        lists: GLDv2's lists.
        out: folder; made if missing.
        settings: which images validate.
        run_dir: a run that has read the shards; the split then says where each image is, so that
            it can be trained on.
        allow_missing: whether to leave out images that the run has not found or could not read.
        allow_other_totals: whether a list of other size than the published one is taken too.

    Raises:
        OtherTotalsError: the list, or a class that goes, has not the published size.
        MissingImagesError: the run lacks images that stay.
        manifests.gldv2_csv.Gldv2CsvError: a list is missing or has a row that cannot be right.
    """
    settings = settings or ValSplitSettings()
    published = read_published_classes()
    images = _sort_by_id(read_train_clean_table(lists.train_clean))
    if not allow_other_totals:
        _check_totals(lists.train_clean, images, published)
    names = read_category_csv(lists.categories) if lists.categories is not None else {}
    locations = None if run_dir is None else ImageLocations.read(run_dir)
    parts = _divide(images, published, locations, settings)
    if not allow_missing and run_dir is not None:
        refuse_missing(run_dir, parts.missing)

    # Until the last file is there, nothing may look finished.
    (out / "manifest.json").unlink(missing_ok=True)
    digests = _write_parts(parts, out, names, ImageOrigins.read(lists.train, lists.attribution))
    manifest = Manifest(
        counts=_count(parts.kept),
        gldv2_clean=_count(pa.concat_tables([parts.kept, parts.gone])),
        ingested=len(images),
        removed=_count_removed(parts.removed),
        digests=digests,
        config_digest=digest_json(settings.model_dump(mode="json")),
        code_version=CODE_VERSION,
        policy={"policy": "published", **settings.model_dump(mode="json")},
        parents=_list_parents(lists, locations),
        removed_classes=_describe_removals(parts.gone, published, names),
        calibration=None,
        ties=(),
        pending=0,
        unmatched_decisions=0,
    )
    write_manifest(out / "manifest.json", manifest)
    return manifest


@dataclass(frozen=True, eq=False)
class _Parts:
    """A list taken apart.

    Attributes:
        kept: images that stay: image_id, landmark_id and split.
        places: where they are, if a run has found them.
        gone: images of the published classes, with the same columns.
        missing: images that would stay if they were there, as rows of the table `removed`.
    """

    kept: pa.Table
    places: Columns | None
    gone: pa.Table
    missing: pa.Table

    @property
    def removed(self) -> pa.Table:
        """All images that do not stay, with the reason, by id."""
        return pa.concat_tables([describe_published(self.gone), self.missing]).sort_by("image_id")


def _divide(
    images: pa.Table,
    published: tuple[PublishedClass, ...],
    locations: ImageLocations | None,
    settings: ValSplitSettings,
) -> _Parts:
    goes = pc.is_in(images["landmark_id"], pa.array([c.landmark_id for c in published]))
    kept, places, missing = _locate(images.filter(pc.invert(goes)), locations)
    # Every class is split by itself, so that the removal of others changes nothing.
    gone = _split(images.filter(goes), settings)
    return _Parts(_split(kept, settings), places, gone, missing)


def _write_parts(
    parts: _Parts, out: Path, names: dict[int, str], origins: ImageOrigins
) -> dict[str, str]:
    """Write the tables; return the digests of their files."""
    split_path, removed_path = out / _SPLIT_FOLDER / _PART, out / "removed" / _PART
    csv_path = out / _SPLIT_FOLDER / "train_clean.csv"
    write_table(split_path, *describe_kept(parts.kept, names, origins, parts.places))
    write_table(removed_path, REMOVED, parts.removed)
    write_train_clean_table(csv_path, parts.kept)
    files = (split_path, csv_path, removed_path)
    return {str(path.relative_to(out)): digest_file(path) for path in sorted(files)}


def _list_parents(lists: Lists, locations: ImageLocations | None) -> dict[str, str]:
    parents = lists.digests | {REFERENCE_NAME: digest_bytes(reference_bytes())}
    return parents if locations is None else parents | {"images": locations.digest}


def _locate(
    kept: pa.Table, locations: ImageLocations | None
) -> tuple[pa.Table, Columns | None, pa.Table]:
    """The images that stay and where they are, and as rows of `removed` those that are missing."""
    if locations is None:
        return kept, None, REMOVED.schema.empty_table()
    found = locations.locate(kept)
    is_there = pc.fill_null(pc.equal(found["status"], ImageStatus.OK.value), pa.scalar(value=False))
    is_missing = pc.invert(is_there)
    missing = describe_missing(kept.filter(is_missing), found.filter(is_missing))
    places = found.filter(is_there).drop_columns(["status", "reason"])
    return kept.filter(is_there), {n: places[n] for n in places.column_names}, missing


def _count_removed(removed: pa.Table) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for group in removed.group_by(["stage", "reason"]).aggregate([([], "count_all")]).to_pylist():
        counts.setdefault(group["stage"], {})[group["reason"]] = group["count_all"]
    return {stage: dict(sorted(reasons.items())) for stage, reasons in sorted(counts.items())}


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
        images["image_id"].to_pylist(), number_classes(images["landmark_id"]), settings
    )
    split = pa.array(np.where(held_out, "val", "train"), pa.string())
    return images.append_column("split", split)


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
