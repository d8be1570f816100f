"""Where descriptors come from: a network, a run's own embedder, or a file of another program."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from manifests.input_error import InputError
from manifests.lineage import digest_file
from pipelines.embedders import CODEBOOK, open_vlad
from pipelines.run_folder import read_config
from training.descriptor_files import DescriptorFileError, NamedDescriptors, read_descriptors
from training.evaluation.describers import (
    Describer,
    Prepared,
    VladDescriber,
    make_vlad_describer,
)
from training.evaluation.descriptor_store import DescribeOptions, describe_images
from training.evaluation.evaluation_images import EvaluationImage
from training.search import Descriptors, stream_descriptors


class DescriptorRows(Protocol):
    """Descriptors of a list of images; iterating gives chunks, any number of times."""

    def __iter__(self) -> Iterator[Descriptors]: ...

    def read(self) -> Descriptors:
        """All rows, (num_images, dimensions)."""

    @property
    def images_sha256(self) -> str:
        """Digest of what they were made from."""

    @property
    def problems(self) -> Mapping[str, str]:
        """Image -> why it has no descriptor."""


class DescriptorSource(Protocol):
    """Gives the descriptors of images."""

    @property
    def lineage(self) -> Mapping[str, Any]:
        """What gives them."""

    @property
    def needs_images(self) -> bool:
        """Whether image files are read."""

    def describe(self, label: str, images: Sequence[EvaluationImage]) -> DescriptorRows:
        """Describe images, or find their descriptors; `label` says which, to a person."""


@dataclass(frozen=True)
class DescribingSource(Generic[Prepared]):
    """Describes images, and keeps the descriptors in a folder."""

    describer: Describer[Prepared]
    folder: Path
    options: DescribeOptions
    console: Console

    needs_images = True

    @property
    def lineage(self) -> Mapping[str, Any]:
        """See `DescriptorSource`."""
        return self.describer.lineage

    def describe(self, label: str, images: Sequence[EvaluationImage]) -> DescriptorRows:
        """See `DescriptorSource`."""
        with show_progress(self.console, f"describing {label}", len(images)) as advance:
            return describe_images(
                self.describer, images, self.folder, label, self.options, advance
            )


@dataclass(frozen=True)
class _Rows:
    """Descriptors in memory."""

    descriptors: Descriptors
    images_sha256: str
    problems: Mapping[str, str]

    def __iter__(self) -> Iterator[Descriptors]:
        yield self.descriptors

    def read(self) -> Descriptors:
        return self.descriptors


@dataclass(frozen=True)
class FileSource:
    """Finds descriptors by name in a `.npz` file."""

    path: Path
    named: NamedDescriptors
    sha256: str

    needs_images = False

    @property
    def lineage(self) -> Mapping[str, Any]:
        """See `DescriptorSource`."""
        return {"kind": "file", "sha256": self.sha256}

    def describe(self, label: str, images: Sequence[EvaluationImage]) -> DescriptorRows:
        """See `DescriptorSource`."""
        names = [image.name for image in images]
        try:
            descriptors = self.named.select(names)
        except DescriptorFileError as error:
            raise DescriptorFileError(f"{self.path}: {label}: {error}") from error
        absent = np.flatnonzero(np.isnan(descriptors).all(axis=1))
        problems = {names[row]: "a row of NaN in the file" for row in absent}
        return _Rows(descriptors, self.sha256, problems)


@dataclass(frozen=True)
class ArrayFile:
    """Descriptors without names in a `.npy` file, read in chunks: distractors."""

    path: Path

    def __iter__(self) -> Iterator[Descriptors]:
        return stream_descriptors([self.path])

    def read(self) -> Descriptors:
        """See `DescriptorRows`."""
        return np.concatenate(list(self))

    @property
    def images_sha256(self) -> str:
        """See `DescriptorRows`."""
        return digest_file(self.path)

    @property
    def problems(self) -> Mapping[str, str]:
        """See `DescriptorRows`; a row of NaN says nothing of its reason."""
        return {}


def open_file(path: Path) -> FileSource:
    """Open a `.npz` file of descriptors.

    Raises:
        DescriptorFileError: it is missing or malformed.
    """
    return FileSource(path, read_descriptors(path), digest_file(path))


def open_run_embedder(run_dir: Path) -> VladDescriber:
    """The embedder that a run learned from its own images.

    Raises:
        InputError: there is no such run, or it has learned none yet.
    """
    config = read_config(run_dir)
    if not (run_dir / CODEBOOK).is_file():
        raise InputError(f"{run_dir}: no embedder yet; finish the job with `cleanmark run`")
    return make_vlad_describer(open_vlad(run_dir), run_dir / CODEBOOK, config.describe)


@contextmanager
def show_progress(console: Console, what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar with the numbers done and to do, and the time left; gives what moves it on."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda count: progress.advance(task, count)
