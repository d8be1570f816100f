"""What a run folder knows already: steps that are done need no guess."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pipelines.job import describe_run
from pipelines.markers import Marker, read_markers
from pipelines.planning.amounts import Amount
from pipelines.planning.rates import Rates, StepRate
from pipelines.planning.steps import CLEAN, EMBED, JOIN, SCAN, VERIFY, work_of
from pipelines.run_config import RunConfig
from pipelines.run_folder import read_config
from pipelines.units import Counts, UnitStatus

_UNITS_DIFFER = 0.1
"""Units still to come are believed to be like those that are done within this share."""


@dataclass(frozen=True)
class StepFacts:
    """What the markers of one step say.

    Attributes:
        num_units: units of today's plan; None where it cannot be made yet.
        num_done: of these, those that are done.
        cpu_seconds: processor seconds of the done ones; duration, in markers of old versions.
        counts: what they counted.
        table_bytes: folder of the run -> what they wrote there.
    """

    num_units: int | None
    num_done: int
    cpu_seconds: float
    counts: Counts
    table_bytes: Mapping[str, int]

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do."""
        return self.num_units == self.num_done

    @property
    def share_to_come(self) -> float:
        """Share of the units that are not done."""
        return 1 - self.num_done / self.num_units if self.num_units else float(not self.is_done)


RunFacts = Mapping[str, StepFacts]


def read_facts(config: RunConfig, run_dir: Path) -> RunFacts:
    """What is done of a job in its run folder.

    Raises:
        RunFolderError: it is no run folder.
    """
    read_config(run_dir)
    run_dir = run_dir.absolute()
    facts = {}
    for name, num_units, tally in describe_run(config, run_dir):
        markers = [m for m in read_markers(run_dir, name) if m.status is UnitStatus.DONE]
        num_done = tally.num_done if num_units is not None else 0
        if num_done < len(markers):
            # Some are of another plan; which of them are not is known to the tally alone.
            markers = markers if num_done else []
        facts[name] = _sum_up(num_units, num_done, markers)
    return facts


def learn_from_run(rates: Rates, facts: RunFacts) -> Rates:
    """Rates with those of the steps of which a run has done units, measured there."""
    counts = {name: step.counts for name, step in facts.items()}
    steps = dict(rates.steps)
    for name, step in facts.items():
        if num_items := work_of(name).count(counts) if step.num_done else 0:
            peak = steps[name].peak_bytes if name in steps else None
            steps[name] = _rate(name, step, num_items, peak)
    tables = {name: folder for name, step in facts.items() for folder in step.table_bytes}
    update: dict[str, object] = {"steps": steps, "tables": dict(rates.tables) | tables}
    for share, part, whole in (
        ("readable", (JOIN, "usable"), (SCAN, "files")),
        ("described", (EMBED, "described"), (EMBED, "images")),
        ("kept", (CLEAN, "kept"), (CLEAN, "images")),
    ):
        if all(name in facts and facts[name].is_done for name, _ in (part, whole)):
            total = facts[whole[0]].counts.get(whole[1], 0)
            if total:
                update[share] = Amount.exact(facts[part[0]].counts.get(part[1], 0) / total)
    return rates.model_copy(update=update)


def find_pairs(facts: RunFacts) -> tuple[int, int] | None:
    """Proposed and verified pairs of a run; None unless all are verified."""
    step = facts.get(VERIFY)
    if step is None or not step.is_done:
        return None
    pairs = step.counts.get("pairs", 0)
    return pairs + step.counts.get("skipped", 0) + step.counts.get("over_budget", 0), pairs


def _sum_up(num_units: int | None, num_done: int, markers: list[Marker]) -> StepFacts:
    counts: Counter[str] = Counter()
    tables: Counter[str] = Counter()
    for marker in markers:
        counts.update(marker.counts)
        for output, file in marker.outputs.items():
            tables[PurePosixPath(output).parts[0]] += file.num_bytes
    seconds = sum(m.seconds if m.cpu_seconds is None else m.cpu_seconds for m in markers)
    return StepFacts(num_units, num_done, seconds, dict(counts), dict(tables))


def _rate(name: str, step: StepFacts, num_items: float, peak: int | None) -> StepRate:
    return StepRate(
        unit=work_of(name).noun,
        source="run",
        num_measured=num_items,
        cpu_seconds=Amount.within(step.cpu_seconds / num_items, _UNITS_DIFFER),
        table_bytes=Amount.within(sum(step.table_bytes.values()) / num_items, _UNITS_DIFFER),
        peak_bytes=peak,
    )
