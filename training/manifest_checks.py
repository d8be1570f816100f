"""What is checked before a long training starts, each refusal with its remedy."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from manifests.certificates.certificate import CERTIFICATE_NAME, read_certificate
from manifests.input_error import InputError
from manifests.lineage import digest_bytes, digest_file, digest_json
from manifests.manifest_json import Manifest, read_manifest
from training.manifest_images import ManifestImages, list_parts
from training.shard_files import ShardFiles

_MANIFEST_NAME: Final = "manifest.json"
_NUM_LISTED: Final = 5
MIN_TRAIN_IMAGES: Final = 2
"""Of a class: an image alone has no other that its descriptor could come close to."""


@dataclass(frozen=True)
class CheckedManifest:
    """What is known of a manifest that passed.

    Attributes:
        digest: of the files of the split; equal digests mean equal rows.
        is_certified: whether a certificate says that it does not overlap its evaluation sets.
    """

    digest: str
    is_certified: bool


def check_files(folder: Path) -> CheckedManifest:
    """Compare the files of a split with `manifest.json`, and look at the certificate.

    Args:
        folder: of the split, such as RUN/manifests/rgldv2_clean.

    Raises:
        InputError: a file differs from what was published, or the certificate is damaged, speaks
            against the split, or of another manifest.
    """
    parts = list_parts(folder)
    path = folder.parent / _MANIFEST_NAME
    published = _read_published(path).digests
    found = {f"{folder.name}/{part.name}": digest_file(part) for part in parts}
    expected = {
        name: digest
        for name, digest in published.items()
        if name.startswith(f"{folder.name}/") and name.endswith(".parquet")
    }
    for name in sorted(found.keys() | expected.keys()):
        if found.get(name) != expected.get(name):
            raise InputError(
                f"{folder.parent / name}: {_name_difference(name, found, expected)}; write the "
                "manifest again with `cleanmark emit`, or copy its folder again"
            )
    return CheckedManifest(digest_json(found), _check_certificate(path, folder.name))


def check_classes(train: ManifestImages, val: ManifestImages) -> int:
    """Check the class numbers; return how many classes there are.

    Raises:
        InputError: no images, gaps in class_index, or classes with too few images to train on.
    """
    if not len(train):
        raise InputError("the manifest has no training images: look at `cleanmark status RUN`")
    every = np.concatenate([train.class_index, val.class_index])
    sizes = np.bincount(train.class_index[train.class_index >= 0], minlength=int(every.max()) + 1)
    gaps = np.setdiff1d(np.arange(len(sizes)), every)
    if len(gaps) or every.min() < 0:
        missing = gaps if len(gaps) else every[every < 0]
        raise InputError(
            f"class_index is not 0..{len(sizes) - 1} without gaps: {_list(missing)} have no image "
            "or make no sense; write the manifest with `cleanmark emit`, do not filter its rows"
        )
    small = np.flatnonzero(sizes < MIN_TRAIN_IMAGES)
    if len(small):
        raise InputError(
            f"{len(small)} of {len(sizes)} classes have fewer than {MIN_TRAIN_IMAGES} training "
            f"images: class_index {_list(small)}; one of each class validates, so run the job "
            "again with `--set clean.min_class_images=3`"
        )
    return len(sizes)


def check_shards(images: ManifestImages, root: Path, num_sampled: int) -> None:
    """Check that all shards are there and long enough, and the digests of some images.

    Args:
        images: of all splits that will be read.
        root: folder that the names of shards count from.
        num_sampled: images whose bytes are read and compared; at least the last one of each
            shard, as far as the number goes, and others spread over the manifest.

    Raises:
        InputError: a shard is missing, was cut short, or holds other bytes.
    """
    ends = images.offsets + images.num_bytes
    needed = np.zeros(len(images.shards), np.int64)
    np.maximum.at(needed, images.shard_numbers, ends)
    missing = [name for name in images.shards if not (root / name).is_file()]
    if missing:
        raise InputError(
            f"{root}: {len(missing)} of {len(images.shards)} shards are missing, such as "
            f"{missing[0]}; set data.shards to the folder that the job had as source.root, or "
            "bring them back with `cleanmark fetch`"
        )
    for name, num_bytes in zip(images.shards, needed.tolist(), strict=True):
        size = (root / name).stat().st_size
        if size < num_bytes:
            raise InputError(
                f"{root / name}: has {size} bytes, the manifest needs {num_bytes}; fetch it again"
            )
    _check_samples(images, root, _choose_sample(images, ends, num_sampled))


def _read_published(path: Path) -> Manifest:
    try:
        return read_manifest(path)
    except FileNotFoundError as error:
        raise InputError(
            f"{path}: missing, so nothing vouches for the split; data.manifest must be a folder "
            "inside the one that `cleanmark emit` wrote"
        ) from error
    except ValidationError as error:
        raise InputError(f"{path}: of another format; write it with `cleanmark emit`") from error


def _name_difference(name: str, found: dict[str, str], expected: dict[str, str]) -> str:
    if name not in found:
        return f"is missing, though {_MANIFEST_NAME} lists it"
    if name not in expected:
        return f"is not listed in {_MANIFEST_NAME}"
    return f"its SHA-256 is not the one in {_MANIFEST_NAME}"


def _check_certificate(manifest: Path, split: str) -> bool:
    path = manifest.with_name(CERTIFICATE_NAME)
    certificate = read_certificate(path)
    if certificate is None:
        return False
    if certificate.training.manifest_sha256 != digest_file(manifest):
        raise InputError(f"{path}: speaks of another {_MANIFEST_NAME}; audit this one again")
    if certificate.training.split != split:
        return False
    if not certificate.verdict.passed:
        raise InputError(
            f"{path}: the split failed its audit: {certificate.verdict.reason}; see the findings "
            "beside it, decide with `cleanmark review`, emit again and audit again"
        )
    return True


def _choose_sample(
    images: ManifestImages, ends: NDArray[np.int64], num_sampled: int
) -> NDArray[np.int64]:
    """Rows to compare: the last image of each shard first, then an even spread."""
    by_shard = np.lexsort((ends, images.shard_numbers))
    is_last = np.diff(images.shard_numbers[by_shard], append=-1) != 0
    spread = np.linspace(0, len(images) - 1, min(num_sampled, len(images)), dtype=np.int64)
    chosen = np.concatenate([by_shard[is_last], spread])
    return np.array(list(dict.fromkeys(chosen.tolist()))[:num_sampled], np.int64)


def _check_samples(images: ManifestImages, root: Path, rows: NDArray[np.int64]) -> None:
    files = ShardFiles(root)
    for row in rows.tolist():
        shard = images.shards[images.shard_numbers[row]]
        data = files.read(shard, int(images.offsets[row]), int(images.num_bytes[row]))
        if digest_bytes(data) != images.sha256[row].decode():
            raise InputError(
                f"{root / shard}: {images.describe(row)} has another SHA-256 than the manifest "
                "says: the shard was changed; fetch it again, or run the job again on this one"
            )
    files.close()


def _list(numbers: Sequence[int] | NDArray[np.integer]) -> str:
    listed = ", ".join(str(int(number)) for number in numbers[:_NUM_LISTED])
    return f"{listed}, ..." if len(numbers) > _NUM_LISTED else listed
