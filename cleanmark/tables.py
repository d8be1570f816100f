"""Tables on the terminal that tell a newcomer what happened."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from cleanmark.scoring import CleanScore, OverlapScore, Score
from manifests.manifest_json import Manifest
from manifests.rows import MEANINGS, REASONS_OF_STAGE
from pipelines.ledger import Account
from pipelines.markers import Tally
from pipelines.units import Report


def print_manifest(console: Console, manifest: Manifest) -> None:
    """Sizes of the splits, and why images are in neither."""
    table = _table("Split", "images", "classes", "train", "val")
    table.add_row("ingested", f"{manifest.ingested:,}", "", "", "")
    for name, counts in (
        ("gldv2_clean", manifest.gldv2_clean),
        ("rgldv2_clean", manifest.counts),
    ):
        numbers = (counts.images, counts.classes, *(c.images for c in counts.splits.values()))
        table.add_row(name, *(f"{number:,}" for number in numbers))
    console.print(table)
    if manifest.removed:
        print_reasons(console, manifest)
    if manifest.calibration is not None:
        console.print(manifest.calibration.describe(), highlight=False, markup=False)
    if manifest.uncertain is not None:
        console.print(manifest.uncertain.describe(), highlight=False, markup=False)
    if manifest.answers is not None:
        console.print(manifest.answers.describe(), highlight=False, markup=False)
    if manifest.cross_duplicates is not None:
        console.print(manifest.cross_duplicates.describe(), highlight=False, markup=False)
    if manifest.index_duplicates is not None:
        console.print(manifest.index_duplicates.describe(), highlight=False, markup=False)
    for removed in (*manifest.removed_classes, *manifest.reduced_classes):
        name = removed.landmark_name or "no name"
        what = "class" if removed in manifest.removed_classes else "single images of class"
        console.print(
            f"removed {what} {removed.landmark_id} ({name}, {removed.images} images): "
            f"{removed.evidence}",
            highlight=False,
            markup=False,  # names of classes may hold brackets
            soft_wrap=True,
        )


def print_reasons(console: Console, manifest: Manifest) -> None:
    """Removed images by stage and reason."""
    table = _table("Removed in", "reason", "images", "meaning", right=(2,))
    for stage, by_reason in manifest.removed.items():
        for reason, count in sorted(by_reason.items(), key=lambda item: -item[1]):
            table.add_row(stage, reason, f"{count:,}", MEANINGS[REASONS_OF_STAGE[stage](reason)])
    console.print(table)


def print_status(console: Console, steps: Iterable[tuple[str, int | None, Tally]]) -> None:
    """Units and counts of each step, then the reasons of failed units."""
    table = _table("Step", "done", "failed", "units", "counted", right=(1, 2, 3))
    errors = []
    for name, num_units, tally in steps:
        counted = ", ".join(f"{key} {count:,}" for key, count in sorted(tally.counts.items()))
        total = "not known yet" if num_units is None else str(num_units)
        table.add_row(name, str(tally.num_done), str(tally.num_failed), total, counted)
        errors += [(f"{name}/{unit}", error) for unit, error in tally.errors.items()]
    console.print(table)
    for unit, error in errors:
        text = f"failed {unit}: {_first_line(error)}"
        console.print(text, highlight=False, markup=False, soft_wrap=True)


def print_accounts(console: Console, accounts: Mapping[str, Account]) -> None:
    """What went into each step that was checked, and what became of it; they are always equal."""
    if not accounts:
        return
    table = _table("No image lost in", "went in", "came out", right=(1,))
    for step, account in accounts.items():
        outcomes = (f"{count:,} {what}" for what, count in account.outcomes.items())
        table.add_row(step, f"{account.num_in:,}", ", ".join(outcomes))
    console.print(table)


def print_failures(console: Console, failures: Iterable[Report]) -> None:
    """Failed units with their reasons."""
    for report in failures:
        text = f"failed {report.stage}/{report.unit_id}: {_first_line(report.error or '')}"
        console.print(text, highlight=False, markup=False, soft_wrap=True)


def print_score(console: Console, score: Score) -> None:
    """The run against the truth."""
    table = _table("Against the truth", "", "what it means", right=(1,))
    for row in _clean_rows(score.clean):
        table.add_row(*row)
    if score.overlap is not None:
        for row in _overlap_rows(score.overlap):
            table.add_row(*row)
    table.add_row("files that cannot be used", str(len(score.unreadable)), "named below")
    console.print(table)
    for member, status in score.unreadable.items():
        console.print(f"  {member}: {status}", highlight=False, markup=False)
    for image_id in score.clean.wrong_kept:
        console.print(f"  kept with a wrong label: {image_id}", highlight=False)


def print_next(console: Console, title: str, commands: Iterable[tuple[str, str]]) -> None:
    """Commands to type next, each with what it does."""
    console.print(title)
    for command, purpose in commands:
        console.print(f"  {command}", highlight=False, markup=False, soft_wrap=True, style="bold")
        console.print(f"      {purpose}", highlight=False, markup=False, soft_wrap=True)


def where_to_look(run_dir: Path) -> str:
    """One line that names the results."""
    return f"manifests: {run_dir / 'manifests'}"


def _clean_rows(score: CleanScore) -> list[tuple[str, str, str]]:
    num_right = score.num_kept - len(score.wrong_kept)
    return [
        ("precision", _percent(num_right, score.num_kept), "kept images whose label is right"),
        (
            "wrong labels kept",
            f"{len(score.wrong_kept)} of {score.num_wrong}",
            "images that show something else than their class says",
        ),
        (
            "recall",
            _percent(score.num_provable_kept, score.num_provable),
            "kept, of the rightly labelled that another photograph verifies",
        ),
        (
            "recall, all",
            _percent(score.num_correct_kept, score.num_correct),
            "kept, of all rightly labelled: lone views and night shots count as lost",
        ),
    ]


def _overlap_rows(score: OverlapScore) -> list[tuple[str, str, str]]:
    total = len(score.overlapping)
    return [
        (
            "overlapping classes found",
            f"{len(score.proposed)} of {total}",
            f"among the candidates; {len(score.matched)} by verified pixels",
        ),
        (
            "other classes matched",
            str(len(score.falsely_matched)),
            "would need a person to refuse them",
        ),
        (
            "overlapping classes removed",
            f"{len(score.removed)} of {total}",
            f"after decisions; {len(score.falsely_removed)} others removed",
        ),
    ]


def _percent(part: int, whole: int) -> str:
    share = f"{100 * part / whole:.1f} %" if whole else "-"
    return f"{share} ({part} of {whole})"


def _first_line(text: str) -> str:
    return text.partition("\n")[0]


def _table(*columns: str, right: tuple[int, ...] = ()) -> Table:
    table = Table(box=box.SIMPLE_HEAD, header_style="bold")
    numeric = right or tuple(range(1, len(columns)))
    for number, name in enumerate(columns):
        table.add_column(name, justify="right" if number in numeric else "left")
    return table
