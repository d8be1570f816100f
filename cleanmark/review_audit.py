"""Read from the folder of an audit what the review app shows."""

from pathlib import Path

from cleanmark.review_evidence import EvidenceSource, read_candidates, read_pairs
from cleanmark.review_points import OverlapMatchFinder
from curation.canary_choice import ID_PREFIX
from curation.overlap import Candidate
from manifests.parquet_io import read_table
from manifests.rows import CandidateVerdict
from pipelines.audit.folder import WORK_FOLDER
from pipelines.audit.listing import PlaceImages
from pipelines.audit.settings import AuditConfig
from pipelines.audit.tables import LISTED
from pipelines.markers import output_digests
from pipelines.run_folder import RunFolderError, table_parts
from pipelines.stages.overlap import Overlap
from review_ui.evidence import Pair, Purpose, ReviewRun
from review_ui.work_queue import order_pairs

_RUN_AGAIN = "run the same `cleanmark audit` command again"
_ONE_IS_ENOUGH = 1
"""In an audit one `same` makes an overlap."""


def read_review_audit(out: Path, config: AuditConfig) -> ReviewRun:
    """Collect the matches that people's word decides, with the places of all photographs.

    Mere near neighbours are left out: the certificate waits for nobody's word on them. So are
    canaries and controls, which are not of the list, and files that are those of their query,
    which overlap whatever anybody says.

    Raises:
        RunFolderError: the audit has not come to the search, or not since the list was changed,
            or there is no match.
        GroundTruthError: an evaluation set is not there any more.
    """
    work_dir = out / WORK_FOLDER
    if not output_digests(work_dir, Overlap.name):
        raise RunFolderError(f"{out}: the audit has not searched yet; {_RUN_AGAIN}")
    matches = [candidate for candidate in read_candidates(work_dir) if _is_of_list(candidate)]
    source = EvidenceSource(
        run_dir=work_dir,
        photos=config.photos,
        evaluation_sets=config.evaluation_sets,
        searched="the list",
        remedy=_RUN_AGAIN,
    )
    pairs, classes = read_pairs(source, matches, _read_labels(work_dir))
    open_pairs = [pair for pair in pairs if not _is_same_file(pair)]
    shown = {pair.candidate.landmark_id for pair in open_pairs}
    if not open_pairs:
        raise RunFolderError(f"{out}: no match depends on people, so there is nothing to review")
    return ReviewRun(
        name=out.resolve().name,
        pairs=order_pairs(open_pairs),
        classes={number: classes[number] for number in sorted(shown)},
        min_confirmations=_ONE_IS_ENOUGH,
        finder=OverlapMatchFinder(config.describe, config.verify, config.overlap.min_inliers),
        purpose=Purpose.CERTIFICATE,
    )


def _is_of_list(candidate: Candidate) -> bool:
    is_planted = candidate.image_id.startswith(ID_PREFIX)
    return candidate.verdict is CandidateVerdict.MATCH and not is_planted


def _is_same_file(pair: Pair) -> bool:
    return pair.query is not None and pair.query.photograph.sha256 == pair.image.sha256


def _read_labels(work_dir: Path) -> dict[int, str]:
    """Landmark id -> label, of the classes whose label is no number."""
    parts = table_parts(work_dir, PlaceImages.name)
    labels = read_table(parts, LISTED, ["landmark_id", "label"])
    distinct = labels.group_by(["landmark_id", "label"]).aggregate([]).to_pylist()
    return {
        row["landmark_id"]: row["label"]
        for row in distinct
        if row["label"] != str(row["landmark_id"])
    }
