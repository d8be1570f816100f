"""The table of contents of the report, with a count of what each section holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Entry:
    """A section: the id it is linked by, its title, and how much it holds, in words."""

    key: str
    title: str
    extent: str


def list_contents(content: Mapping[str, Any]) -> list[Entry]:
    """The sections of a page, in its order, from what the template is given."""
    manifest, overlap, truth = content["manifest"], content["overlap"], content["truth"]
    num_removed = sum(sum(reasons.values()) for reasons in manifest.removed.values())
    entries = [
        ("funnel", "From files to the split", _count(num_removed, "image", "dropped")),
        ("sizes", "Class sizes", _count(len(content["classes"]), "class")),
        ("inliers", "Inliers and the threshold", _describe_controls(content)),
        ("graphs", "Match graphs", _count(len(content["graphs"]), "class", "drawn")),
        ("hard", "Hardest decisions", _describe_hard(content)),
        ("removed", "Classes removed for overlap", _count(len(manifest.removed_classes), "class")),
    ]
    if manifest.reduced_classes:
        extent = _count(len(manifest.reduced_classes), "class")
        entries.append(("reduced", "Classes that lost single images", extent))
    entries += [
        ("candidates", "Overlap candidates", _count(overlap.num_candidates, "candidate")),
        ("certificate", "Certificate", content["certified"].extent),
        ("copies", "Photographs in two classes", _describe_copies(content)),
    ]
    if truth is not None:
        extent = _count(truth.num_labels, "wrong label")
        entries.append(("planted", "Against the truth", extent))
    entries += [
        ("classes", "Class by class", _count(len(content["strips"]), "class", "shown")),
        ("broken", "Broken files", _count(content["num_broken"], "file")),
        ("times", "Time and throughput", _count(len(content["times"]), "step")),
        ("provenance", "Provenance", _count(len(manifest.digests), "digest")),
    ]
    return [Entry(*entry) for entry in entries]


def _count(number: int, noun: str, state: str = "") -> str:
    plural = "es" if noun.endswith("s") else "s"
    return f"{number:,} {noun}{'' if number == 1 else plural} {state}".rstrip()


def _describe_controls(content: Mapping[str, Any]) -> str:
    calibration = content["manifest"].calibration
    if calibration is None:
        return "not calibrated"
    return _count(calibration.num_pairs, "control pair")


def _describe_hard(content: Mapping[str, Any]) -> str:
    hard = content["hard_pairs"]
    return _count(hard.num_above + hard.num_below, "pair")


def _describe_copies(content: Mapping[str, Any]) -> str:
    found = content["manifest"].cross_duplicates
    return "not looked for" if found is None else _count(sum(found.num_pairs.values()), "pair")
