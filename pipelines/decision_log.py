"""The decisions of a run or of an audit: files that are added, never changed."""

from dataclasses import asdict
from pathlib import Path

from manifests.arrow_schemas import DECISIONS
from manifests.decisions import DecisionRow, latest_per_reviewer, read_decisions
from manifests.lineage import digest_file
from manifests.parquet_io import write_rows

_DIGEST_CHARS = 12


def import_decisions(run_dir: Path, path: Path, *, any_image_id: bool = False) -> Path:
    """Copy a decisions file into the run; the same file twice is taken once.

    Args:
        run_dir: the run folder, or that of an audit.
        path: CSV or Parquet.
        any_image_id: take ids that are not of GLDv2 too, as the lists of audits have them.

    Returns:
        The part of the table `decisions` that holds it.

    Raises:
        DecisionsError: the file is missing or a row cannot be understood; nothing is taken then.
    """
    rows = read_decisions(path, any_image_id=any_image_id)
    parts = decision_parts(run_dir)
    digest = digest_file(path)[:_DIGEST_CHARS]
    for part in parts:
        if part.stem.endswith(f"-{digest}"):
            return part
    part = _folder(run_dir) / f"{len(parts):06d}-{digest}.parquet"
    write_rows(part, DECISIONS, [_as_columns(row) for row in rows])
    return part


def decision_parts(run_dir: Path) -> list[Path]:
    """The parts of the table `decisions`, in the order in which they were added."""
    return sorted(_folder(run_dir).glob("[0-9]*.parquet"))


def current_decisions(run_dir: Path, *, any_image_id: bool = False) -> list[DecisionRow]:
    """What each reviewer last said of each candidate; of equal times the later file counts.

    Args:
        run_dir: the run folder, or that of an audit.
        any_image_id: as for `import_decisions`.

    Raises:
        DecisionsError: a part is unreadable.
    """
    rows = [
        row
        for part in decision_parts(run_dir)
        for row in read_decisions(part, any_image_id=any_image_id)
    ]
    return latest_per_reviewer(rows)


def _folder(run_dir: Path) -> Path:
    return run_dir / "decisions"


def _as_columns(row: DecisionRow) -> dict[str, object]:
    return asdict(row) | {"decided_at": row.decided_at.isoformat()}
