"""Evaluation sets as the configuration gives them: their queries, and the bytes of these.

Images lie in a folder, or, as GLDv2's own, in tar shards that stay packed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path, PurePosixPath

from curation.shards import image_id_of, list_members, read_bytes
from manifests.evaluation_sets import (
    EvaluationSet,
    GroundTruthError,
    find_image,
    list_image_names,
    read_distractors,
    read_folder,
    read_ground_truth,
    read_oxford5k,
    read_query_table,
    read_solution,
)
from manifests.gldv2_csv import is_image_id, member_path
from pipelines.settings import EvaluationSetSettings

_Shards = tuple[tuple[Path, int, int], ...]


@dataclass(frozen=True)
class StoredImage:
    """Where the bytes of an evaluation image are.

    Attributes:
        path: the image file, or the shard that holds it.
        offset: position of its first byte there.
        num_bytes: its size.
    """

    path: Path
    offset: int
    num_bytes: int

    def read(self) -> bytes:
        """The whole file of the image.

        Raises:
            ShardError: it is not there any more, or shorter than it was.
        """
        return read_bytes(self.path, self.offset, self.num_bytes)

    def describe_state(self) -> tuple[str | int, ...]:
        """What changes whenever the image is replaced or written to, without reading it.

        Besides the time of the last write, which a copy may set back, there is that of the last
        change of any kind, which nobody can set.
        """
        status = self.path.stat()
        times = (status.st_mtime_ns, status.st_ctime_ns)
        return (str(self.path), self.offset, self.num_bytes, status.st_size, *times)


def read_evaluation_set(settings: EvaluationSetSettings) -> EvaluationSet:
    """Read the ground truth, list, table or folder that gives the queries of a set.

    Raises:
        GroundTruthError: it is missing, or not what the format says.
    """
    return _READERS[settings.format](settings)


def locate_image(settings: EvaluationSetSettings, image_name: str) -> StoredImage:
    """Find an image of an evaluation set.

    Raises:
        GroundTruthError: there is no such image.
        ShardError: a shard of the set is not readable.
    """
    return open_locator(settings)(image_name)


def open_locator(settings: EvaluationSetSettings) -> Callable[[str], StoredImage]:
    """What `locate_image` does, for many images: the shards of the set are looked at once."""
    if settings.format == "gldv2":
        return partial(_locate_gldv2, settings.images, _list_shards(settings.images))
    return lambda image_name: _stored(find_image(settings.images, image_name))


def _read_revisited(settings: EvaluationSetSettings) -> EvaluationSet:
    path = _ground_truth(settings)
    is_list = path.suffix.lower() == ".txt"
    return (read_distractors if is_list else read_ground_truth)(path, settings.name)


def _read_oxford5k(settings: EvaluationSetSettings) -> EvaluationSet:
    names = (PurePosixPath(name) for name in list_image_names(settings.images))
    # Paris comes in a folder for each landmark; the ground truth names the files alone.
    database = [str(name.with_suffix("")) for name in names]
    return read_oxford5k(_ground_truth(settings), settings.name, database)


def _ground_truth(settings: EvaluationSetSettings) -> Path:
    if settings.ground_truth is None:
        raise GroundTruthError(f"evaluation set {settings.name}: ground_truth is not given")
    return settings.ground_truth


_READERS: Mapping[str, Callable[[EvaluationSetSettings], EvaluationSet]] = {
    "revisited": _read_revisited,
    "oxford5k": _read_oxford5k,
    "gldv2": lambda settings: read_solution(_ground_truth(settings), settings.name),
    "folder": lambda settings: read_folder(settings.images, settings.name),
    "table": lambda settings: read_query_table(_ground_truth(settings), settings.name),
}


def _list_shards(images_dir: Path) -> _Shards:
    shards = ((path, path.stat()) for path in sorted(images_dir.glob("images_*.tar")))
    return tuple((path, status.st_size, status.st_mtime_ns) for path, status in shards)


def _locate_gldv2(images_dir: Path, shards: _Shards, image_id: str) -> StoredImage:
    if not shards:
        name = member_path(image_id) if is_image_id(image_id) else image_id
        is_nested = (images_dir / name).is_file()
        return _stored(find_image(images_dir, name if is_nested else image_id))
    found = _index_shards(shards).get(image_id)
    if found is None:
        raise GroundTruthError(
            f"{images_dir}: no image {image_id!r} in its {len(shards)} shards; fetch all shards "
            "of the split"
        )
    return found


# The size and the time are there so that a shard that was replaced is listed again.
@lru_cache(maxsize=2)
def _index_shards(shards: _Shards) -> Mapping[str, StoredImage]:
    index: dict[str, StoredImage] = {}
    for path, _, _ in shards:
        for member in list_members(path):
            image_id = image_id_of(member.name)
            if image_id is not None and member.problem is None:
                index.setdefault(image_id, StoredImage(path, member.offset, member.num_bytes))
    return index


def _stored(path: Path) -> StoredImage:
    return StoredImage(path, 0, path.stat().st_size)
