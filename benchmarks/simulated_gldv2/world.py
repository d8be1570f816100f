"""What is true in the simulated GLDv2, computed from the ids alone.

An image's number gives its class, the place it shows and its descriptor, by hashing, and its id is
its number, mixed. So nothing has to be stored, every process agrees, and a pair can be judged in a
microsecond: two photographs of one place share a surface, others do not.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from simulated_gldv2.class_sizes import NUM_SHARDS, draw_class_sizes

Numbers = NDArray[np.int64]
Words = NDArray[np.uint64]

DIMENSIONS = 64
IMAGES_PER_PLACE = 40
"""Of a class: so many photographs share a place on average."""
SHARE_ASTRAY = 0.55
"""Of images that show no place that another shows: wrong labels, interiors, details."""
SHARE_BROKEN = 0.002
"""Of files that do not decode."""
SHARE_WITHOUT_FEATURES = 0.003
SHARE_COPIES = 0.01
"""Of files with the bytes of the image before in the same class."""
SHARE_COPIES_ELSEWHERE = 0.002
"""Of files with the picture of an image of another class."""
SHARE_RECODED = 0.5
"""Of those, the ones whose bytes differ all the same."""
SHARE_NOT_DISTRACTING = 0.02
"""Of a stream of distractors, the ones that show a place of the training set all the same."""


def mix(values: Words, salt: int = 0) -> Words:
    """A hash of integers: SplitMix64 (Steele et al. 2014)."""
    with np.errstate(over="ignore"):
        mixed = values + np.uint64(0x9E3779B97F4A7C15) * np.uint64(salt + 1)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return mixed ^ (mixed >> np.uint64(31))


def _unmix(mixed: Words) -> Words:
    """The inverse of `mix` with salt 0."""
    with np.errstate(over="ignore"):
        values = mixed ^ (mixed >> np.uint64(31)) ^ (mixed >> np.uint64(62))
        values = values * np.uint64(0x319642B2D24D8EC3)
        values = values ^ (values >> np.uint64(27)) ^ (values >> np.uint64(54))
        values = values * np.uint64(0x96DE1B173F119089)
        values = values ^ (values >> np.uint64(30)) ^ (values >> np.uint64(60))
        return values - np.uint64(0x9E3779B97F4A7C15)


def draw_uniform(values: Words, salt: int) -> NDArray[np.float64]:
    """Numbers in 0 to 1 that belong to integers."""
    return (mix(values, salt) >> np.uint64(11)).astype(np.float64) * 2.0**-53


@dataclass(frozen=True)
class World:
    """A simulated GLDv2.

    Attributes:
        fraction: of GLDv2's classes and images.
    """

    fraction: float

    @cached_property
    def class_sizes(self) -> Numbers:
        """Images of each class, falling."""
        return draw_class_sizes(self.fraction)

    @cached_property
    def class_ends(self) -> Numbers:
        """Images are numbered class by class; the number behind the last one of each class."""
        return np.cumsum(self.class_sizes)

    @property
    def num_images(self) -> int:
        """Images of all classes together."""
        return int(self.class_ends[-1])

    @property
    def num_shards(self) -> int:
        """Shards, of as many images each as those of GLDv2."""
        return max(1, round(NUM_SHARDS * self.fraction))

    def list_shard(self, shard: int) -> Numbers:
        """The numbers of the images of a shard: scattered over all classes."""
        numbers = np.arange(shard, self.num_images, self.num_shards)
        return numbers[np.argsort(self.keys(numbers))]

    def keys(self, numbers: Numbers) -> Words:
        """Image ids as integers."""
        return mix(numbers.astype(np.uint64))

    def numbers(self, keys: Words) -> Numbers:
        """The inverse of `keys`."""
        return _unmix(keys).astype(np.int64)

    def classes(self, numbers: Numbers) -> Numbers:
        """Class of each image, 0 for the largest class."""
        return np.searchsorted(self.class_ends, numbers, side="right")

    def places(self, numbers: Numbers) -> Words:
        """What each image shows; images of one place have equal numbers, others distinct ones."""
        classes = self.classes(numbers)
        num_places = 1 + self.class_sizes[classes] // IMAGES_PER_PLACE
        words = numbers.astype(np.uint64)
        # Squared: some places are photographed by many, most by few.
        place = (draw_uniform(words, 1) ** 2 * num_places).astype(np.uint64)
        shown = mix((classes.astype(np.uint64) << np.uint64(20)) + place, 2)
        return np.where(draw_uniform(words, 3) < SHARE_ASTRAY, mix(words, 4), shown)

    def sources(self, numbers: Numbers) -> Numbers:
        """The image of the same class whose bytes each file has; mostly its own."""
        draw = draw_uniform(numbers.astype(np.uint64), 5)
        classes = self.classes(numbers)
        is_first = numbers == self.class_ends[classes] - self.class_sizes[classes]
        return np.where((draw < SHARE_COPIES) & ~is_first, numbers - 1, numbers)

    def pictures(self, numbers: Numbers) -> Numbers:
        """The image whose picture each file has; some have that of an image of another class."""
        words = numbers.astype(np.uint64)
        elsewhere = (mix(words, 6) % np.uint64(self.num_images)).astype(np.int64)
        is_elsewhere = draw_uniform(words, 13) < SHARE_COPIES_ELSEWHERE
        return self.sources(np.where(is_elsewhere, elsewhere, numbers))

    def files(self, numbers: Numbers) -> Numbers:
        """The image whose bytes each file has: some pictures from elsewhere were encoded anew."""
        pictures = self.pictures(numbers)
        is_recoded = draw_uniform(numbers.astype(np.uint64), 14) < SHARE_RECODED
        is_own = (pictures != self.sources(numbers)) & is_recoded
        return np.where(is_own, numbers, pictures)

    def is_broken(self, numbers: Numbers) -> NDArray[np.bool_]:
        """Whether each file does not decode."""
        return draw_uniform(numbers.astype(np.uint64), 7) < SHARE_BROKEN

    def num_features(self, numbers: Numbers) -> Numbers:
        """Local features of each image; copies have those of their source."""
        words = self.sources(numbers).astype(np.uint64)
        counts = 200 + (800 * draw_uniform(words, 8)).astype(np.int64)
        return np.where(draw_uniform(words, 9) < SHARE_WITHOUT_FEATURES, 0, counts)

    def descriptors(self, numbers: Numbers) -> NDArray[np.float16]:
        """Of unit length, float16 (n, d): what a class, a place and an image add to it."""
        sources = self.sources(numbers)
        vectors = 0.6 * _draw_vectors(self.classes(sources).astype(np.uint64), 10)
        vectors += _draw_vectors(self.places(sources), 11)
        vectors += _draw_vectors(sources.astype(np.uint64), 12)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors.astype(np.float16)


def is_distractor(number: int) -> bool:
    """Whether an image of the stream shows nothing that an image of the training set shows."""
    draw = draw_uniform(np.array([number], np.uint64), 50)
    return bool(draw[0] >= SHARE_NOT_DISTRACTING)


def describe_distractor(number: int) -> NDArray[np.float16]:
    """The descriptor of such an image, of unit length, float16 (d,)."""
    (vector,) = _draw_vectors(np.array([number], np.uint64), 51)
    vector /= np.linalg.norm(vector)
    return vector.astype(np.float16)


def _draw_vectors(words: Words, salt: int) -> NDArray[np.float64]:
    """A vector with components in -1 to 1 for each integer, float64 (n, d)."""
    columns = np.arange(DIMENSIONS, dtype=np.uint64) << np.uint64(32)
    seeds = mix(words, salt)[:, None] ^ columns[None]
    return 2.0 * draw_uniform(seeds.ravel(), salt).reshape(len(words), DIMENSIONS) - 1.0
