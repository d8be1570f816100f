"""Image files of evaluation sets: found by name, or listed."""

import os
from collections.abc import Iterator
from pathlib import Path

from manifests.evaluation.records import EvaluationQuery, EvaluationSet, GroundTruthError

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".gif", ".webp"})
_USUAL_SUFFIXES = ("", ".jpg", ".jpeg", ".png", ".JPG")


def find_image(images_dir: Path, image_name: str) -> Path:
    """Path of an evaluation image: its name as it is, else with a usual extension.

    Raises:
        GroundTruthError: the folder holds no such image.
    """
    for suffix in _USUAL_SUFFIXES:
        path = images_dir / f"{image_name}{suffix}"
        if path.is_file():
            return path
    raise GroundTruthError(
        f"{images_dir}: no image {image_name!r} (tried it as it is, and with "
        f"{', '.join(_USUAL_SUFFIXES[1:])}); give the folder that holds the images of the "
        "evaluation set"
    )


def list_image_names(images_dir: Path) -> list[str]:
    """Names of all image files below a folder, relative to it, with extension, in order.

    Raises:
        GroundTruthError: there is none.
    """
    names = [name for name in _walk(images_dir, "") if _suffix(name) in IMAGE_SUFFIXES]
    if not names:
        raise GroundTruthError(
            f"{images_dir}: no file with the extension of an image "
            f"({', '.join(sorted(IMAGE_SUFFIXES))}); give the folder that holds the images"
        )
    return sorted(names)


def _walk(folder: Path | str, prefix: str) -> Iterator[str]:
    """Files below a folder; a million paths as objects of `pathlib` would take half a minute."""
    if not os.path.isdir(folder):  # noqa: PTH112
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(entry.path, f"{prefix}{entry.name}/")
            elif entry.is_file():
                yield f"{prefix}{entry.name}"


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()  # noqa: PTH122


def read_folder(images_dir: Path, name: str) -> EvaluationSet:
    """Take every image below a folder, whole, as a query of its own name.

    Raises:
        GroundTruthError: there is none.
    """
    queries = tuple(EvaluationQuery(image, image) for image in list_image_names(images_dir))
    return EvaluationSet(name, (), queries)
