"""Images prepared for matching, kept for as long as there is room."""

import threading
from collections import OrderedDict
from collections.abc import Callable

from curation.matchable_features import MatchableFeatures
from manifests.features import LocalFeatures

_LOADS_BETWEEN_COUNTS = 1024


class PreparedImages(threading.local):
    """Images prepared for matching; of the images of a class, each is compared with many others.

    Each thread has images of its own, as `MatchableFeatures` are for one at a time.

    What an image takes grows with what is asked of it. So memory is counted now and then, sooner at
    first, and in between a further image is taken to be as large as the others on average.

    Args:
        load: the features of an image.
        budget_bytes: memory for what is derived from them, in each thread. Those asked for longest
            ago make room.
    """

    def __init__(self, load: Callable[[str], LocalFeatures], budget_bytes: int = 64 << 20) -> None:
        self._load = load
        self._budget_bytes = budget_bytes
        self._images: OrderedDict[str, MatchableFeatures] = OrderedDict()
        self._num_loaded = 0
        self._next_count = 1
        self._most_images = 1

    def __getitem__(self, image_id: str) -> MatchableFeatures:
        found = self._images.get(image_id)
        if found is not None:
            self._images.move_to_end(image_id)
            return found
        if self._num_loaded == self._next_count:
            self._count_bytes()
        while len(self._images) >= self._most_images:
            self._images.popitem(last=False)
        found = self._images[image_id] = MatchableFeatures(self._load(image_id))
        self._num_loaded += 1
        return found

    def __len__(self) -> int:
        return len(self._images)

    def _count_bytes(self) -> None:
        used = sum(image.num_bytes for image in self._images.values())
        self._most_images = max(1, self._budget_bytes * len(self._images) // used)
        self._next_count += min(self._next_count, _LOADS_BETWEEN_COUNTS)
