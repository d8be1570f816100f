"""A plan from its parts: inventory, probe or rates, workload, steps, and what remains unknown."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from manifests.lineage import CODE_VERSION
from pipelines.job import build_steps
from pipelines.planning.advice import advise, list_notes, list_unknown
from pipelines.planning.amounts import Amount
from pipelines.planning.estimate import Estimator, estimate_fetch, total_up
from pipelines.planning.inventory import Inventory, take_inventory
from pipelines.planning.plan_file import DataSummary, Plan, PlannedStep, ProbeSummary
from pipelines.planning.probe import ProbeFindings, run_probe
from pipelines.planning.probe_jobs import count_described
from pipelines.planning.probed_rates import derive_rates
from pipelines.planning.rates import Rates, apply_throughput, assume_rates
from pipelines.planning.run_facts import RunFacts, learn_from_run, read_facts
from pipelines.planning.steps import EMBED, Workload
from pipelines.planning.workload import measure_workload
from pipelines.run_config import RunConfig


def make_plan(
    config: RunConfig,
    *,
    probe: bool = True,
    rates: Rates | None = None,
    run_dir: Path | None = None,
) -> Plan:
    """Say what a job will take.

    Args:
        config: the job.
        probe: measure a sample; without it, or with `rates`, no photograph is read.
        rates: of an earlier plan, in the place of a probe.
        run_dir: a run folder of the job; what is done there is not planned again.

    Raises:
        InputError: something is missing that cannot be planned without.
        ShardError: a shard is damaged.
    """
    inventory = take_inventory(config)
    facts = {} if run_dir is None else read_facts(config, run_dir)
    findings = run_probe(config, inventory) if probe and rates is None else None
    used = _choose_rates(config, inventory, findings, rates, facts)
    described = _find_described(inventory, findings, facts, run_dir)
    work = measure_workload(config, inventory, used, facts, described)
    steps = _estimate_steps(config, inventory, work, used, facts)
    failures = {} if findings is None else findings.failures
    return Plan(
        code_version=CODE_VERSION,
        config_digest=config.digest,
        workers=config.runner.num_workers,
        data=_summarise_data(inventory, work),
        probe=None if findings is None else _summarise_probe(config, findings),
        steps=steps,
        totals=total_up(steps, config),
        prices=config.prices,
        rates=used,
        unknown=tuple(list_unknown(config, inventory, steps, failures)),
        notes=tuple(list_notes(config, inventory, used, findings)),
        advice=tuple(advise(config, steps)),
    )


def _choose_rates(
    config: RunConfig,
    inventory: Inventory,
    findings: ProbeFindings | None,
    given: Rates | None,
    facts: RunFacts,
) -> Rates:
    rates = given or assume_rates(config.plan.rates)
    if findings is not None:
        sizes = inventory.class_sizes * inventory.present_share
        rates = derive_rates(findings, sizes, config)
        if _has_seen_all(inventory, findings):
            known = {"readable": rates.readable.value, "described": rates.described.value}
            update = {name: Amount.exact(value) for name, value in known.items()}
            rates = rates.model_copy(update=update)
    return apply_throughput(learn_from_run(rates, facts), config.plan.rates)


def _find_described(
    inventory: Inventory, findings: ProbeFindings | None, facts: RunFacts, run_dir: Path | None
) -> Mapping[int, int] | None:
    """Images of each class that have a descriptor, where each has been looked at."""
    if run_dir is not None and EMBED in facts and facts[EMBED].is_done:
        return count_described(run_dir.absolute())
    if findings is None or not _has_seen_all(inventory, findings):
        return None
    return findings.images.class_sizes


def _has_seen_all(inventory: Inventory, findings: ProbeFindings) -> bool:
    return inventory.is_exact and findings.num_images == len(inventory.located)


def _estimate_steps(
    config: RunConfig, inventory: Inventory, work: Workload, rates: Rates, facts: RunFacts
) -> tuple[PlannedStep, ...]:
    estimator = Estimator(config, work, rates, facts)
    # Only their names are asked for; no folder is made.
    names = [stage.name for stage in build_steps(config, Path("plan"))]
    fetch = estimate_fetch(config, inventory)
    steps = [estimator.estimate(name) for name in names]
    return tuple(steps) if fetch is None else (fetch, *steps)


def _summarise_data(inventory: Inventory, work: Workload) -> DataSummary:
    shards = inventory.shards
    return DataSummary(
        shards_here=shards.num_here,
        shards_to_come=shards.num_to_come,
        here_bytes=shards.here_bytes,
        to_come_bytes=shards.to_come_bytes,
        is_counted=inventory.is_exact,
        listed_images=inventory.num_listed,
        files=work.files,
        images=work.images,
        classes=work.classes,
        paired_classes=work.paired_classes,
        largest_class=work.largest_class,
        pairs_bounds=work.pairs_bounds,
        proposed_pairs=work.proposed,
        pairs=work.pairs,
        queries=work.queries,
    )


def _summarise_probe(config: RunConfig, findings: ProbeFindings) -> ProbeSummary:
    settings = config.plan.probe
    return ProbeSummary(
        share=settings.share,
        seed=settings.seed,
        images=findings.num_images,
        class_images=findings.num_class_images,
        classes=len(findings.sampled),
        whole_classes=sum(sampled.is_whole for sampled in findings.sampled),
        pairs=int(np.sum([c.num_asked for c in findings.classes.classes])),
        queries=findings.classes.num_queries,
        seconds=round(findings.seconds, 1),
        is_cut=findings.is_cut,
    )
