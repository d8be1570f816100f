"""Results as text, in the layout of Song et al. 2024: Table 4, and Table A13 for the overlap.

Values are percentages with one digit behind the point; a dash stands for what was not measured.
"""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Final

from training.evaluate import MeanScores, ProtocolResult, SetResult
from training.revisited_metrics import Protocol

_DASH: Final = "-"
_ORDER: Final = (Protocol.ORIGINAL, Protocol.EASY, Protocol.MEDIUM, Protocol.HARD)
_R1M_IMAGES: Final = 1_000_000
_YES_AND_NO: Final = ("Y", "N")

_Column = tuple[Protocol, str]


def format_table(results: Mapping[str, Sequence[SetResult]], cutoff: int = 10) -> str:
    """Lay out one row per method: mAP and mP@k of every set, by protocol, and the mean mAP.

    Args:
        results: method -> its results, one per set.
        cutoff: k; only mAP is shown where it was not measured.
    """
    columns = _list_columns(results)
    header = ["method", *(f"{_title(column)} mAP/mP@{cutoff}" for column in columns), "mean mAP"]
    rows = []
    for method, sets in results.items():
        means = {column: found.all_queries for column, found in _index(sets).items()}
        cells = [_format_pair(means.get(column), cutoff) for column in columns]
        rows.append([method, *cells, _format_mean([means.get(column) for column in columns])])
    return _align([header, *rows])


def format_overlap_table(results: Mapping[str, Sequence[SetResult]]) -> str:
    """Lay out two rows per method: mAP of the overlapping queries (Y) and of the others (N).

    Args:
        results: method -> its results, one per set, evaluated with the overlapping queries known.
    """
    columns = _list_columns(results)
    rows = [["method", "overlap", *(f"{_title(column)} mAP" for column in columns), "mean mAP"]]
    for method, sets in results.items():
        found = _index(sets)
        for answer in _YES_AND_NO:
            parts = [_take_part(found.get(column), answer) for column in columns]
            cells = [_format_percent(_take_average(part)) for part in parts]
            rows.append([method, answer, *cells, _format_mean(parts)])
    return _align(rows)


def _list_columns(results: Mapping[str, Sequence[SetResult]]) -> list[_Column]:
    """Protocols as the papers order them; within one, the sets in order of appearance."""
    found = {column: None for sets in results.values() for column in _index(sets)}
    return sorted(found, key=lambda column: _ORDER.index(column[0]))


def _index(sets: Sequence[SetResult]) -> dict[_Column, ProtocolResult]:
    return {(found.protocol, _name(result)): found for result in sets for found in result.protocols}


def _name(result: SetResult) -> str:
    if result.num_distractors == 0:
        return result.name
    is_whole = result.num_distractors >= _R1M_IMAGES
    return f"{result.name}+{'R1M' if is_whole else result.num_distractors}"


def _title(column: _Column) -> str:
    protocol, name = column
    return name if protocol is Protocol.ORIGINAL else f"{name}-{protocol}"


def _take_part(found: ProtocolResult | None, answer: str) -> MeanScores | None:
    if found is None:
        return None
    return found.overlapping if answer == "Y" else found.others


def _take_average(means: MeanScores | None) -> float | None:
    return None if means is None else means.mean_average_precision


def _format_pair(means: MeanScores | None, cutoff: int) -> str:
    if means is None:
        return _DASH
    average = _format_percent(means.mean_average_precision)
    if cutoff not in means.mean_precisions:
        return average
    return f"{average}/{_format_percent(means.mean_precisions[cutoff])}"


def _format_mean(parts: Sequence[MeanScores | None]) -> str:
    """Mean over all columns; of some columns only, it could not be compared between rows."""
    values = [_take_average(part) for part in parts]
    known = [value for value in values if value is not None]
    return _format_percent(fmean(known) if known and len(known) == len(parts) else None)


def _format_percent(fraction: float | None) -> str:
    return _DASH if fraction is None else f"{100 * fraction:.1f}"


def _align(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        first, *others = zip(row, widths, strict=True)
        cells = [first[0].ljust(first[1]), *(text.rjust(width) for text, width in others)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines) + "\n"
