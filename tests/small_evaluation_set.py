"""An evaluation set of a few bytes, as a mirror serves it: archives and a ground-truth file."""

import gzip
import io
import pickle
import tarfile
from collections.abc import Mapping, Sequence

from manifests.lineage import digest_bytes
from pipelines.fetching.catalogue import Dataset, FileKind, RemoteFile

GROUND_TRUTH = "gnd_small.pkl"


def make_archive(members: Mapping[str, bytes], *, more: Sequence[tarfile.TarInfo] = ()) -> bytes:
    """A gzipped tar of plain files, and of whatever else is asked for."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for info in more:
            tar.addfile(info)
    # Without the time of day: the same bytes every time.
    return gzip.compress(stream.getvalue(), mtime=0)


def make_ground_truth(database: Sequence[str], queries: Sequence[str]) -> bytes:
    """A pickle in the Revisited format."""
    truth = {"bbx": [0, 0, 9, 9], "easy": [0], "hard": [], "junk": []}
    return pickle.dumps(
        {"imlist": list(database), "qimlist": list(queries), "gnd": [truth] * len(queries)}
    )


def make_dataset(url: str, archives: Sequence[str], ground_truth: bytes) -> Dataset:
    """A data set of these archives, all at one address."""
    return Dataset(
        "small",
        (
            RemoteFile(
                GROUND_TRUTH,
                f"{url}/{GROUND_TRUTH}",
                FileKind.GROUND_TRUTH,
                sha256=digest_bytes(ground_truth),
            ),
            *(RemoteFile(name, f"{url}/{name}", FileKind.ARCHIVE) for name in archives),
        ),
        ground_truth=GROUND_TRUTH,
        known_corrupt=("b",),
    )
