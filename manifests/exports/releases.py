"""What is exported: manifests as they were written, with every file of them checked."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.dataset as ds
from pydantic import ValidationError

from manifests.arrow_schemas import LISTED, MANIFEST, REMOVED, Table
from manifests.input_error import InputError
from manifests.lineage import digest_file
from manifests.manifest_json import Manifest, RemovedClass, read_manifest
from manifests.parquet_io import holds_table, scan_table

MANIFEST_NAME: Final = "manifest.json"
_PUBLISHED_POLICY = "published"
_BATCH_ROWS = 32_768
_BATCHES_AHEAD = 4


@dataclass(frozen=True, eq=False)
class Release:
    """The split of one policy, as `cleanmark emit` or `cleanmark rgldv2` wrote it.

    Attributes:
        path: the folder of the manifests.
        manifest: its `manifest.json`.
        table: what a row of a split is; `listed` if no image was read.
        kept: rows of the published split.
        clean: rows of the split before the overlap was removed; empty if they were not kept.
        removed: rows of the table `removed`.
    """

    path: Path
    manifest: Manifest
    table: Table
    kept: ds.Dataset
    clean: ds.Dataset
    removed: ds.Dataset

    @classmethod
    def open(cls, path: Path) -> "Release":
        """Read `manifest.json` and compare every file with it.

        Raises:
            InputError: it is missing or of another format, or a file is not what it says.
        """
        manifest = _read(path / MANIFEST_NAME)
        for name, digest in manifest.digests.items():
            _check_file(path / name, digest)
        kept = list_parts(path, manifest, "rgldv2_clean")
        table = LISTED if kept and all(holds_table(part, LISTED) for part in kept) else MANIFEST
        return cls(
            path,
            manifest,
            table,
            scan_table(kept, table),
            scan_table(list_parts(path, manifest, "gldv2_clean"), table),
            scan_table(list_parts(path, manifest, "removed"), REMOVED),
        )

    @property
    def policy(self) -> str:
        """The name of the policy, and of everything that is named after it."""
        return str(self.manifest.policy.get("policy", _PUBLISHED_POLICY))

    @property
    def touched_classes(self) -> tuple[RemovedClass, ...]:
        """Classes that the policy removed, or took images from."""
        return (*self.manifest.removed_classes, *self.manifest.reduced_classes)


def list_parts(folder: Path, manifest: Manifest, table: str) -> list[Path]:
    """The Parquet parts of one of the tables beside a `manifest.json`, by name."""
    names = sorted(manifest.digests)
    found = (name for name in names if name.startswith(f"{table}/") and name.endswith(".parquet"))
    return [folder / name for name in found]


def read_matching(
    rows: ds.Dataset, condition: ds.Expression, columns: Sequence[str] | None = None
) -> pa.Table:
    """The rows that meet a condition; of the others only a few thousand are in memory at a time."""
    names = None if columns is None else list(columns)
    return rows.to_table(
        names,
        filter=condition,
        batch_size=_BATCH_ROWS,
        batch_readahead=_BATCHES_AHEAD,
        fragment_readahead=1,
    )


def _read(path: Path) -> Manifest:
    try:
        return read_manifest(path)
    except FileNotFoundError as error:
        raise InputError(
            f"{path}: missing; give the folder of a finished run, its folder manifests/, or the "
            "output of `cleanmark rgldv2`"
        ) from error
    except ValidationError as error:
        raise InputError(
            f"{path}: of another format; write it again with `cleanmark emit` or `cleanmark rgldv2`"
        ) from error


def _check_file(path: Path, digest: str) -> None:
    if not path.is_file():
        raise InputError(f"{path}: missing, though {MANIFEST_NAME} lists it; copy the folder again")
    if digest_file(path) != digest:
        raise InputError(
            f"{path}: not the file that {MANIFEST_NAME} lists, its SHA-256 differs; copy the "
            "folder again, or write it again with `cleanmark emit`"
        )
