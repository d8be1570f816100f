import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.lineage import CODE_VERSION, digest_bytes, digest_file, digest_json

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@pytest.mark.parametrize("size", [0, 1, 1 << 20, (1 << 20) + 1, 3 << 20])
@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
def test_a_file_has_the_digest_of_its_bytes(tmp_path, size, algorithm):
    data = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    (tmp_path / "f").write_bytes(data)
    assert digest_file(tmp_path / "f", algorithm) == hashlib.new(algorithm, data).hexdigest()


def test_sha256_is_the_default(tmp_path):
    (tmp_path / "f").write_bytes(b"abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert digest_file(tmp_path / "f") == digest_bytes(b"abc") == expected


def test_json_is_digested_in_canonical_form():
    assert digest_json({"b": [1, 2], "a": "é"}) == digest_bytes('{"a":"é","b":[1,2]}'.encode())


@given(st.dictionaries(st.text(max_size=4), json_values, max_size=5))
def test_the_order_of_keys_does_not_matter(value):
    assert digest_json(dict(reversed(value.items()))) == digest_json(value)


@given(json_values, json_values)
def test_different_values_have_different_digests(first, second):
    # To Python, True equals 1 and the lists that hold them are equal too; to JSON they differ.
    is_equal = json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True)
    assert (digest_json(first) == digest_json(second)) == is_equal


def test_the_version_is_that_of_the_installed_program():
    assert CODE_VERSION.count(".") == 2
