"""The tree against the recursive definition of RFC 6962, and proofs against everything else."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.certificates.merkle import (
    check_leaf,
    compute_root,
    hash_leaf,
    hash_leaves,
    prove_leaf,
)

ROWS = st.lists(st.binary(max_size=40), max_size=70)
SOME_ROWS = st.lists(st.binary(max_size=40), min_size=1, max_size=70)


def root_by_definition(rows: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, word by word."""
    if not rows:
        return hashlib.sha256().digest()
    if len(rows) == 1:
        return hashlib.sha256(b"\x00" + rows[0]).digest()
    left = 1
    while 2 * left < len(rows):
        left *= 2
    halves = root_by_definition(rows[:left]) + root_by_definition(rows[left:])
    return hashlib.sha256(b"\x01" + halves).digest()


@given(ROWS)
def test_the_root_is_that_of_the_definition(rows):
    assert compute_root(hash_leaves(rows)) == root_by_definition(rows)


@given(SOME_ROWS, st.data())
def test_a_proof_holds_for_its_leaf_only(rows, data):
    leaves = hash_leaves(rows)
    root = compute_root(leaves)
    index = data.draw(st.integers(0, len(rows) - 1))
    path = prove_leaf(leaves, index)
    assert check_leaf(hash_leaf(rows[index]), index, len(rows), path, root)
    other = data.draw(st.binary(max_size=40).filter(lambda row: row != rows[index]))
    assert not check_leaf(hash_leaf(other), index, len(rows), path, root)


@given(SOME_ROWS.filter(lambda rows: len(rows) > 1), st.data())
def test_an_altered_proof_fails(rows, data):
    leaves = hash_leaves(rows)
    root, index = compute_root(leaves), data.draw(st.integers(0, len(rows) - 1))
    path = list(prove_leaf(leaves, index))
    leaf = hash_leaf(rows[index])
    position = data.draw(st.integers(0, len(path) - 1))
    flipped = bytearray(path[position])
    flipped[data.draw(st.integers(0, 31))] ^= data.draw(st.integers(1, 255))
    altered = [*path[:position], bytes(flipped), *path[position + 1 :]]
    assert not check_leaf(leaf, index, len(rows), altered, root)
    assert not check_leaf(leaf, index, len(rows), path[:-1], root)
    assert not check_leaf(leaf, index, len(rows), [*path, root], root)
    assert not check_leaf(leaf, index, len(rows), [*path[:-1], path[-1][:-1]], root)


@given(st.sets(st.binary(max_size=40), min_size=2, max_size=40).map(sorted), st.data())
def test_a_proof_does_not_hold_at_another_place(rows, data):
    leaves = hash_leaves(rows)
    index, other = data.draw(st.permutations(range(len(rows))))[:2]
    path, root = prove_leaf(leaves, index), compute_root(leaves)
    assert not check_leaf(hash_leaf(rows[index]), other, len(rows), path, root)


def test_a_node_does_not_pass_for_a_leaf():
    leaves = hash_leaves([b"a", b"b", b"c", b"d"])
    root = compute_root(leaves)
    assert compute_root(hash_leaves([leaves[:64], leaves[64:]])) != root


@pytest.mark.parametrize("index", [-1, 3])
def test_there_is_no_proof_of_a_leaf_outside(index):
    leaves = hash_leaves([b"a", b"b", b"c"])
    with pytest.raises(IndexError, match="there is no leaf"):
        prove_leaf(leaves, index)
    assert not check_leaf(hash_leaf(b"a"), index, 3, [], compute_root(leaves))
