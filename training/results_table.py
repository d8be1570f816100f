"""Results as tables, in the layout of Song et al. 2024: Table 4, and Table A13 for the overlap.

Values are percentages with one digit behind the point; a dash stands for what was not measured.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final

from training.evaluate import MeanScores, ProtocolResult, SetResult
from training.revisited_metrics import Protocol

DASH: Final = "-"
_ORDER: Final = (Protocol.ORIGINAL, Protocol.EASY, Protocol.MEDIUM, Protocol.HARD)
_R1M_IMAGES: Final = 1_000_000
_YES_AND_NO: Final = ("Y", "N")

_Column = tuple[Protocol, str]
Results = Mapping[str, Sequence[SetResult]]
"""Method -> its results, one per set."""


@dataclass(frozen=True)
class ResultsTable:
    """A table of texts; the first columns are names, the others numbers.

    Attributes:
        title: what it shows.
        rows: the header, then the rows, all of one length.
        num_names: columns of names.
    """

    title: str
    rows: tuple[tuple[str, ...], ...]
    num_names: int = 1

    def as_text(self) -> str:
        """Columns aligned by blanks, for a terminal."""
        widths = [max(map(len, column)) for column in zip(*self.rows, strict=True)]
        lines = []
        for row in self.rows:
            cells = [
                text.ljust(width) if number < self.num_names else text.rjust(width)
                for number, (text, width) in enumerate(zip(row, widths, strict=True))
            ]
            lines.append("  ".join(cells).rstrip())
        return "\n".join(lines) + "\n"

    def as_markdown(self) -> str:
        """A table of Markdown."""
        header, *body = self.rows
        rule = ["---" if number < self.num_names else "---:" for number in range(len(header))]
        lines = [
            f"| {' | '.join(_escape(cell) for cell in row)} |" for row in (header, rule, *body)
        ]
        return "\n".join(lines) + "\n"

    def as_csv(self) -> str:
        """Comma-separated values; numbers as they are shown."""
        stream = io.StringIO()
        csv.writer(stream, lineterminator="\n").writerows(self.rows)
        return stream.getvalue()


def make_table(results: Results, cutoff: int = 10) -> ResultsTable:
    """One row per method: mAP and mP@k of every set, by protocol, and the mean mAP.

    The original protocol is given by its mAP alone, as the papers do.

    Args:
        results: method -> its results, one per set.
        cutoff: k; only mAP is shown where it was not measured.
    """
    columns = _list_columns(results)
    header = ["method", *(_head(column, cutoff) for column in columns), "mean mAP"]
    rows = []
    for method, sets in results.items():
        means = {column: found.all_queries for column, found in _index(sets).items()}
        cells = [
            _format_pair(means.get(column), None if column[0] is Protocol.ORIGINAL else cutoff)
            for column in columns
        ]
        rows.append((method, *cells, _format_mean([means.get(column) for column in columns])))
    return ResultsTable("Retrieval", (tuple(header), *rows))


def make_overlap_table(results: Results) -> ResultsTable:
    """Two rows per method: mAP of the overlapping queries (Y) and of the others (N).

    Args:
        results: method -> its results, one per set, evaluated with the overlapping queries known.
    """
    columns = _list_columns(results)
    header = ("method", "overlap", *(f"{_title(column)} mAP" for column in columns), "mean mAP")
    rows = []
    for method, sets in results.items():
        found = _index(sets)
        for answer in _YES_AND_NO:
            parts = [_take_part(found.get(column), answer) for column in columns]
            cells = [format_percent(_take_average(part)) for part in parts]
            rows.append((method, answer, *cells, _format_mean(parts)))
    title = "Queries whose landmark is in the training set (Y), and the others (N)"
    return ResultsTable(title, (header, *rows), num_names=2)


def make_detail_table(sets: Sequence[SetResult]) -> ResultsTable:
    """One row per set and protocol: mAP with its interval, every mP@k, and the queries."""
    cutoffs = sorted({k for s in sets for p in s.protocols for k in p.all_queries.mean_precisions})
    precisions = (f"mP@{k}" for k in cutoffs)
    header = ("set", "protocol", "mAP", "interval", *precisions, "queries", "no positives")
    rows = []
    for (protocol, name), found in _index(sets).items():
        means = found.all_queries
        cells = [format_percent(means.mean_precisions.get(k)) for k in cutoffs]
        average = format_percent(means.mean_average_precision)
        counts = str(means.num_queries), str(means.num_without_positives)
        rows.append((name, protocol.value, average, _format_interval(means), *cells, *counts))
    return ResultsTable("Every set and protocol", (header, *rows), num_names=2)


def format_percent(fraction: float | None) -> str:
    """A share in per cent, with one digit; a dash for None."""
    return DASH if fraction is None else f"{100 * fraction:.1f}"


def _list_columns(results: Results) -> list[_Column]:
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


def _head(column: _Column, cutoff: int) -> str:
    precision = "" if column[0] is Protocol.ORIGINAL else f"/mP@{cutoff}"
    return f"{_title(column)} mAP{precision}"


def _take_part(found: ProtocolResult | None, answer: str) -> MeanScores | None:
    if found is None:
        return None
    return found.overlapping if answer == "Y" else found.others


def _take_average(means: MeanScores | None) -> float | None:
    return None if means is None else means.mean_average_precision


def _format_pair(means: MeanScores | None, cutoff: int | None) -> str:
    if means is None:
        return DASH
    average = format_percent(means.mean_average_precision)
    if cutoff not in means.mean_precisions:
        return average
    return f"{average}/{format_percent(means.mean_precisions[cutoff])}"


def _format_interval(means: MeanScores) -> str:
    if means.interval is None:
        return DASH
    low, high = means.interval
    return f"{format_percent(low)} to {format_percent(high)}"


def _format_mean(parts: Sequence[MeanScores | None]) -> str:
    """Mean over all columns; of some columns only, it could not be compared between rows."""
    values = [_take_average(part) for part in parts]
    known = [value for value in values if value is not None]
    return format_percent(fmean(known) if known and len(known) == len(parts) else None)


def _escape(text: str) -> str:
    return text.replace("|", "\\|")
