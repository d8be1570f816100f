"""The tables that a certificate covers, every column in one place; they lie in `certificate/`."""

from enum import StrEnum
from typing import Final

from manifests.certificates.text_tables import TextColumn, TextTable

FOLDER: Final = "certificate"
"""Beside `certificate.json`."""


class FindingStatus(StrEnum):
    """What became of a likeness of a training image and an evaluation query (`findings.status`)."""

    OVERLAP = "overlap"
    UNDECIDED = "undecided"
    REFUSED = "refused"


FINDING_MEANINGS: Final = {
    FindingStatus.OVERLAP: "People confirmed it, or the two files are the same.",
    FindingStatus.UNDECIDED: "Nobody has decided on it.",
    FindingStatus.REFUSED: "People looked at it and said that it is another landmark.",
}


class ProbeRole(StrEnum):
    """Why a probe was put among the training images (`probes.role`)."""

    CANARY = "canary"
    CONTROL = "control"


class EvaluationRole(StrEnum):
    """What an image of an evaluation set is there for (`evaluation_images.role`)."""

    QUERY = "query"
    DATABASE = "database"


_IMAGE_ID = TextColumn("image_id", "Of the training list.")
_EVAL_SET = TextColumn("eval_set", "Name of the evaluation set.")
_SHA256 = TextColumn(
    "sha256", "SHA-256 of the file, hexadecimal; empty if no file was there to read."
)

TRAINING_ROWS = TextTable(
    "training_rows.tsv",
    "One row per image of the training list.",
    (_IMAGE_ID, TextColumn("label", "Its class."), _SHA256),
)

EVALUATION_IMAGES = TextTable(
    "evaluation_images.tsv",
    "One row per query, and per database image if those were compared too.",
    (
        _EVAL_SET,
        TextColumn("role", "`query` or `database`."),
        TextColumn("item_id", "The query, or the name of the database image."),
        TextColumn("box", "x1,y1,x2,y2 of the query in pixels; empty if it is the whole image."),
        _SHA256,
    ),
)

UNCOVERED = TextTable(
    "uncovered.tsv",
    "One row per image of the training list that was not examined.",
    (_IMAGE_ID, TextColumn("reason", "Why, as a code.")),
)

FINDINGS = TextTable(
    "findings.tsv",
    "One row per likeness of an image of the training list and an evaluation query.",
    (
        _IMAGE_ID,
        TextColumn("label", "Its class."),
        _EVAL_SET,
        TextColumn("query_id", "The query, or what names were searched for."),
        TextColumn("found_by", "Which way found it, as a code."),
        TextColumn("num_inliers", "Correspondences that agree; empty if none were needed."),
        TextColumn("status", f"{', '.join(f'`{status}`' for status in FindingStatus)}."),
        TextColumn("evidence", "What the status rests on, in words."),
    ),
)

PROBES = TextTable(
    "probes.tsv",
    "One row per image that was planted among the training images to see whether it is found.",
    (
        TextColumn("role", "`canary`: must be found; `control`: must not be."),
        TextColumn("kind", "How it was made, as a code."),
        TextColumn("probe_id", "Its id; no image of the training list has it."),
        _EVAL_SET,
        TextColumn("query_id", "The query that it was made from or compared with; may be empty."),
        TextColumn("found", "`true` or `false`."),
    ),
)

COVERED: Final = (TRAINING_ROWS, EVALUATION_IMAGES, UNCOVERED, FINDINGS, PROBES)
