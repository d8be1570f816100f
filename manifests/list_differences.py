"""How two lists of labelled images differ, image by image, each with its cause."""

from enum import StrEnum

import pyarrow as pa
import pyarrow.compute as pc

from manifests.arrow_schemas import DIFFERENCES
from manifests.image_lists import ImageList
from manifests.reference.published_removal import SOURCE, read_published_classes


class Cause(StrEnum):
    """Why an image is in one list and not in the other, or in another class."""

    REMOVED_THERE = "removed_there"
    PUBLISHED_OVERLAP = "published_overlap"
    CLASS_MISSING = "class_missing"
    OTHER_LABEL = "other_label"
    UNEXPLAINED = "unexplained"


CAUSES = {
    Cause.REMOVED_THERE: "The other list left it out and says why.",
    Cause.PUBLISHED_OVERLAP: "Its class is one of those that the paper on RGLDv2-clean removed.",
    Cause.CLASS_MISSING: "The other list has no image of its class.",
    Cause.OTHER_LABEL: "Both lists have it, in different classes.",
    Cause.UNEXPLAINED: "The other list has its class, but not this image, and does not say why.",
}


def compare_lists(a: ImageList, b: ImageList) -> pa.Table:
    """Every image that is not in both lists under the same label.

    Returns:
        The table `differences`, by image_id.
    """
    both = a.images.join(b.images, "image_id", join_type="inner", right_suffix="_b")
    moved = both.filter(pc.not_equal(both["label"], both["label_b"]))
    parts = [
        _moved(moved),
        _missing("a", _without(a.images, b.images), b),
        _missing("b", _without(b.images, a.images), a),
    ]
    return pa.concat_tables(parts).sort_by("image_id").combine_chunks()


def _without(images: pa.Table, others: pa.Table) -> pa.Table:
    return images.join(others.select(["image_id"]), "image_id", join_type="left anti")


def _moved(images: pa.Table) -> pa.Table:
    size = len(images)
    return _as_rows(
        images["image_id"],
        images["label"],
        images["label_b"],
        pa.array([Cause.OTHER_LABEL.value] * size, pa.string()),
        pa.nulls(size, pa.string()),
    )


def _missing(side: str, images: pa.Table, other: ImageList) -> pa.Table:
    """Rows for images that the list `other` lacks."""
    told = images.join(other.removed, "image_id", join_type="left outer")
    was_told = pc.is_valid(told["reason"])
    published = pa.array([str(c.landmark_id) for c in read_published_classes()])
    is_published = pc.is_in(told["label"], published)
    has_class = pc.is_in(told["label"], other.images["label"].combine_chunks())
    cause = pc.case_when(
        pc.make_struct(was_told, pc.and_(is_published, pc.invert(has_class)), pc.invert(has_class)),
        Cause.REMOVED_THERE.value,
        Cause.PUBLISHED_OVERLAP.value,
        Cause.CLASS_MISSING.value,
        Cause.UNEXPLAINED.value,
    )
    told_why = pc.binary_join_element_wise(told["stage"], told["reason"], ": ")
    is_overlap = pc.equal(cause, Cause.PUBLISHED_OVERLAP.value)
    details = pc.if_else(was_told, told_why, pc.if_else(is_overlap, SOURCE, None))
    nothing = pa.nulls(len(told), pa.string())
    labels = (told["label"], nothing) if side == "a" else (nothing, told["label"])
    return _as_rows(told["image_id"], *labels, cause, details)


def _as_rows(*columns: pa.Array | pa.ChunkedArray) -> pa.Table:
    return pa.table(dict(zip(DIFFERENCES.schema.names, columns, strict=True)))
