"""Descriptors of an image list on disk, in parts, with what they were made by.

A folder holds `lineage.json`, written first, and for every 512 images `part-NNNNNN.npy` (one row
per image, a row of NaN where there is none) and `part-NNNNNN.json` (the digest of the images'
bytes, and what is wrong with which). The `.npy` is written last and as a whole: a part that has one
is finished. So a description that was stopped goes on, and one that is complete is read at once.

The name of the folder carries a digest of embedder, settings and images, so that descriptors of
different origin can never be mixed.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from curation.images import ImageError
from manifests.atomic import replacing, write_text
from manifests.lineage import digest_bytes, digest_json
from manifests.strict_model import StrictModel
from training.evaluation.describers import Describer
from training.evaluation.evaluation_images import EvaluationImage
from training.evaluation.prefetch import map_ahead
from training.search import Descriptors

PART_IMAGES: Final = 512
"""At 1024 px and 16 images a batch, what waits for its batch stays under 2 GiB."""

_KEY_CHARS: Final = 16

_Prepared = TypeVar("_Prepared")


class DescribeOptions(StrictModel):
    """How descriptors are made and kept; `num_workers` does not change them."""

    dtype: Literal["float16", "float32"] = "float16"
    """Of the files. The sums of float16 products are exact, so equal images tie exactly."""
    num_workers: int = 2
    """Threads that decode and resize."""


class PartRecord(StrictModel):
    """What is known of a part besides its descriptors."""

    images_sha256: str
    """Digest of the digests of the files, in order."""
    problems: dict[str, str]
    """Image -> why it could not be read."""


@dataclass(frozen=True)
class DescriptorStore:
    """The descriptors of an image list; iterating reads them part by part, any number of times.

    Attributes:
        folder: where the parts are.
        num_images: rows of all parts.
        records: of the parts, in order.
    """

    folder: Path
    num_images: int
    records: tuple[PartRecord, ...]

    def __iter__(self) -> Iterator[Descriptors]:
        for number in range(len(self.records)):
            yield np.load(_array_path(self.folder, number), allow_pickle=False)

    def read(self) -> Descriptors:
        """All descriptors, (num_images, dimensions); for a database, not for a million."""
        return np.concatenate(list(self))

    @property
    def images_sha256(self) -> str:
        """Digest of the bytes of all images, in order."""
        return digest_json([record.images_sha256 for record in self.records])

    @property
    def problems(self) -> dict[str, str]:
        """Image -> why it has no descriptor, where the file is to blame."""
        return {name: text for record in self.records for name, text in record.problems.items()}


def describe_images(
    describer: Describer[_Prepared],
    images: Sequence[EvaluationImage],
    parent: Path,
    name: str,
    options: DescribeOptions,
    on_progress: Callable[[int], None] = lambda _: None,
) -> DescriptorStore:
    """Describe images, or go on with it, or find that all are described.

    Args:
        describer: the embedder.
        images: in the order of the rows.
        parent: folder of the folder that is written.
        name: first part of that folder's name.
        options: how descriptors are kept.
        on_progress: told how many more images are done.

    Raises:
        InputError: the box of a query lies outside its image.
    """
    lineage = _make_lineage(describer, images, options)
    folder = parent / f"{name}-{digest_json(lineage)[:_KEY_CHARS]}"
    write_text(folder / "lineage.json", json.dumps(lineage, indent=1, sort_keys=True) + "\n")
    records = []
    for number, start in enumerate(range(0, len(images), PART_IMAGES)):
        part = images[start : start + PART_IMAGES]
        shape = len(part), describer.dimensions
        if not _is_finished(folder, number, shape, options.dtype):
            descriptors, record = _describe_part(describer, part, options, on_progress)
            write_text(_record_path(folder, number), record.model_dump_json(indent=1) + "\n")
            _write_array(_array_path(folder, number), descriptors)
        else:
            on_progress(len(part))
        text = _record_path(folder, number).read_text(encoding="utf-8")
        records.append(PartRecord.model_validate_json(text))
    return DescriptorStore(folder, len(images), tuple(records))


def _make_lineage(
    describer: Describer[Any], images: Sequence[EvaluationImage], options: DescribeOptions
) -> Mapping[str, Any]:
    listed = [[image.name, image.stamp, image.box] for image in images]
    return {
        "describer": dict(describer.lineage),
        "dtype": options.dtype,
        "images": digest_json(listed),
        "num_images": len(images),
        "part_images": PART_IMAGES,
    }


@dataclass(frozen=True)
class _Read(Generic[_Prepared]):
    """An image that was read: ready for the embedder, or what is wrong with it."""

    sha256: str
    prepared: _Prepared | None
    problem: str | None


class _PartReader(Generic[_Prepared]):
    """Hands the usable images of a part to the embedder, and notes what became of each."""

    def __init__(
        self,
        describer: Describer[_Prepared],
        images: Sequence[EvaluationImage],
        on_progress: Callable[[int], None],
    ) -> None:
        self._describer = describer
        self._images = images
        self._on_progress = on_progress
        self.rows: list[int] = []
        """Of the usable images, in the order in which they were handed out."""
        self._digests: list[str] = []
        self._problems: dict[str, str] = {}

    def hand_out(self, num_workers: int) -> Iterator[_Prepared]:
        """Read all images, decoding some ahead."""
        found = map_ahead(self._read, self._images, num_workers)
        for row, (image, read) in enumerate(zip(self._images, found, strict=True)):
            self._digests.append(read.sha256)
            self._on_progress(1)
            if read.problem is not None:
                self._problems[image.name] = read.problem
            if read.prepared is not None:
                self.rows.append(row)
                yield read.prepared

    def record(self) -> PartRecord:
        """What became of the images; once all are handed out."""
        return PartRecord(images_sha256=digest_json(self._digests), problems=self._problems)

    def _read(self, image: EvaluationImage) -> _Read[_Prepared]:
        if image.read is None:
            return _Read("", None, "there is no such file")
        data = image.read()
        try:
            pixels = replace(image, read=lambda: data).load(self._describer.long_side_px)
        except ImageError as error:
            return _Read(digest_bytes(data), None, f"{error.status}: {error.reason}")
        return _Read(digest_bytes(data), self._describer.prepare(pixels), None)


def _describe_part(
    describer: Describer[_Prepared],
    images: Sequence[EvaluationImage],
    options: DescribeOptions,
    on_progress: Callable[[int], None],
) -> tuple[NDArray[np.floating], PartRecord]:
    reader = _PartReader(describer, images, on_progress)
    found = describer.embed_prepared(reader.hand_out(options.num_workers))
    descriptors = np.full((len(images), describer.dimensions), np.nan, options.dtype)
    for row, descriptor in zip(reader.rows, found, strict=True):
        if descriptor is not None:
            descriptors[row] = descriptor
    return descriptors, reader.record()


def _is_finished(folder: Path, number: int, shape: tuple[int, int], dtype: str) -> bool:
    path = _array_path(folder, number)
    if not path.is_file() or not _record_path(folder, number).is_file():
        return False
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError):  # damaged since it was written: it is made again
        return False
    is_whole: bool = array.shape == shape and array.dtype == np.dtype(dtype)
    return is_whole


def _write_array(path: Path, array: NDArray[np.floating]) -> None:
    with replacing(path) as temporary, temporary.open("wb") as stream:
        np.save(stream, array)


def _array_path(folder: Path, number: int) -> Path:
    return folder / f"part-{number:06d}.npy"


def _record_path(folder: Path, number: int) -> Path:
    return folder / f"part-{number:06d}.json"
