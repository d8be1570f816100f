"""What is written down of an evaluation: numbers, and what they were made from."""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Literal

from manifests.atomic import write_text
from manifests.lineage import CODE_VERSION
from manifests.strict_model import StrictModel
from training.evaluate import SetResult
from training.evaluation.gldv2_scores import Gldv2Scores

FORMAT_VERSION: Final = 1

_LIBRARIES = ("numpy", "opencv-contrib-python-headless", "pillow", "torch")


class RecallResult(StrictModel):
    """Recall@N of visual place recognition."""

    rule: Literal["distance", "heading", "frame"]
    """What counts as the same place."""
    recall_at: dict[int, float]
    num_queries: int
    num_without_positives: int
    skipped_empty: bool


class SetRecord(StrictModel):
    """One evaluation set; exactly one of the last three is given."""

    name: str
    inputs: dict[str, str]
    """SHA-256 of the ground truth, and of the bytes of all images or of the descriptors."""
    num_queries: int
    num_database: int
    num_distractors: int = 0
    missing: tuple[str, ...] = ()
    """Images that are not there; queries among them score 0, others rank last."""
    unreadable: dict[str, str] = {}  # noqa: RUF012  (pydantic copies it)
    """Image -> what is wrong with it; likewise."""
    num_reranked: int = 0
    """First results of each query that were put in order by spatial verification."""
    overlapping: tuple[str, ...] | None = None
    """Queries whose landmark is in the training set; null if that is not known."""
    revisited: SetResult | None = None
    gldv2: Gldv2Scores | None = None
    recall: RecallResult | None = None


class EvaluationRecord(StrictModel):
    """The content of `results.json`; the same inputs give the same bytes."""

    format_version: Literal[1] = FORMAT_VERSION
    method: str
    """What the tables call it."""
    code_version: str = CODE_VERSION
    libraries: dict[str, str]
    describer: dict[str, Any]
    """What gave the descriptors."""
    settings: dict[str, Any]
    """Of description, re-ranking and scoring."""
    sets: tuple[SetRecord, ...]


def list_libraries() -> dict[str, str]:
    """Versions of the libraries that can change a number."""
    return {name: version(name) for name in _LIBRARIES}


def write_record(path: Path, record: EvaluationRecord) -> None:
    """Write `results.json`, atomically."""
    content = record.model_dump(mode="json")
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def read_record(path: Path) -> EvaluationRecord:
    """Read a `results.json`.

    Raises:
        pydantic.ValidationError: the file is of another format.
    """
    return EvaluationRecord.model_validate_json(path.read_bytes())
