"""Read from a run folder what the review app shows."""

from pathlib import Path

from cleanmark.review_evidence import EvidenceSource, read_candidates, read_pairs
from cleanmark.review_points import OverlapMatchFinder
from pipelines.run_config import RunConfig
from pipelines.run_folder import RunFolderError
from review_ui.evidence import ReviewRun
from review_ui.work_queue import order_pairs


def read_review_run(run_dir: Path, config: RunConfig) -> ReviewRun:
    """Collect the candidates of a run with the places of all photographs.

    Raises:
        RunFolderError: the overlap stage has not been run, or not since the classes were judged
            again, or it proposed nothing.
        GroundTruthError: an evaluation set is not there any more.
    """
    candidates = read_candidates(run_dir)
    if not candidates:
        raise RunFolderError(
            f"{run_dir}: the overlap stage proposed no candidates, so there is nothing to review"
        )
    source = EvidenceSource(
        run_dir=run_dir,
        photos=config.source.root,
        evaluation_sets=config.evaluation_sets,
        searched="the clean split",
        remedy="run the job again",
    )
    pairs, classes = read_pairs(source, candidates, labels={})
    return ReviewRun(
        name=run_dir.resolve().name,
        pairs=order_pairs(pairs),
        classes=classes,
        min_confirmations=config.emit.min_confirmations,
        finder=OverlapMatchFinder(
            config.candidate_features, config.verify, config.overlap.min_inliers
        ),
    )
