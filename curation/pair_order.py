"""The order in which a pair of images is worked on, whichever way round it was asked for."""

from manifests.features import LocalFeatures


def comes_first(a: LocalFeatures, b: LocalFeatures) -> bool:
    """Whether a comes before b in an order that depends on content alone."""
    short_a, short_b = (len(a), a.width, a.height), (len(b), b.width, b.height)
    if short_a != short_b:
        return short_a < short_b
    if a.geometry_bytes != b.geometry_bytes:
        return a.geometry_bytes < b.geometry_bytes
    return a.descriptors.tobytes() <= b.descriptors.tobytes()
