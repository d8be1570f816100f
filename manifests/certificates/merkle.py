"""Merkle trees: one digest of many rows, and short proofs that a row is among them.

The tree is that of RFC 6962, section 2.1: a leaf is hashed after a zero byte and a node after a one
byte, so that no node can pass for a leaf; the left half of a tree is the largest power of two of
leaves that leaves something for the right. Level by level that means: neighbours are paired, and a
last one without a partner moves up as it is.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

DIGEST_BYTES: Final = 32
_LEAF, _NODE = b"\x00", b"\x01"
_PAIR_BYTES = 2 * DIGEST_BYTES


def hash_leaf(data: bytes) -> bytes:
    """Digest of a row, 32 bytes."""
    return hashlib.sha256(_LEAF + data).digest()


def hash_leaves(rows: Iterable[bytes]) -> bytes:
    """Digests of rows, one behind the other, 32 bytes each."""
    return b"".join(map(hash_leaf, rows))


def compute_root(leaves: bytes) -> bytes:
    """The digest at the top, 32 bytes; of no leaves it is that of nothing.

    Args:
        leaves: digests of all rows, as `hash_leaves` gives them.
    """
    level = leaves
    while len(level) > DIGEST_BYTES:
        level = _reduce(level)
    return bytes(level) or hashlib.sha256(b"").digest()


def prove_leaf(leaves: bytes, index: int) -> tuple[bytes, ...]:
    """What stands beside the way from a leaf to the root, from the bottom up.

    Args:
        leaves: digests of all rows, as `hash_leaves` gives them.
        index: position of the leaf, from 0.

    Raises:
        IndexError: there is no such leaf.
    """
    if not 0 <= index < len(leaves) // DIGEST_BYTES:
        raise IndexError(f"there is no leaf {index}")
    level, path = leaves, []
    while len(level) > DIGEST_BYTES:
        beside = DIGEST_BYTES * (index ^ 1)
        if beside < len(level):
            path.append(level[beside : beside + DIGEST_BYTES])
        level = _reduce(level)
        index //= 2
    return tuple(path)


def check_leaf(
    leaf: bytes, index: int, num_leaves: int, path: Sequence[bytes], root: bytes
) -> bool:
    """Whether a path leads from a leaf at a position to the root of a tree of that size.

    Args:
        leaf: digest of the row.
        index: its position, from 0.
        num_leaves: of the whole tree; what it says must be known from the certificate.
        path: as `prove_leaf` gives it.
        root: of the tree.
    """
    if not 0 <= index < num_leaves:
        return False
    beside = iter(path)
    digest, size = leaf, num_leaves
    while size > 1:
        if index % 2 or index + 1 < size:
            other = next(beside, None)
            if other is None or len(other) != DIGEST_BYTES:
                return False
            digest = _hash_node(other + digest if index % 2 else digest + other)
        index, size = index // 2, (size + 1) // 2
    return next(beside, None) is None and digest == root


def _reduce(level: bytes) -> bytes:
    paired = len(level) - len(level) % _PAIR_BYTES
    return b"".join(_hash_pairs(level, paired)) + level[paired:]


def _hash_pairs(level: bytes, end: int) -> Iterator[bytes]:
    for start in range(0, end, _PAIR_BYTES):
        yield _hash_node(level[start : start + _PAIR_BYTES])


def _hash_node(pair: bytes) -> bytes:
    return hashlib.sha256(_NODE + pair).digest()
