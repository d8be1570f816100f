"""Proofs that single images belong to a certified list; whoever checks one needs no other image."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from manifests.certificates.certificate import Certificate
from manifests.certificates.covered_tables import FOLDER, TRAINING_ROWS
from manifests.certificates.merkle import check_leaf, hash_leaf, prove_leaf
from manifests.certificates.statement import Count, Sha256
from manifests.certificates.text_tables import escape_field, read_lines
from manifests.input_error import InputError
from manifests.strict_model import StrictModel


class InclusionProof(StrictModel):
    """That a line is the one at its place among the training rows of a certificate."""

    certificate_sha256: Sha256
    """Of the certificate (its key `sha256`)."""
    line: str
    """The line of `training_rows.tsv`, without its end."""
    index: Count
    """Its place among the lines below the header, from 0."""
    path: tuple[Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")], ...]
    """The digests beside the way to the root, from the bottom up."""


def prove_inclusion(folder: Path, certificate: Certificate, image_id: str) -> InclusionProof:
    """Prove that an image is in the certified list.

    Args:
        folder: that holds `certificate.json` and `certificate/`.
        certificate: as it was read from there.
        image_id: of the image.

    Raises:
        InputError: the image is not in the list, or the training rows are missing or damaged.
    """
    lines, leaves = [], bytearray()
    start = f"{escape_field(image_id)}\t".encode()
    for number, line in enumerate(read_lines(folder / FOLDER, TRAINING_ROWS)):
        leaves += hash_leaf(line)
        if line.startswith(start):
            lines.append((number, line))
    path = folder / FOLDER / TRAINING_ROWS.file_name
    if not lines:
        raise InputError(f"{path}: image {image_id} is not in it, so it was not examined")
    index, line = lines[0]
    proof = InclusionProof(
        certificate_sha256=certificate.sha256,
        line=line.decode(),
        index=index,
        path=tuple(digest.hex() for digest in prove_leaf(bytes(leaves), index)),
    )
    if not verify_inclusion(proof, certificate):
        raise InputError(f"{path}: not the rows that were certified; copy the folder again")
    return proof


def verify_inclusion(proof: InclusionProof, certificate: Certificate) -> bool:
    """Whether a proof holds; of the certificate only root and number of images are looked at."""
    return proof.certificate_sha256 == certificate.sha256 and check_leaf(
        hash_leaf(proof.line.encode()),
        proof.index,
        certificate.training.num_images,
        [bytes.fromhex(digest) for digest in proof.path],
        bytes.fromhex(certificate.training.root),
    )
