"""What is reviewed, a run or an audit, as far as the two differ."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cleanmark.review_audit import read_review_audit
from cleanmark.review_run import read_review_run
from pipelines.audit.folder import (
    WORK_FOLDER,
    is_audit_folder,
    is_work_folder,
    read_audit_config,
)
from pipelines.run_folder import RunFolderError, is_run_folder, read_config
from review_ui.evidence import ReviewRun


@dataclass(frozen=True)
class ReviewSubject:
    """A folder with candidates that people decide on.

    Attributes:
        folder: votes and decisions lie in it.
        locked_dir: nobody else may be at work in it while decisions are written.
        any_image_id: whether images may have ids that are not of GLDv2.
        applied_by: what takes the decisions, in words.
        read_run: reads the evidence.
    """

    folder: Path
    locked_dir: Path
    any_image_id: bool
    applied_by: str
    read_run: Callable[[], ReviewRun]


def find_subject(folder: Path) -> ReviewSubject:
    """Tell a run from an audit.

    Raises:
        RunFolderError: `folder` is of neither, or its settings cannot be understood.
    """
    if is_work_folder(folder):
        raise RunFolderError(
            f"{folder}: an audit works in here; give the folder of its certificate, "
            f"{folder.resolve().parent}"
        )
    is_audit = is_audit_folder(folder) and not is_run_folder(folder)
    return _describe_audit(folder) if is_audit else _describe_run(folder)


def _describe_run(run_dir: Path) -> ReviewSubject:
    return ReviewSubject(
        folder=run_dir,
        locked_dir=run_dir,
        any_image_id=False,
        applied_by=f"cleanmark emit {run_dir}  applies them",
        read_run=partial(read_review_run, run_dir, read_config(run_dir)),
    )


def _describe_audit(out: Path) -> ReviewSubject:
    return ReviewSubject(
        folder=out,
        # The folder of the certificate has no lock of its own: audits work in this one.
        locked_dir=out / WORK_FOLDER,
        any_image_id=True,
        applied_by="the `cleanmark audit` command, given once more as it was, applies them",
        read_run=partial(read_review_audit, out, read_audit_config(out)),
    )
