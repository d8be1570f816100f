"""Are all images of an evaluation set there that its ground truth or its list names?"""

from collections.abc import Iterator
from pathlib import Path

from manifests.evaluation_sets import GroundTruthError, find_image, read_ground_truth
from pipelines.fetching.catalogue import Dataset
from pipelines.fetching.unpack import ImageFolder

_SHOWN = 5


def find_incompleteness(dataset: Dataset, folder: Path) -> str | None:
    """What is missing of an unpacked evaluation set, in words; None if nothing is.

    Args:
        dataset: the set.
        folder: where it was fetched to.
    """
    missing = list(_list_missing(dataset, folder))
    if not missing:
        return None
    shown = ", ".join(missing[:_SHOWN]) + (", …" if len(missing) > _SHOWN else "")
    return f"jpg: {len(missing)} images are named and not there: {shown}"


def list_known_corrupt(dataset: Dataset, folder: Path) -> list[str]:
    """The images that are there and known to be broken in the archives themselves."""
    images = folder / "jpg"
    return [name for name in dataset.known_corrupt if (images / f"{name}.jpg").is_file()]


def _list_missing(dataset: Dataset, folder: Path) -> Iterator[str]:
    images = ImageFolder(folder).path
    if dataset.ground_truth is not None:
        truth = read_ground_truth(folder / dataset.ground_truth, dataset.name)
        for name in (*truth.database, *(query.query_id for query in truth.queries)):
            try:
                find_image(images, name)
            except GroundTruthError:
                yield name
    if dataset.image_list is not None:
        with (folder / dataset.image_list).open(encoding="utf-8") as stream:
            for line in stream:
                if (name := line.strip()) and not (images / name).is_file():
                    yield name
