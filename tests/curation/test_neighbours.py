import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.neighbours import (
    CandidatePair,
    NearestInStream,
    count_chunk_rows,
    find_neighbours,
    propose_pairs,
)

DIMENSIONS = 16


def rank_by_hand(query, database, k):
    """Positions by falling similarity in exact arithmetic, equal ones by position."""
    similarities = (database.astype(np.float64) @ query.astype(np.float64)).round(6)
    return np.lexsort((np.arange(len(database)), -similarities))[:k]


def make_library(seed, num_images, num_copies):
    """Unit vectors, stored as float16 as in a run, some of them copied to random places."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(num_images, DIMENSIONS))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    targets = rng.integers(0, num_images, num_copies)
    vectors[targets] = vectors[rng.integers(0, num_images, num_copies)]
    return vectors.astype(np.float16).astype(np.float32)


@given(st.integers(0, 10_000), st.integers(1, 60), st.integers(0, 60), st.integers(1, 70))
def test_neighbours_are_those_of_a_full_search_ties_by_position(seed, count, num_copies, k):
    library = make_library(seed, count, num_copies)
    queries = library[: min(count, 25)]
    positions, similarities = find_neighbours(queries, library, k)
    assert positions.shape == similarities.shape == (len(queries), min(k, count))
    for query, found, values in zip(queries, positions, similarities, strict=True):
        assert found.tolist() == rank_by_hand(query, library, k).tolist()
        exact = library[found].astype(np.float64) @ query.astype(np.float64)
        assert values.tolist() == exact.round(6).astype(np.float32).tolist()
        assert (np.diff(values) <= 0).all()


@pytest.mark.parametrize("num_copies", [3, 40])
@pytest.mark.parametrize("k", [1, 5, 20])
def test_a_tie_across_the_cut_goes_to_the_first_positions(num_copies, k):
    """All copies are equally near; which of them the library finds is its own affair."""
    library = make_library(0, 500, 0)
    places = np.sort(np.random.default_rng(1).choice(500, num_copies, replace=False))
    library[places] = library[places[0]]
    positions, similarities = find_neighbours(library[places[:1]], library, k)
    expected = places[: min(k, num_copies)]
    assert positions[0, : len(expected)].tolist() == expected.tolist()
    assert len(set(similarities[0, : len(expected)].tolist())) == 1


def test_equal_vectors_stay_equal_where_the_rounding_changes():
    """Copies whose similarity lies on the edge of the rounding used to come apart now and then."""
    for seed in range(40):
        library = make_library(seed, 150, 100)
        positions, _ = find_neighbours(library[:40], library, 12)
        for query, found in zip(library, positions, strict=False):
            assert found.tolist() == rank_by_hand(query, library, 12).tolist()


def test_a_query_finds_the_same_alone_and_among_others():
    library = make_library(3, 200, 50)
    together, values = find_neighbours(library, library, 10)
    for row in (0, 77, 199):
        alone, value = find_neighbours(library[row : row + 1], library, 10)
        assert alone[0].tolist() == together[row].tolist()
        assert value[0].tobytes() == values[row].tobytes()


@pytest.mark.parametrize(("num_queries", "num_images"), [(0, 5), (5, 0), (0, 0)])
def test_nothing_is_found_in_nothing(num_queries, num_images):
    empty = np.empty((num_queries, 4), np.float32), np.empty((num_images, 4), np.float32)
    positions, similarities = find_neighbours(*empty, 3)
    assert positions.shape == similarities.shape == (num_queries, min(3, num_images))


def make_ids(count):
    """Ids whose order is not that of the positions."""
    return [f"{(n * 7919) % 65536:016x}" for n in range(count)]


@given(st.integers(0, 5000), st.integers(0, 25), st.integers(0, 25), st.integers(1, 30))
def test_pairs_are_those_in_which_one_is_among_the_nearest_of_the_other(seed, count, num_copies, k):
    library = make_library(seed, max(count, 1), num_copies)[:count]
    ids = make_ids(count)
    by_id = sorted(range(count), key=ids.__getitem__)
    expected = set()
    for i in by_id:
        others = [j for j in by_id if j != i]
        similarity = (library[others].astype(np.float64) @ library[i].astype(np.float64)).round(6)
        nearest = [others[n] for n in np.lexsort((np.arange(len(others)), -similarity))[:k]]
        expected |= {tuple(sorted((ids[i], ids[j]))) for j in nearest}
    pairs = list(propose_pairs(ids, library, k))
    found = [(pair.image_id_a, pair.image_id_b) for pair in pairs]
    assert len(set(found)) == len(found)
    assert set(found) == expected
    assert all(a < b for a, b in found)
    ranks = [(-pair.similarity, pair.image_id_a, pair.image_id_b) for pair in pairs]
    assert ranks == sorted(ranks)


@pytest.mark.parametrize("k", [1, 3, 9])
def test_identical_descriptors_never_pair_an_image_with_itself(k):
    """With equal descriptors, the nearest neighbour of an image need not be itself."""
    library = np.repeat(make_library(0, 1, 0), 10, axis=0)
    pairs = list(propose_pairs(make_ids(10), library, k))
    assert all(pair.image_id_a != pair.image_id_b for pair in pairs)
    partners = dict.fromkeys(make_ids(10), 0)
    for pair in pairs:
        partners[pair.image_id_a] += 1
        partners[pair.image_id_b] += 1
    assert min(partners.values()) >= k


@pytest.mark.parametrize("count", [2, 5, 6])
def test_a_class_of_at_most_k_and_one_images_gives_every_pair(count):
    pairs = propose_pairs(make_ids(count), make_library(1, count, 2), 5)
    assert len(pairs) == count * (count - 1) // 2


@pytest.mark.parametrize("count", [0, 1])
def test_a_class_without_two_images_gives_no_pair(count):
    assert list(propose_pairs(make_ids(count), make_library(0, 1, 0)[:count], 5)) == []


@given(st.integers(0, 1000), st.randoms(use_true_random=False))
def test_the_order_of_the_images_does_not_matter(seed, random):
    library, ids = make_library(seed, 20, 12), make_ids(20)
    order = random.sample(range(20), 20)
    shuffled = propose_pairs([ids[i] for i in order], library[order], 4)
    assert list(shuffled) == list(propose_pairs(ids, library, 4))


def propose_one_by_one(ids, library, k):
    """Pairs in a dictionary, as the definition says; the larger of two similarities counts."""
    by_id = sorted(range(len(ids)), key=ids.__getitem__)
    found = {}
    for i in by_id:
        positions, similarities = find_neighbours(library[i : i + 1], library[by_id], k + 1)
        others = [(by_id[p], float(v)) for p, v in zip(positions[0], similarities[0], strict=True)]
        for j, value in [other for other in others if other[0] != i][:k]:
            pair = tuple(sorted((ids[i], ids[j])))
            found[pair] = max(value, found.get(pair, value))
    ranked = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return [CandidatePair(*pair, value) for pair, value in ranked]


@given(st.integers(0, 5000), st.integers(1, 40), st.integers(0, 40), st.integers(1, 12))
def test_arrays_hold_what_objects_one_by_one_hold(seed, count, num_copies, k):
    library, ids = make_library(seed, count, num_copies), make_ids(count)
    assert list(propose_pairs(ids, library, k)) == propose_one_by_one(ids, library, k)


@pytest.mark.parametrize("max_bytes", [1, 20_000, 100_000])
def test_the_memory_of_the_search_changes_nothing(max_bytes):
    library, ids = make_library(5, 90, 40), make_ids(90)
    assert count_chunk_rows(90, max_bytes) < 90
    whole = list(propose_pairs(ids, library, 7))
    assert list(propose_pairs(ids, library, 7, max_bytes)) == whole


@given(st.integers(1, 10**7), st.integers(1, 2**40))
def test_a_search_sets_aside_no_more_than_it_may(num_images, max_bytes):
    rows = count_chunk_rows(num_images, max_bytes)
    similarities_bytes = 8 * num_images
    assert rows == 1 or 2 * rows * similarities_bytes <= max_bytes


@given(st.integers(1, 9))
def test_parts_hold_every_pair_once_most_similar_first(num_parts):
    pairs = propose_pairs(make_ids(12), make_library(2, 12, 3), 4)
    whole = list(pairs)
    parts = [list(pairs.take_part(part, num_parts)) for part in range(num_parts)]
    assert sorted((pair for part in parts for pair in part), key=whole.index) == whole
    for part in parts:
        assert part == sorted(part, key=whole.index)
        assert abs(len(part) - len(whole) / num_parts) < 1


def test_a_part_needs_few_images():
    """Of places of ten images each, no matter in which order their ids are."""
    rng = np.random.default_rng(0)
    places = rng.permutation(np.repeat(np.arange(20), 10))
    library = rng.normal(size=(20, 32))[places] + 0.1 * rng.normal(size=(200, 32))
    library /= np.linalg.norm(library, axis=1, keepdims=True)
    pairs = propose_pairs(make_ids(200), library.astype(np.float32), 9)
    for part in range(10):
        own = pairs.take_part(part, 10)
        assert len(np.unique([own.first, own.second])) <= 30


@given(
    st.integers(0, 5000),
    st.integers(1, 40),
    st.integers(0, 40),
    st.integers(1, 50),
    st.integers(1, 50),
    st.randoms(use_true_random=False),
)
def test_a_database_in_chunks_gives_what_it_gives_as_a_whole(seed, count, copies, k, step, random):
    library = make_library(seed, count, copies)
    queries = library[:5]
    order = np.array(random.sample(range(count), count))
    search = NearestInStream(queries, k)
    for start in range(0, count, step):
        chunk = order[start : start + step]
        search.add(chunk, library[chunk])
    positions, similarities = search.list_nearest()
    expected = find_neighbours(queries, library, k)
    assert positions.tolist() == expected[0].tolist()
    assert similarities.tobytes() == expected[1].tobytes()


def test_nothing_is_near_in_a_database_without_chunks():
    positions, similarities = NearestInStream(make_library(0, 3, 0), 5).list_nearest()
    assert positions.shape == similarities.shape == (3, 0)
