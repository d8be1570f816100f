"""Image files of evaluation sets: found by name, or listed."""

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
    names = [
        path.relative_to(images_dir).as_posix()
        for path in images_dir.rglob("*")
        if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()
    ]
    if not names:
        raise GroundTruthError(
            f"{images_dir}: no file with the extension of an image "
            f"({', '.join(sorted(IMAGE_SUFFIXES))}); give the folder that holds the images"
        )
    return sorted(names)


def read_folder(images_dir: Path, name: str) -> EvaluationSet:
    """Take every image below a folder, whole, as a query of its own name.

    Raises:
        GroundTruthError: there is none.
    """
    queries = tuple(EvaluationQuery(image, image) for image in list_image_names(images_dir))
    return EvaluationSet(name, (), queries)
