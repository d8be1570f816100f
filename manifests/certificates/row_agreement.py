"""Whether the training rows bear out what the other tables say of their images."""

from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path

from manifests.certificates.covered_tables import FINDINGS, PROBES, UNCOVERED
from manifests.certificates.text_tables import TextTable, TextTableError


@dataclass(frozen=True)
class Mentions:
    """What is said of images elsewhere.

    Attributes:
        labels: image -> label, of images with a finding.
        overlapping: images with a finding that is an overlap.
        uncovered: image -> reason, of images that were not examined.
        probes: ids of canaries and controls.
        evaluation_digests: of all files of the evaluation sets.
    """

    labels: Mapping[str, str]
    overlapping: Container[str]
    uncovered: Mapping[str, str]
    probes: Container[str]
    evaluation_digests: Container[str]


class RowAgreement:
    """Compares training rows with `Mentions`, one after the other."""

    def __init__(self, folder: Path, mentions: Mentions) -> None:
        self._folder = folder
        self._mentions = mentions
        self._missing = mentions.labels.keys() | mentions.uncovered.keys()

    def check(self, image_id: str, label: str, sha256: str) -> None:
        """Look at one training row.

        Raises:
            TextTableError: it contradicts another table.
        """
        mentions = self._mentions
        self._missing.discard(image_id)
        if image_id in mentions.probes:
            self._refuse(PROBES, image_id, "is an image of the training list")
        stated = mentions.labels.get(image_id, label)
        if stated != label:
            problem = f"has the label {stated!r}, in the training list {label!r}"
            self._refuse(FINDINGS, image_id, problem)
        if not sha256 and image_id not in mentions.uncovered:
            self._refuse(UNCOVERED, image_id, "has no digest in the training list, and is not here")
        if sha256 in mentions.evaluation_digests and image_id not in mentions.overlapping:
            problem = "is the file of an evaluation image, and is not here as an overlap"
            self._refuse(FINDINGS, image_id, problem)

    def check_all_seen(self) -> None:
        """Refuse images that another table has and no training row had.

        Raises:
            TextTableError: naming the first.
        """
        for image_id in sorted(self._missing)[:1]:
            table = UNCOVERED if image_id in self._mentions.uncovered else FINDINGS
            self._refuse(table, image_id, "is not in the training list")

    def _refuse(self, table: TextTable, image_id: str, problem: str) -> None:
        raise TextTableError(f"{self._folder / table.file_name}: image {image_id} {problem}")
