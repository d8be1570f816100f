"""How long the steps of a run took, and how much they did in that time; from the markers."""

from dataclasses import dataclass
from pathlib import Path

from pipelines.job import build_steps
from pipelines.markers import Marker, read_markers
from pipelines.run_config import RunConfig
from pipelines.units import UnitStatus

_ITEMS = (
    ("control_pairs", "control pairs"),
    ("pairs", "pairs"),
    ("images", "images"),
    ("files", "files"),
    ("training_images", "training images"),
    ("uncertain_pairs", "uncertain pairs"),
    ("candidates", "candidates"),
    ("kept", "images kept"),
)
"""Counts of a unit that say how much work it was, the first that is there."""


@dataclass(frozen=True)
class StepTime:
    """One step of the job.

    Attributes:
        name: of the step.
        num_units: units that are done.
        num_failed: units that failed.
        seconds: that the units took, added up; with several workers, less passed on the clock.
        longest_seconds: of the slowest unit.
        items: what the step counts, in words; empty if nothing.
        num_items: how many of these there were.
        share: of the time of all steps.
    """

    name: str
    num_units: int
    num_failed: int
    seconds: float
    longest_seconds: float
    items: str
    num_items: int
    share: float

    @property
    def per_second(self) -> float | None:
        """Items per second of one worker; None where there is nothing to divide."""
        return self.num_items / self.seconds if self.num_items and self.seconds > 0 else None


def read_times(config: RunConfig, run_dir: Path) -> list[StepTime]:
    """The time of every step that has run, in the order of the job."""
    names = [step.name for step in build_steps(config, run_dir)]
    found = [(name, read_markers(run_dir, name)) for name in names]
    total = sum(marker.seconds for _, markers in found for marker in markers)
    return [_add_up(name, markers, total) for name, markers in found if markers]


def _add_up(name: str, markers: list[Marker], total_seconds: float) -> StepTime:
    key, words = next(
        ((key, words) for key, words in _ITEMS if any(key in m.counts for m in markers)), ("", "")
    )
    seconds = sum(marker.seconds for marker in markers)
    num_failed = sum(marker.status is UnitStatus.FAILED for marker in markers)
    return StepTime(
        name=name,
        num_units=len(markers) - num_failed,
        num_failed=num_failed,
        seconds=seconds,
        longest_seconds=max(marker.seconds for marker in markers),
        items=words,
        num_items=sum(marker.counts.get(key, 0) for marker in markers),
        share=seconds / total_seconds if total_seconds else 0.0,
    )
