"""What a data set consists of: names, addresses, checksums, published sizes, and their sources.

Sources of the facts: GLDv2, the README of https://github.com/cvdfoundation/google-landmark
(version 2.1); Revisited Oxford, Paris and the million distractors, the download scripts of
https://github.com/filipradenovic/revisitop (June 2022, images with blurred faces).

No address could be reached from where this was written. They are as published; GLDv2's layout was
exercised against local servers. `NOT_CHECKED` says it for the user.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from manifests.gldv2_csv import HEADERS
from pipelines.fetching.errors import FetchError

GLDV2_URL = "https://s3.amazonaws.com/google-landmark"
_OXFORD_URL = "https://www.robots.ox.ac.uk/~vgg/data/oxbuildings"
_PARIS_URL = "https://www.robots.ox.ac.uk/~vgg/data/parisbuildings"
_REVISITED_URL = "http://cmp.felk.cvut.cz/revisitop/data/datasets"
_DISTRACTORS_URL = "http://ptak.felk.cvut.cz/revisitop/revisitop1m"

NOT_CHECKED = "the addresses are as published; they were not reachable when this was written"

_NUM_DISTRACTOR_ARCHIVES = 100
_SHARD_RANGE = re.compile(r"(\d{1,4})(?:-(\d{1,4}))?")


class CatalogueError(FetchError):
    """A data set, split or shard that does not exist."""


class FileKind(StrEnum):
    """What a file is, which decides how its structure is checked."""

    MD5 = "md5"
    TAR = "tar"
    CSV = "csv"
    ARCHIVE = "archive"
    GROUND_TRUTH = "ground_truth"
    LIST = "list"


@dataclass(frozen=True)
class RemoteFile:
    """One file of a data set.

    Attributes:
        path: where it belongs, relative to the folder of the data set, with forward slashes; also
            where a mirror has it, relative to the mirror's address.
        url: where it is.
        kind: what it is.
        header: the columns, if it is a CSV file.
        md5_path: `path` of the file that publishes its MD5.
        sha256: its digest, where it is known beforehand.
        about_bytes: published size, usually rounded; used where the source does not tell one.
        required: whether the data set is incomplete without it.
    """

    path: str
    url: str
    kind: FileKind
    header: tuple[str, ...] = ()
    md5_path: str | None = None
    sha256: str | None = None
    about_bytes: int | None = None
    required: bool = True


@dataclass(frozen=True)
class Dataset:
    """Files that belong together, and what is to be done with their archives.

    Attributes:
        name: what the command line calls it.
        files: checksum files before what they are about.
        flatten: whether folders inside the archives are dropped when unpacking into `jpg/`.
        ground_truth: `path` of the file that names every image of the set, in the Revisited format.
        image_list: `path` of a text file with one image per line, relative to `jpg/`.
        known_corrupt: images that are broken in the archives themselves.
    """

    name: str
    files: tuple[RemoteFile, ...]
    flatten: bool = True
    ground_truth: str | None = None
    image_list: str | None = None
    known_corrupt: tuple[str, ...] = ()

    @property
    def archives(self) -> tuple[RemoteFile, ...]:
        """The files that are to be unpacked."""
        return tuple(file for file in self.files if file.kind is FileKind.ARCHIVE)


@dataclass(frozen=True)
class _Split:
    """One split of GLDv2: number and rounded size of its shards, and its lists by path."""

    num_shards: int
    about_shard_bytes: int
    lists: Mapping[str, str]
    """Path -> key of `HEADERS`."""


_RETRIEVAL = "ground_truth/retrieval_solution_v2.1.csv"
GLDV2_SPLITS: Mapping[str, _Split] = {
    "train": _Split(
        500,
        1_000_000_000,
        {
            "metadata/train.csv": "train.csv",
            "metadata/train_attribution.csv": "train_attribution.csv",
            "metadata/train_label_to_category.csv": "train_label_to_category.csv",
            "metadata/train_label_to_hierarchical.csv": "train_label_to_hierarchical.csv",
            "metadata/train_clean.csv": "train_clean.csv",
        },
    ),
    "index": _Split(
        100,
        850_000_000,
        {
            "metadata/index.csv": "index.csv or test.csv",
            "metadata/index_image_to_landmark.csv": "index_image_to_landmark.csv",
            "metadata/index_label_to_category.csv": "train_label_to_category.csv",
            "metadata/index_label_to_hierarchical.csv": "train_label_to_hierarchical.csv",
            _RETRIEVAL: "retrieval_solution_v2.1.csv",
        },
    ),
    "test": _Split(
        20,
        500_000_000,
        {
            "metadata/test.csv": "index.csv or test.csv",
            "ground_truth/recognition_solution_v2.1.csv": "recognition_solution_v2.1.csv",
            _RETRIEVAL: "retrieval_solution_v2.1.csv",
        },
    ),
}
_OPTIONAL = frozenset(
    {
        "metadata/train_clean.csv",
        "metadata/train_label_to_hierarchical.csv",
        "metadata/index_label_to_hierarchical.csv",
    }
)

PARIS_CORRUPT = (
    "paris_louvre_000136", "paris_louvre_000146", "paris_moulinrouge_000422",
    "paris_museedorsay_001059", "paris_notredame_000188", "paris_pantheon_000284",
    "paris_pantheon_000960", "paris_pantheon_000974", "paris_pompidou_000195",
    "paris_pompidou_000196", "paris_pompidou_000201", "paris_pompidou_000467",
    "paris_pompidou_000640", "paris_sacrecoeur_000299", "paris_sacrecoeur_000330",
    "paris_sacrecoeur_000353", "paris_triomphe_000662", "paris_triomphe_000833",
    "paris_triomphe_000863", "paris_triomphe_000867",
)  # fmt: skip
"""The 20 images of Paris6k that are broken in its archives (published with the data set); the
ground truth of Revisited Paris does not use them."""


def gldv2(split: str, shards: tuple[int, ...] | None = None) -> Dataset:
    """A split of Google Landmarks v2 (Weyand et al. 2020), laid out as in its bucket.

    Args:
        split: `train`, `index` or `test`.
        shards: numbers of the shards; all when None.

    Raises:
        CatalogueError: there is no such split or shard.
    """
    if split not in GLDV2_SPLITS:
        raise CatalogueError(f"GLDv2 has no split {split!r}; it has {', '.join(GLDV2_SPLITS)}")
    facts = GLDV2_SPLITS[split]
    numbers = range(facts.num_shards) if shards is None else shards
    for number in numbers:
        if not 0 <= number < facts.num_shards:
            raise CatalogueError(
                f"GLDv2 {split} has no shard {number}; it has 0 to {facts.num_shards - 1}"
            )
    lists = [_list_file(path, HEADERS[key]) for path, key in facts.lists.items()]
    checksums = [_checksum_file(split, number) for number in numbers]
    tars = [_shard_file(split, number, facts.about_shard_bytes) for number in numbers]
    return Dataset(f"gldv2 {split}", (*checksums, *lists, *tars))


def parse_shards(text: str) -> tuple[int, ...]:
    """Shard numbers from a text such as ``0-9,17``: ascending, each once.

    Raises:
        CatalogueError: the text is something else.
    """
    numbers: set[int] = set()
    for part in text.split(","):
        match = _SHARD_RANGE.fullmatch(part.strip())
        if match is None:
            raise CatalogueError(f"shards {text!r}: {part!r} is neither a number nor a range 0-9")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise CatalogueError(f"shards {text!r}: {part!r} runs backwards")
        numbers.update(range(first, last + 1))
    return tuple(sorted(numbers))


def roxford5k() -> Dataset:
    """Revisited Oxford (Radenovic et al. 2018): images with blurred faces, and the ground truth."""
    return Dataset(
        "roxford5k",
        (
            _ground_truth(
                "roxford5k",
                149_871,
                "ba7967754bd2d7d2210a5799f9c45ad5835e269a80ef9d3eba44caa35816c471",
            ),
            _archive(_OXFORD_URL, "oxbuild_images-v1.tgz"),
        ),
        ground_truth="gnd_roxford5k.pkl",
    )


def rparis6k() -> Dataset:
    """Revisited Paris (Radenovic et al. 2018): images with blurred faces, and the ground truth."""
    return Dataset(
        "rparis6k",
        (
            _ground_truth(
                "rparis6k",
                276_508,
                "d2e729a5293dda7dda8a15c8383424a42e4964a2c4cfea2f32fa85d11d2df499",
            ),
            _archive(_PARIS_URL, "paris_1-v1.tgz"),
            _archive(_PARIS_URL, "paris_2-v1.tgz"),
        ),
        ground_truth="gnd_rparis6k.pkl",
        known_corrupt=PARIS_CORRUPT,
    )


def revisitop1m() -> Dataset:
    """The million distractors of Radenovic et al. 2018: 100 archives and the list of images."""
    names = (f"revisitop1m.{i + 1}.tar.gz" for i in range(_NUM_DISTRACTOR_ARCHIVES))
    list_url = f"{_DISTRACTORS_URL}/revisitop1m.txt"
    return Dataset(
        "revisitop1m",
        (
            RemoteFile("revisitop1m.txt", list_url, FileKind.LIST),
            *(_archive(f"{_DISTRACTORS_URL}/jpg", name) for name in names),
        ),
        flatten=False,
        image_list="revisitop1m.txt",
    )


EVALUATION_SETS = {"roxford5k": roxford5k, "rparis6k": rparis6k, "revisitop1m": revisitop1m}


def at_mirror(dataset: Dataset, base_url: str) -> Dataset:
    """The same data set, every file at `base_url` followed by its path."""
    base = base_url.rstrip("/")
    return replace(
        dataset,
        files=tuple(replace(file, url=f"{base}/{file.path}") for file in dataset.files),
    )


def _list_file(path: str, header: tuple[str, ...]) -> RemoteFile:
    url = f"{GLDV2_URL}/{path}"
    return RemoteFile(path, url, FileKind.CSV, header=header, required=path not in _OPTIONAL)


def _checksum_file(split: str, number: int) -> RemoteFile:
    path = _md5_path(split, number)
    # 32 digits, two blanks, `images_NNN.tar`, a line end.
    return RemoteFile(path, f"{GLDV2_URL}/{path}", FileKind.MD5, about_bytes=49)


def _shard_file(split: str, number: int, about_bytes: int) -> RemoteFile:
    path = f"{split}/images_{number:03d}.tar"
    return RemoteFile(
        path,
        f"{GLDV2_URL}/{path}",
        FileKind.TAR,
        md5_path=_md5_path(split, number),
        about_bytes=about_bytes,
    )


def _md5_path(split: str, number: int) -> str:
    return f"md5sum/{split}/md5.images_{number:03d}.txt"


def _archive(folder_url: str, name: str) -> RemoteFile:
    return RemoteFile(name, f"{folder_url}/{name}", FileKind.ARCHIVE)


def _ground_truth(name: str, num_bytes: int, sha256: str) -> RemoteFile:
    # The digest pins the file, which comes over plain HTTP. It is that of the copies in two public
    # repositories (RerankingTransformer, DOLG), which agree.
    file_name = f"gnd_{name}.pkl"
    url = f"{_REVISITED_URL}/{name}/{file_name}"
    return RemoteFile(file_name, url, FileKind.GROUND_TRUTH, sha256=sha256, about_bytes=num_bytes)
