"""A plan on the terminal: one table, what dominates, and what nobody could know."""

from collections.abc import Iterator

from rich import box
from rich.console import Console
from rich.table import Table

from pipelines.fetching.disk import format_bytes
from pipelines.planning.amounts import Amount
from pipelines.planning.plan_file import Plan, PlannedStep, ProbeSummary

_NOT_KNOWN = "?"


def print_plan(console: Console, plan: Plan) -> None:
    """Print a plan for people."""
    _say(console, _describe_data(plan))
    _say(console, _describe_probe(plan.probe))
    console.print(_tabulate(plan))
    for title, lines in (
        ("", [*_describe_totals(plan), _describe_memory(plan)]),
        ("", plan.advice),
        ("not known: ", plan.unknown),
        ("note: ", plan.notes),
    ):
        for line in lines:
            _say(console, title + line)


def format_hours(hours: float) -> str:
    """Hours for people: seconds, minutes or hours, whichever is short."""
    if hours < 1 / 60:
        return f"{3600 * hours:.1f} s"
    return f"{60 * hours:.1f} min" if hours < 1 else f"{hours:,.1f} h"


def format_count(count: float) -> str:
    """A count for people: in full up to 99,999, then in thousands (k) or millions (M)."""
    if count < 99_999.5:
        return f"{count:,.0f}"
    return f"{count / 1e3:,.0f} k" if count < 999_500 else f"{count / 1e6:,.1f} M"


def _describe_data(plan: Plan) -> str:
    data = plan.data
    coming = ""
    if data.shards_to_come:
        coming = f", {data.shards_to_come} to come ({format_bytes(data.to_come_bytes)})"
    return (
        f"{data.shards_here} shards here ({format_bytes(data.here_bytes)}){coming}; "
        f"{_count(data.files)} files, {_count(data.images)} usable images in {data.classes:,} "
        f"classes, the largest of {data.largest_class:,}; {_count(data.proposed_pairs)} pairs"
    )


def _describe_probe(probe: ProbeSummary | None) -> str:
    if probe is None:
        return "no photograph was read"
    return (
        f"measured in {probe.seconds:.0f} s: {probe.images:,} images drawn evenly; "
        f"{probe.pairs:,} pairs in {probe.classes:,} classes ({probe.whole_classes:,} of them "
        f"whole) of {probe.class_images:,} images; {probe.queries} queries"
    )


def _describe_memory(plan: Plan) -> str:
    peak = plan.totals.peak_bytes
    if peak is None:
        return "memory of a worker: not measured"
    return f"memory of a worker: {format_bytes(peak)} at most when it was measured"


def _tabulate(plan: Plan) -> Table:
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", show_footer=True, padding=(0, 1, 0, 0))
    total = plan.totals
    has_gpu = any(step.gpu_hours for step in plan.steps)
    columns = [
        ("Step", "to do"),
        ("work", ""),
        ("cores", _hours(total.core_hours)),
        ("±", _spread(total.core_hours)),
        *([("GPU", _hours(total.gpu_hours))] if has_gpu else []),
        (f"wall ({plan.workers})", _hours(total.wall_hours)),
        ("disk", _bytes(total.disk_bytes)),
        *([(plan.prices.currency, _money(total.money))] if total.money else []),
    ]
    for number, (name, footer) in enumerate(columns):
        table.add_column(name, footer, justify="right" if number else "left", no_wrap=True)
    for step in plan.steps:
        if step.status != "left out":
            table.add_row(*_list_cells(step, has_gpu=has_gpu, has_money=total.money is not None))
    return table


def _list_cells(step: PlannedStep, *, has_gpu: bool, has_money: bool) -> list[str]:
    work = f"{format_count(step.work.value)} {step.unit}"
    if step.status == "done":
        return [step.name, work, "done", *([""] * (3 + has_gpu + has_money))]
    return [
        step.name,
        work,
        _hours(step.core_hours),
        _spread(step.core_hours),
        *([_hours(step.gpu_hours) if step.gpu_hours else ""] if has_gpu else []),
        _hours(step.wall_hours),
        _bytes(step.disk_bytes),
        *([_money(step.money)] if has_money else []),
    ]


def _describe_totals(plan: Plan) -> Iterator[str]:
    """The totals in one sentence each: what they may be, and what is behind us."""
    total = plan.totals
    low, high = format_hours(total.core_hours.low), format_hours(total.core_hours.high)
    disk = f"{format_bytes(total.disk_bytes.low)} to {format_bytes(total.disk_bytes.high)}"
    yield f"to do: {low} to {high} of cores, {disk} of disk"
    if total.spent_core_hours:
        yield (
            f"done before: {format_hours(total.spent_core_hours)} of cores, "
            f"{format_bytes(total.written_bytes)} on disk"
        )


def _count(amount: Amount) -> str:
    count = f"{amount.value:,.0f}"
    if amount.low == amount.high:
        return count
    return f"{count} ({amount.low:,.0f}-{amount.high:,.0f})"


def _spread(amount: Amount | None) -> str:
    """Half the interval as a share of the value."""
    if amount is None or not amount.value:
        return ""
    return f"{50 * (amount.high - amount.low) / amount.value:.0f} %"


def _hours(amount: Amount | None) -> str:
    return _NOT_KNOWN if amount is None else format_hours(amount.value)


def _bytes(amount: Amount | None) -> str:
    return _NOT_KNOWN if amount is None else format_bytes(amount.value)


def _money(amount: Amount | None) -> str:
    return _NOT_KNOWN if amount is None else f"{amount.value:,.2f}"


def _say(console: Console, line: str) -> None:
    console.print(line, highlight=False, markup=False, soft_wrap=True)
