"""`cleanmark demo`: the whole job on an embedded data set, scored against its truth."""

import csv
import io
import os
from dataclasses import dataclass
from pathlib import Path

import yaml
from rich.console import Console
from rich.progress import Progress

from cleanmark.miniature import MiniatureSettings, build_miniature
from manifests.arrow_schemas import CANDIDATES
from manifests.atomic import write_text
from manifests.parquet_io import read_table
from manifests.rows import CandidateVerdict, Decision
from pipelines.run_folder import table_parts

_CONFIG = {
    "source": {"layout": "gldv2", "root": "miniature"},
    "evaluation_sets": [
        {
            "name": "miniworld",
            "images": "{source.root}/eval/jpg",
            "ground_truth": "{source.root}/eval/gnd_miniworld.json",
            "text_terms": ["Valmere"],
        }
    ],
    # Classes have 8 to 20 photographs; two witnesses are much in so small a crowd.
    "clean": {"min_verified_neighbours": 2},
    # The pictures are small: described anew for the comparison, they would say no more.
    "overlap": {"describe": None},
    "emit": {"policy": "confirmed"},
    "truth": {
        "images": "{source.root}/truth.csv",
        "overlap": "{source.root}/overlap_truth.csv",
    },
}
_DECIDED_AT = "2026-01-01T00:00:00Z"
_REVIEWER = "demo"


@dataclass(frozen=True)
class DemoFolder:
    """Where the demo keeps what."""

    root: Path

    @property
    def data(self) -> Path:
        """The miniature data set."""
        return self.root / "miniature"

    @property
    def config(self) -> Path:
        """The configuration of the job."""
        return self.root / "demo.yaml"

    @property
    def run(self) -> Path:
        """The run folder."""
        return self.root / "run"

    @property
    def decisions(self) -> Path:
        """What the scripted reviewer says."""
        return self.root / "decisions.csv"


def make_data(folder: DemoFolder, console: Console) -> None:
    """Render the miniature, unless it is there, and write the configuration of the job.

    Raises:
        FileExistsError: the folder holds something else.
    """
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("rendering photographs", total=None)

        def show(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        workers = len(os.sched_getaffinity(0))
        summary = build_miniature(folder.data, MiniatureSettings(), workers=workers, progress=show)
    console.print(
        f"a world of {summary.num_classes} landmark classes: {summary.num_images} photographs, "
        f"{summary.num_queries} evaluation queries, {summary.num_bytes / 1e6:.0f} MB",
        highlight=False,
    )
    write_text(folder.config, yaml.safe_dump(_CONFIG, sort_keys=False))


def script_decisions(folder: DemoFolder) -> int:
    """Decide every candidate as a reviewer who knows the truth would; return how many.

    A match with a class that really overlaps is the `same` landmark, anything else `different`.
    """
    with (folder.data / "overlap_truth.csv").open(newline="", encoding="utf-8") as stream:
        overlapping = {
            int(row["landmark_id"])
            for row in csv.DictReader(stream)
            if row["shown_in_queries"] == "1"
        }
    candidates = read_table(table_parts(folder.run, "overlap"), CANDIDATES).to_pylist()
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["eval_set", "query_id", "image_id", "reviewer", "decision", "decided_at"])
    for row in candidates:
        is_same = row["verdict"] == CandidateVerdict.MATCH and row["landmark_id"] in overlapping
        decision = Decision.SAME if is_same else Decision.DIFFERENT
        key = (row["eval_set"], row["query_id"], row["image_id"])
        writer.writerow([*key, _REVIEWER, decision.value, _DECIDED_AT])
    write_text(folder.decisions, text.getvalue())
    return len(candidates)
