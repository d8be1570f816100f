"""Proofs of single images, as a stranger would check them."""

import hashlib
import random

import pytest
from small_certificates import (
    IMAGE_IDS,
    sha256,
    small_tables,
    training_rows,
    with_rows,
    write_small_certificate,
)

from manifests.certificates.covered_tables import TRAINING_ROWS
from manifests.certificates.inclusion import prove_inclusion, verify_inclusion
from manifests.input_error import InputError

NUM_IMAGES = 1237


@pytest.fixture(scope="module")
def certified(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certified")
    tables = with_rows(small_tables(), training=(TRAINING_ROWS, training_rows(NUM_IMAGES)))
    return folder, write_small_certificate(folder, tables=tables)


def test_a_hundred_proofs_hold_and_none_holds_for_another(certified):
    folder, certificate = certified
    for number in random.Random(0).sample(range(NUM_IMAGES), 100):
        image_id = sha256(str(number))[:16]
        proof = prove_inclusion(folder, certificate, image_id)
        assert proof.line.split("\t")[0] == image_id
        assert verify_inclusion(proof, certificate)
        for change in (
            {"line": proof.line + "0"},
            {"index": proof.index ^ 1},
            {"index": NUM_IMAGES},
            {"path": (*proof.path[1:], proof.path[0])},
            {"path": proof.path[:-1]},
            {"certificate_sha256": "0" * 64},
        ):
            assert not verify_inclusion(proof.model_copy(update=change), certificate)


def test_a_proof_is_checked_by_hand(certified):
    """With nothing but hashlib, as docs/certificate.md describes it."""
    folder, certificate = certified
    proof = prove_inclusion(folder, certificate, IMAGE_IDS[2])
    digest = hashlib.sha256(b"\x00" + proof.line.encode()).digest()
    index, size, path = proof.index, certificate.training.num_images, list(proof.path)
    while size > 1:
        if index % 2:
            digest = hashlib.sha256(b"\x01" + bytes.fromhex(path.pop(0)) + digest).digest()
        elif index + 1 < size:
            digest = hashlib.sha256(b"\x01" + digest + bytes.fromhex(path.pop(0))).digest()
        index, size = index // 2, (size + 1) // 2
    assert digest.hex() == certificate.training.root


@pytest.mark.parametrize("image_id", ["stray", IMAGE_IDS[0][:-1], ""])
def test_an_image_that_is_not_in_the_list(certified, image_id):
    with pytest.raises(InputError, match="is not in it"):
        prove_inclusion(*certified, image_id)


def test_rows_that_were_not_certified(tmp_path):
    certificate = write_small_certificate(tmp_path)
    path = tmp_path / "certificate" / "training_rows.tsv"
    path.write_text(path.read_text().replace("\t3\t", "\t4\t"))
    with pytest.raises(InputError, match="not the rows that were certified"):
        prove_inclusion(tmp_path, certificate, IMAGE_IDS[0])
