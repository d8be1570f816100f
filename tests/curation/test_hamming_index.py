import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.hamming_index import HammingIndex, HashNeighbour, parse_hashes
from curation.perceptual_hash import hamming_distance


def _search_all(hashes, max_bits):
    """Every pair within the radius, by comparing each with each."""
    return [
        HashNeighbour(i, j, distance)
        for i, a in enumerate(hashes)
        for distance, j in sorted(
            ((int(a) ^ int(b)).bit_count(), j) for j, b in enumerate(hashes) if i != j
        )
        if distance <= max_bits
    ]


@given(
    st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=5),
    st.lists(st.tuples(st.integers(0, 4), st.sets(st.integers(0, 63), max_size=12)), max_size=30),
    st.integers(0, 15),
)
def test_it_finds_what_comparing_every_pair_finds(centres, flips, max_bits):
    # Hashes about a few centres: drawn freely, none would be near another.
    hashes = list(centres)
    for centre, bits in flips:
        hashes.append(centres[centre % len(centres)] ^ sum(1 << bit for bit in bits))
    array = np.array(hashes, np.uint64)
    index = HammingIndex(array, max_bits)
    assert list(index.find_within(0, len(array))) == _search_all(array, max_bits)


def test_a_range_gives_the_part_of_the_whole_that_is_its_own():
    rng = np.random.default_rng(0)
    hashes = np.uint64(1) << rng.integers(0, 64, 40, dtype=np.uint64)
    index = HammingIndex(hashes, 3)
    whole = list(index.find_within(0, 40))
    parts = [*index.find_within(0, 13), *index.find_within(13, 14), *index.find_within(14, 90)]
    assert parts == whole


def test_the_bits_are_those_of_the_hashes_as_they_are_written():
    written = ["00000000000000ff", "00000000000000f0", "8000000000000000"]
    found = list(HammingIndex(parse_hashes(written), 9).find_within(0, 1))
    assert [f.num_bits for f in found] == [hamming_distance(written[0], w) for w in written[1:]]


@pytest.mark.parametrize("max_bits", [-1, 65])
def test_a_radius_that_is_none_is_refused(max_bits):
    with pytest.raises(ValueError, match=f"max_bits is {max_bits}: give 0 to 64"):
        HammingIndex(np.zeros(1, np.uint64), max_bits)
