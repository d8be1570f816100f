"""How well a run did, for data sets that come with the truth."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from manifests.arrow_schemas import CANDIDATES, IMAGES, MATCHES, VERDICTS
from manifests.input_error import InputError
from manifests.manifest_json import read_manifest
from manifests.parquet_io import read_table
from manifests.rows import CandidateSource, CandidateVerdict, ImageStatus, PairVerdict
from pipelines.markers import output_digests
from pipelines.run_folder import table_parts
from pipelines.settings import TruthSettings


class TruthError(InputError):
    """A truth file that is missing or does not fit the run."""


@dataclass(frozen=True)
class ImageTruth:
    """What an image really shows, and whether that is what its class is about."""

    place_shown: str
    label_correct: bool


@dataclass(frozen=True)
class CleanScore:
    """The clean split against the truth; images that cannot be read are left out.

    Attributes:
        num_kept: images kept.
        wrong_kept: ids of kept images with a wrong label.
        num_wrong: usable images with a wrong label.
        num_correct: usable images with a correct label.
        num_correct_kept: of these, kept.
        num_provable: usable images with a correct label that at least one other photograph of the
            same place in the class verifies, copies not counted: what a cleaning by verified
            pairs can keep.
        num_provable_kept: of these, kept.
    """

    num_kept: int
    wrong_kept: tuple[str, ...]
    num_wrong: int
    num_correct: int
    num_correct_kept: int
    num_provable: int
    num_provable_kept: int


@dataclass(frozen=True)
class OverlapScore:
    """The overlap against the truth, by classes.

    Attributes:
        overlapping: classes that really show a query's landmark.
        proposed: of these, among the candidates.
        matched: of these, with a candidate that the verifier calls a match.
        falsely_matched: classes with such a candidate that show no query's landmark.
        removed: overlapping classes that are removed.
        falsely_removed: other classes that are removed.
    """

    overlapping: tuple[int, ...]
    proposed: tuple[int, ...]
    matched: tuple[int, ...]
    falsely_matched: tuple[int, ...]
    removed: tuple[int, ...]
    falsely_removed: tuple[int, ...]


@dataclass(frozen=True)
class Score:
    """Both scores, and the files that could not be read, each with its status."""

    clean: CleanScore
    overlap: OverlapScore | None
    unreadable: Mapping[str, str]


def score_run(run_dir: Path, truth: TruthSettings) -> Score:
    """Compare a finished run with the truth.

    Raises:
        TruthError: a truth file is missing, lacks a column, or lacks an image of the run.
        RunFolderError: a stage has not been run.
    """
    images = read_table(
        table_parts(run_dir, "ingest.join"), IMAGES, ["image_id", "member", "status", "landmark_id"]
    ).to_pylist()
    usable = {row["image_id"] for row in images if row["status"] == ImageStatus.OK}
    unreadable = {
        row["member"]: row["status"]
        for row in images
        if row["status"] not in (ImageStatus.OK, ImageStatus.NOT_FOUND)
    }
    truths = _read_image_truth(truth.images)
    missing = sorted(usable - truths.keys())
    if missing:
        raise TruthError(f"{truth.images}: has no row for image {missing[0]} of this run")
    overlap = None if truth.overlap is None else _score_overlap(run_dir, truth.overlap)
    return Score(_score_clean(run_dir, usable, truths), overlap, unreadable)


def _score_clean(run_dir: Path, usable: set[str], truths: Mapping[str, ImageTruth]) -> CleanScore:
    verdicts = read_table(table_parts(run_dir, "clean"), VERDICTS, ["image_id", "kept"]).to_pylist()
    kept = {row["image_id"] for row in verdicts if row["kept"]}
    correct = {image_id for image_id in usable if truths[image_id].label_correct}
    provable = correct & _find_provable(run_dir, truths)
    return CleanScore(
        num_kept=len(kept),
        wrong_kept=tuple(sorted(kept - correct)),
        num_wrong=len(usable - correct),
        num_correct=len(correct),
        num_correct_kept=len(correct & kept),
        num_provable=len(provable),
        num_provable_kept=len(provable & kept),
    )


def _find_provable(run_dir: Path, truths: Mapping[str, ImageTruth]) -> set[str]:
    """Images of verified pairs in which both show the place that their class is about."""
    columns = ["image_id_a", "image_id_b", "verdict"]
    provable: set[str] = set()
    if not output_digests(run_dir, "verify"):
        return provable
    for row in read_table(table_parts(run_dir, "verify"), MATCHES, columns).to_pylist():
        a, b = truths[row["image_id_a"]], truths[row["image_id_b"]]
        if row["verdict"] == PairVerdict.VERIFIED and a.place_shown == b.place_shown:
            provable |= {row["image_id_a"], row["image_id_b"]}
    return provable


def _score_overlap(run_dir: Path, path: Path) -> OverlapScore:
    truth = {int(r["landmark_id"]): r["shown_in_queries"] == "1" for r in _read_csv(path)}
    overlapping = {landmark_id for landmark_id, shown in truth.items() if shown}
    rows = []
    if output_digests(run_dir, "overlap"):
        columns = ["landmark_id", "source", "verdict"]
        rows = read_table(table_parts(run_dir, "overlap"), CANDIDATES, columns).to_pylist()
    proposed = {row["landmark_id"] for row in rows}
    matched = {
        row["landmark_id"]
        for row in rows
        if row["source"] == CandidateSource.VISUAL and row["verdict"] == CandidateVerdict.MATCH
    }
    manifest = read_manifest(run_dir / "manifests" / "manifest.json")
    removed = {removal.landmark_id for removal in manifest.removed_classes}
    return OverlapScore(
        overlapping=tuple(sorted(overlapping)),
        proposed=tuple(sorted(proposed & overlapping)),
        matched=tuple(sorted(matched & overlapping)),
        falsely_matched=tuple(sorted(matched - overlapping)),
        removed=tuple(sorted(removed & overlapping)),
        falsely_removed=tuple(sorted(removed - overlapping)),
    )


def _read_image_truth(path: Path) -> dict[str, ImageTruth]:
    return {
        row["image_id"]: ImageTruth(row["place_shown"], row["label_correct"] == "1")
        for row in _read_csv(path, "image_id", "place_shown", "label_correct")
    }


def _read_csv(path: Path, *columns: str) -> Iterator[dict[str, str]]:
    needed = columns or ("landmark_id", "shown_in_queries")
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            reader = csv.DictReader(stream)
            missing = [name for name in needed if name not in (reader.fieldnames or ())]
            if missing:
                raise TruthError(f"{path}: column {missing[0]!r} is missing")
            yield from reader
    except FileNotFoundError as error:
        raise TruthError(f"{path}: no such truth file; correct `truth:` or leave it out") from error
