"""Images prepared for matching, kept for as long as there is room."""

from collections import OrderedDict
from collections.abc import Callable

from curation.matchable_features import MatchableFeatures
from curation.sketches import SKETCH_BYTES
from manifests.features import DESCRIPTOR_BYTES, LocalFeatures

_BYTES_PER_FEATURE = DESCRIPTOR_BYTES + 2 * SKETCH_BYTES + 40
"""The rearranged descriptor, the sketch both ways, their lengths, and the geometry once more."""


class PreparedImages:
    """Images prepared for matching; of the images of a class, each is compared with many others.

    Args:
        load: the features of an image.
        budget_bytes: memory for what is derived from them. Those asked for longest ago make room.
    """

    def __init__(self, load: Callable[[str], LocalFeatures], budget_bytes: int = 64 << 20) -> None:
        self._load = load
        self._budget_bytes = budget_bytes
        self._used_bytes = 0
        self._images: OrderedDict[str, MatchableFeatures] = OrderedDict()

    def __getitem__(self, image_id: str) -> MatchableFeatures:
        found = self._images.get(image_id)
        if found is not None:
            self._images.move_to_end(image_id)
            return found
        found = self._images[image_id] = MatchableFeatures(self._load(image_id))
        self._used_bytes += _BYTES_PER_FEATURE * len(found)
        while self._used_bytes > self._budget_bytes and len(self._images) > 1:
            _, oldest = self._images.popitem(last=False)
            self._used_bytes -= _BYTES_PER_FEATURE * len(oldest)
        return found

    def __len__(self) -> int:
        return len(self._images)
