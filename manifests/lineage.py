"""Where a file came from: digests of bytes and of settings, and the version of the code."""

import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

CODE_VERSION = version("cleanmark")
_BLOCK_BYTES = 1 << 20


def digest_bytes(data: bytes) -> str:
    """SHA-256 of some bytes, hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def digest_json(value: Any) -> str:  # noqa: ANN401  (any JSON value)
    """SHA-256 of a JSON value in canonical form (sorted keys, no blanks)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return digest_bytes(text.encode())


def digest_file(path: Path, algorithm: str = "sha256") -> str:
    """Digest of a file's bytes, hexadecimal; `algorithm` is a name that hashlib knows."""
    digest = hashlib.new(algorithm)
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
