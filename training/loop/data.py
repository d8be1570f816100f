"""The images of a training, checked."""

from dataclasses import dataclass

from manifests.input_error import InputError
from training.manifest_checks import check_classes, check_files, check_shards
from training.manifest_images import ManifestImages, read_split
from training.recipe import DataSettings


@dataclass(frozen=True, eq=False)
class TrainingData:
    """What passed the checks.

    Attributes:
        train: images to train on.
        val: images held out.
        num_classes: of both.
        digest: of the manifest; equal digests mean equal images.
        is_certified: whether the split is certified not to overlap its evaluation sets.
    """

    train: ManifestImages
    val: ManifestImages
    num_classes: int
    digest: str
    is_certified: bool


def open_data(settings: DataSettings) -> TrainingData:
    """Read a manifest and check it and its shards.

    Raises:
        InputError: the manifest, the shards or the certificate are not fit to train on; says why
            and what to do.
    """
    checked = check_files(settings.manifest)
    if settings.require_certificate and not checked.is_certified:
        raise InputError(
            f"{settings.manifest}: no certificate that this split does not overlap its "
            "evaluation sets; audit it, or set data.require_certificate to false"
        )
    train, val = (read_split(settings.manifest, split) for split in ("train", "val"))
    num_classes = check_classes(train, val)
    for images in (train, val):
        check_shards(images, settings.shards, settings.num_checked_images)
    return TrainingData(train, val, num_classes, checked.digest, checked.is_certified)
