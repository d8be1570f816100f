"""Work times rates: what each step takes."""

from collections.abc import Callable
from dataclasses import dataclass

from pipelines.planning.amounts import Amount, add_up
from pipelines.planning.inventory import Inventory
from pipelines.planning.plan_file import PlannedStep, PlanTotals, StepStatus
from pipelines.planning.prices import Consumption, PriceSettings, price_of
from pipelines.planning.rates import Rates, StepRate
from pipelines.planning.run_facts import RunFacts, StepFacts
from pipelines.planning.steps import (
    CODEBOOK,
    DUPLICATES,
    EMBED,
    FETCH,
    INDEX,
    OVERLAP,
    SCAN,
    VERIFY,
    Workload,
    work_of,
)
from pipelines.run_config import RunConfig

_SECONDS_PER_HOUR = 3600.0
_VIEWS_PER_QUERY = 2
"""The landmark's box and the whole photograph."""
_NOTHING = Amount.exact(0)
_NO_FACTS = StepFacts(None, 0, 0.0, {}, {})


@dataclass(frozen=True)
class Estimator:
    """Estimates steps of a job.

    Attributes:
        config: the job.
        work: all that there is to do.
        rates: what an item takes.
        facts: what a run has done already.
    """

    config: RunConfig
    work: Workload
    rates: Rates
    facts: RunFacts

    def estimate(self, name: str) -> PlannedStep:
        """What is left to do of a step, and what it takes."""
        fact = self.facts.get(name, _NO_FACTS)
        num_units = self.work.units.get(name, 1) if fact.num_units is None else fact.num_units
        share = fact.share_to_come if num_units else 0.0
        items = work_of(name).plan(self.work) if num_units else _NOTHING
        rate = self._find_rate(name)
        cpu = None if rate is None else self._count_cpu(name, rate, items, num_units, share)
        gpu = self._count_gpu(name, rate, items, share)
        wall = self._count_wall(name, cpu, gpu, num_units, share)
        if name == VERIFY and self.config.verify.device == "cuda":
            gpu = wall
        disk = self._count_bytes(name, rate, items, num_units, share)
        return PlannedStep(
            name=name,
            status=_name_status(fact, num_units),
            unit=work_of(name).noun,
            work=items,
            num_units=num_units,
            num_units_done=fact.num_done,
            core_hours=cpu,
            gpu_hours=gpu,
            wall_hours=wall,
            table=self.rates.tables.get(name),
            disk_bytes=disk,
            egress_bytes=0.0,
            money=price(cpu, gpu, disk, 0.0, self.config.prices),
            spent_core_hours=fact.cpu_seconds / _SECONDS_PER_HOUR,
            written_bytes=sum(fact.table_bytes.values()),
            peak_bytes=None if rate is None else rate.peak_bytes,
            source="nothing" if rate is None else rate.source,
            num_measured=0 if rate is None else rate.num_measured,
        )

    def _find_rate(self, name: str) -> StepRate | None:
        steps = self.rates.steps
        if name == INDEX and INDEX not in steps and SCAN in steps:
            # It reads and decodes shards as the first step does, and writes next to nothing.
            return steps[SCAN].model_copy(update={"table_bytes": _NOTHING})
        return steps.get(name)

    def _count_cpu(
        self, name: str, rate: StepRate, items: Amount, num_units: int, share: float
    ) -> Amount | None:
        """Core-hours, the fixed part of units included."""
        if not share:
            return _NOTHING
        if rate.cpu_seconds is None:
            return None
        each = rate.cpu_seconds if rate.source == "run" else self._adapt(name, rate.cpu_seconds)
        num_parts = self.work.parts.get(name, num_units)
        seconds = add_up([items.times(each), Amount.exact(rate.unit_cpu_seconds * num_parts)])
        return seconds.scale(share / _SECONDS_PER_HOUR)

    def _adapt(self, name: str, each: Amount) -> Amount:
        """An item that is compared with the whole clean split, from one compared with a sample."""
        kept = self.work.kept
        if name == DUPLICATES:
            return add_up([each, kept.scale(self.rates.near_hash_seconds_per_pair)])
        if name == OVERLAP:
            if matched := self.rates.matched_per_view:
                each = each.scale(min(self.config.overlap.top_k, kept.value) / matched)
            search = self.rates.search_seconds_per_image * _VIEWS_PER_QUERY
            return add_up([each, kept.scale(search)])
        return each

    def _count_gpu(
        self, name: str, rate: StepRate | None, items: Amount, share: float
    ) -> Amount | None:
        if rate is None or rate.gpu_seconds is None or name != EMBED:
            return None
        return items.times(rate.gpu_seconds).scale(share / _SECONDS_PER_HOUR)

    def _count_wall(
        self, name: str, cpu: Amount | None, gpu: Amount | None, num_units: int, share: float
    ) -> Amount | None:
        """Rounds of equal units over the workers; a step with a GPU has one owner of it."""
        if name == EMBED and gpu is not None:
            return gpu
        if cpu is None:
            return None
        to_come = max(1, round(num_units * share))
        rounds = -(-to_come // self.config.runner.num_workers)
        return cpu.scale(rounds / to_come)

    def _count_bytes(
        self, name: str, rate: StepRate | None, items: Amount, num_units: int, share: float
    ) -> Amount | None:
        if not share:
            return _NOTHING
        if rate is None or rate.table_bytes is None:
            return None
        fixed = Amount.exact(rate.unit_table_bytes * self.work.parts.get(name, num_units))
        num_bytes = add_up([items.times(rate.table_bytes), fixed]).scale(share)
        if name in (EMBED, CODEBOOK) and rate.source == "probe":
            return num_bytes.scale(self._stretch_descriptor())
        return num_bytes

    def _stretch_descriptor(self) -> float:
        """How much longer the descriptors are that more images can teach."""
        measured = self.rates.dimensions
        if not measured or self.config.embed.used_network is not None:
            return 1.0
        return min(self.config.embed.dimensions, self.work.training_images / 2) / measured


def estimate_fetch(config: RunConfig, inventory: Inventory) -> PlannedStep | None:
    """What fetching takes, by published sizes; None for a job that fetches nothing."""
    if config.source.fetch is None:
        return None
    num_bytes = float(inventory.shards.to_come_bytes)
    rate = config.plan.rates.fetch_bytes_per_second
    disk = Amount.exact(num_bytes)
    known = not num_bytes or rate is not None
    seconds = num_bytes / rate if rate else 0.0
    return PlannedStep(
        name=FETCH,
        status="to do" if num_bytes else "done",
        unit="shards",
        work=Amount.exact(inventory.shards.num_to_come),
        num_units=inventory.shards.num_to_come,
        num_units_done=0,
        core_hours=_NOTHING,
        gpu_hours=None,
        wall_hours=Amount.exact(seconds / _SECONDS_PER_HOUR) if known else None,
        table=None,
        disk_bytes=disk,
        egress_bytes=num_bytes,
        money=price(_NOTHING, None, disk, num_bytes, config.prices),
        spent_core_hours=0.0,
        written_bytes=0,
        peak_bytes=None,
        source="published sizes",
        num_measured=0,
    )


def total_up(steps: tuple[PlannedStep, ...], config: RunConfig) -> PlanTotals:
    """All steps together; what is not known counts as nothing."""
    wall = add_up(step.wall_hours for step in steps if step.wall_hours)
    money = [step.money for step in steps if step.money]
    peaks = [step.peak_bytes for step in steps if step.peak_bytes]
    return PlanTotals(
        core_hours=add_up(step.core_hours for step in steps if step.core_hours),
        gpu_hours=add_up(step.gpu_hours for step in steps if step.gpu_hours),
        wall_hours=wall,
        reserved_core_hours=wall.value * config.runner.num_workers,
        disk_bytes=add_up(step.disk_bytes for step in steps if step.disk_bytes),
        egress_bytes=sum(step.egress_bytes for step in steps),
        money=add_up(money) if money else None,
        spent_core_hours=sum(step.spent_core_hours for step in steps),
        written_bytes=sum(step.written_bytes for step in steps),
        peak_bytes=max(peaks, default=None),
    )


def price(
    cpu: Amount | None,
    gpu: Amount | None,
    disk: Amount | None,
    egress_bytes: float,
    prices: PriceSettings,
) -> Amount | None:
    """Money for a step, with the interval of what it takes; None without any price."""
    parts = []
    for taken in (
        _bounds(cpu, lambda value: Consumption(core_hours=value)),
        _bounds(gpu, lambda value: Consumption(gpu_hours=value)),
        _bounds(disk, lambda value: Consumption(disk_bytes=value)),
        [Consumption(egress_bytes=egress_bytes)] * 3,
    ):
        value, low, high = (price_of(consumption, prices) for consumption in taken)
        if value is None or low is None or high is None:
            return None
        parts.append(Amount(value=value, low=low, high=high))
    return add_up(parts)


def _bounds(amount: Amount | None, make: Callable[[float], Consumption]) -> list[Consumption]:
    amount = amount or _NOTHING
    return [make(amount.value), make(amount.low), make(amount.high)]


def _name_status(fact: StepFacts, num_units: int) -> StepStatus:
    if not num_units:
        return "left out"
    if fact.num_units is not None and fact.is_done:
        return "done"
    return "partly done" if fact.num_done else "to do"
