"""Which classes are drawn as match graphs: those that tell different stories."""

from collections.abc import Sequence
from dataclasses import dataclass

from cleanmark.reporting.classes import ClassRow
from manifests.strict_model import StrictModel


class GraphSettings(StrictModel):
    """How many classes are drawn, and how much of each."""

    max_picture_bytes: int = 4_000_000
    max_graphs: int = 6
    max_removed: int = 2
    """Of these, classes removed for overlap."""
    max_kept: int = 22
    max_dropped: int = 12
    max_edges: int = 160
    """Verified pairs of a drawing, the strongest first."""
    node_px: int = 76
    width_px: int = 1040


@dataclass(frozen=True)
class ChosenClass:
    """A class to draw, and why it was chosen."""

    row: ClassRow
    why: str


def choose_classes(rows: Sequence[ClassRow], settings: GraphSettings) -> list[ChosenClass]:
    """The classes worth a drawing; ties go to the smaller id, and each is drawn once."""
    usable = sorted((r for r in rows if r.num_usable > 1), key=lambda r: r.landmark_id)
    removed = [r for r in usable if r.is_overlapping]
    others = [r for r in usable if not r.is_overlapping]
    largest = sorted(others, key=lambda r: -r.num_usable)
    losing = sorted(others, key=lambda r: -(r.num_usable - r.num_clean))
    emptied = [r for r in losing if r.num_clean == 0]
    removed.sort(key=lambda r: -r.num_clean)
    ranked = [
        *((r, "largest, not removed") for r in largest[:1]),
        *((r, "most photographs dropped") for r in losing[:1] if r.num_clean < r.num_usable),
        *((r, "removed for overlap") for r in removed[: settings.max_removed]),
        *((r, "nothing in it was verified") for r in emptied[:1]),
        *((r, "many photographs dropped") for r in losing[1:] if r.num_clean < r.num_usable),
        *((r, "a large class") for r in largest[1:]),
    ]
    chosen: dict[int, ChosenClass] = {}
    for row, why in ranked:
        if row.landmark_id not in chosen and len(chosen) < settings.max_graphs:
            chosen[row.landmark_id] = ChosenClass(row, why)
    return list(chosen.values())
