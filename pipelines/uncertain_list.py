"""The uncertain pairs of a run: counts for the manifest, the list for people, their answers."""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from manifests.arrow_schemas import UNCERTAIN_PAIRS
from manifests.atomic import write_text
from manifests.lineage import digest_file
from manifests.manifest_json import ManualAnswers, UncertainPairs
from manifests.manual_answers import (
    ANSWER_COLUMN,
    ManualAnswer,
    ManualAnswerError,
    read_manual_answers,
)
from manifests.parquet_io import read_table
from pipelines.fill_in_lists import is_filled_in
from pipelines.markers import output_digests
from pipelines.run_folder import table_parts
from pipelines.stages.uncertain import (
    ListUncertain,
    count_decisive,
    is_decisive,
    sort_by_interest,
)

_HEADER = (
    "landmark_id", "landmark_name", "image_id_a", "image_id_b", "num_inliers", "verdict",
    "opposite_verdict_would", ANSWER_COLUMN,
)  # fmt: skip

_Row = dict[str, Any]


def has_uncertain_pairs(run_dir: Path) -> bool:
    """Whether the run has listed its uncertain pairs, be there any or none."""
    return bool(output_digests(run_dir, ListUncertain.name))


def count_uncertain_pairs(step: ListUncertain) -> UncertainPairs | None:
    """The counts of the pairs that a step has listed; None if it was left out."""
    if not has_uncertain_pairs(step.run_dir):
        return None
    band = step.find_band()
    num_pairs = num_decisive = num_untried = 0
    for rows in _read_parts(step.run_dir, ("decides_a", "decides_b")):
        num_pairs += len(rows)
        num_decisive += count_decisive(rows)
        num_untried += rows["decides_a"].null_count
    return UncertainPairs(
        lowest_inliers=band.lowest,
        highest_inliers=band.highest,
        num_pairs=num_pairs,
        num_decisive=num_decisive,
        num_untried=num_untried,
    )


def count_answers(path: Path) -> ManualAnswers:
    """How many pairs a file of answers has answers on.

    Raises:
        ManualAnswerError: the file cannot be used.
    """
    counts = Counter(pair.answer for pair in read_manual_answers(path))
    return ManualAnswers(
        num_same=counts[ManualAnswer.SAME],
        num_different=counts[ManualAnswer.DIFFERENT],
        sha256=digest_file(path),
    )


def list_decisive_pairs(run_dir: Path, threshold: int) -> list[_Row]:
    """Rows of the table `uncertain_pairs` that decide an image's fate, the most uncertain first.

    Args:
        run_dir: the run folder.
        threshold: inliers that the cleaning asks for.
    """
    if not has_uncertain_pairs(run_dir):
        return []
    decisive = (rows.filter(is_decisive(rows)) for rows in _read_parts(run_dir))
    found = pa.concat_tables([UNCERTAIN_PAIRS.schema.empty_table(), *decisive])
    rows: list[_Row] = sort_by_interest(found, threshold).to_pylist()
    return rows


def write_decisive_pairs(
    path: Path, run_dir: Path, threshold: int, landmark_names: Mapping[int, str]
) -> None:
    """Write the list of decisive pairs for people, as CSV; the answers are for them to fill in."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_HEADER)
    for row in list_decisive_pairs(run_dir, threshold):
        cells = {
            **row,
            "landmark_name": landmark_names.get(row["landmark_id"], ""),
            "opposite_verdict_would": describe_stake(row),
            ANSWER_COLUMN: "",
        }
        writer.writerow(cells[name] for name in _HEADER)
    write_text(path, stream.getvalue())


def check_unanswered(path: Path) -> None:
    """Look whether the list of decisive pairs may be written anew.

    Raises:
        ManualAnswerError: people have filled it in where it is.
    """
    if is_filled_in(path, [ANSWER_COLUMN]):
        raise ManualAnswerError(
            f"{path}: the run writes this file anew and what people filled in would be lost; move "
            "it to a place outside the run folder and let clean.answers name it there"
        )


def describe_stake(row: _Row) -> str:
    """What the opposite verdict would do, such as `drop A, keep B`."""
    sides = [side for side in "ab" if row[f"decides_{side}"]]
    return ", ".join(
        f"{'drop' if row[f'kept_{side}'] else 'keep'} {side.upper()}" for side in sides
    )


def _read_parts(run_dir: Path, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    for part in table_parts(run_dir, ListUncertain.name):
        yield read_table(part, UNCERTAIN_PAIRS, columns)
