import numpy as np
import pytest

from curation import cross_neighbours
from curation.cross_neighbours import find_cross_class_neighbours


def _draw(num_images=90, dimensions=6, seed=0):
    """Unit vectors as descriptors are stored, many of them equal, and classes."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(num_images, dimensions))
    vectors[::4] = vectors[0]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float16).astype(np.float32), rng.integers(0, 7, num_images)


def _search_all(vectors, classes, k):
    pairs = []
    for i in range(len(vectors)):
        values = (vectors.astype(np.float64) @ vectors[i].astype(np.float64)).round(6)
        others = [j for j in range(i + 1, len(vectors)) if classes[j] != classes[i]]
        pairs += [(i, j) for j in sorted(others, key=lambda j: (-values[j], j))[:k]]
    return pairs


@pytest.mark.parametrize("k", [0, 1, 3, 100])
@pytest.mark.parametrize("rows", [7, 8192])
def test_it_finds_the_nearest_that_comparing_every_pair_finds(monkeypatch, k, rows):
    monkeypatch.setattr(cross_neighbours, "_BLOCK_ROWS", rows)
    monkeypatch.setattr(cross_neighbours, "_QUERY_ROWS", rows)
    vectors, classes = _draw()
    found = find_cross_class_neighbours(lambda a, b: vectors[a:b], classes, 0, len(vectors), k)
    assert list(found) == _search_all(vectors, classes, k)


def test_ranges_add_up_to_the_whole():
    vectors, classes = _draw(seed=1)

    def find(first, last):
        return list(find_cross_class_neighbours(lambda a, b: vectors[a:b], classes, first, last, 4))

    assert find(0, 20) + find(20, 90) == find(0, 90)
    assert find(90, 90) == []
