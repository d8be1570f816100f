"""What is exported: a folder of manifests, and the split that a policy makes of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from numpy.typing import NDArray
from pydantic import ValidationError

from manifests.arrow_schemas import LISTED, MANIFEST, REMOVED, Table
from manifests.input_error import InputError
from manifests.lineage import digest_file
from manifests.manifest_json import Manifest, RemovedClass, read_manifest
from manifests.parquet_io import holds_table, scan_table

MANIFEST_NAME: Final = "manifest.json"
_SPLIT, _CLEAN, _REMOVED = "rgldv2_clean", "gldv2_clean", "removed"


@dataclass(frozen=True, eq=False)
class ManifestsFolder:
    """Manifests as `cleanmark emit` or `cleanmark rgldv2` wrote them.

    Attributes:
        path: the folder.
        manifest: its `manifest.json`.
        table: what a row of a split is; `listed` if no image was read.
    """

    path: Path
    manifest: Manifest
    table: Table

    @classmethod
    def open(cls, path: Path) -> "ManifestsFolder":
        """Read `manifest.json` and compare every file with it.

        Raises:
            InputError: it is missing or of another format, or a file is not what it says.
        """
        manifest = _read(path / MANIFEST_NAME)
        for name, digest in manifest.digests.items():
            _check_file(path / name, digest)
        found = cls(path, manifest, MANIFEST)
        parts = found.list_parts(_SPLIT)
        if parts and all(holds_table(part, LISTED) for part in parts):
            return cls(path, manifest, LISTED)
        return found

    def list_parts(self, name: str) -> list[Path]:
        """The Parquet parts of one of the folder's tables, by name."""
        names = sorted(self.manifest.digests)
        return [self.path / n for n in names if n.startswith(f"{name}/") and n.endswith(".parquet")]

    @cached_property
    def published(self) -> ds.Dataset:
        """Rows of the split that the folder's own policy made."""
        return scan_table(self.list_parts(_SPLIT), self.table)

    @cached_property
    def clean(self) -> ds.Dataset | None:
        """Rows of the split before the overlap was removed; None if they were not kept."""
        parts = self.list_parts(_CLEAN)
        return scan_table(parts, self.table) if parts else None

    @cached_property
    def removed(self) -> ds.Dataset:
        """Rows of the table `removed`."""
        return scan_table(self.list_parts(_REMOVED), REMOVED)


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


@dataclass(frozen=True, eq=False)
class Release:
    """The split of one policy.

    Attributes:
        folder: where its rows come from.
        policy: name of the policy.
        settings: that the policy stands for, and those of the split.
        removed_classes: classes that the policy removes.
        is_own: whether it is the policy that the folder was written with. Then its rows are the
            published ones; of any other they are the clean split without the classes, numbered
            anew. Which images validate is the same for all: every class is split by itself.
    """

    folder: ManifestsFolder
    policy: str
    settings: Mapping[str, Any]
    removed_classes: tuple[RemovedClass, ...]
    is_own: bool

    @property
    def kept(self) -> ds.Dataset:
        """Where the rows that stay are; filter them with `stays`."""
        if self.is_own:
            return self.folder.published
        if self.folder.clean is None:
            raise InputError(f"{self.folder.path}: has no gldv2_clean/, which other policies need")
        return self.folder.clean

    @property
    def gone_ids(self) -> pa.Array:
        """The classes that go, int64 ascending."""
        return pa.array([c.landmark_id for c in self.removed_classes], pa.int64())

    @property
    def stays(self) -> ds.Expression:
        """Which rows of `kept` stay."""
        return ~ds.field("landmark_id").isin(self.gone_ids)

    @cached_property
    def classes(self) -> NDArray[np.int64]:
        """The classes that stay, ascending: their places are the labels of a replanned split."""
        ids = self.kept.to_table(["landmark_id"], filter=self.stays)["landmark_id"]
        return np.unique(np.asarray(pc.unique(ids).to_numpy(), np.int64))


def own_release(folder: ManifestsFolder) -> Release:
    """The split of the policy that a folder was written with."""
    manifest = folder.manifest
    policy = str(manifest.policy.get("policy", "published"))
    return Release(folder, policy, manifest.policy, manifest.removed_classes, is_own=True)
